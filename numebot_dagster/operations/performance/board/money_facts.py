"""Gather what the page of the account book shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from numebot_dagster.operations.causes import names_of
from numebot_dagster.operations.performance.board import links
from numebot_dagster.operations.performance.money import ledger_export
from numebot_dagster.operations.performance.money.forecast import LEAST_DATES, Forecast, forecast
from numebot_dagster.operations.performance.money.ledger import (
    Holdings,
    Ledger,
    Sums,
    account_book,
)
from numebot_dagster.operations.performance.money.ledger_lines import Kind, Match
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import brief_nmr, counted
from numebot_dagster.scoring.payouts import total

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.money import Difference, Money, Position, SumLine
    from numebot_dagster.reporting.pages.today import Tile
    from numebot_dagster.reporting.picture import Picture

BORROWED_SAID = 0.05
"""The share of borrowed days above which it is said."""
VIEWS = ("positions", "payouts", "claims", "prices", "scores", "paid_metrics")


@dataclass(frozen=True)
class Accounts:
    """The account book, and what the rounds that run may still pay, where that can be said."""

    book: Ledger
    outlook: Forecast | None

    @classmethod
    def of(cls, platform: Platform) -> Accounts:
        """Read the book, and simulate the running rounds."""
        book = account_book(platform)
        return cls(book, forecast(platform.lake, book))


def files(book: Ledger) -> dict[str, str]:
    """Return the account book of each calendar year as CSV, by the name of its file."""
    return {f"money-{year}.csv": ledger_export.as_csv(book.of(int(year))) for year in book.by_year}


def money(platform: Platform, accounts: Accounts) -> Money:
    """Return all that the page shows."""
    from numebot_dagster.reporting.pages.money import Money

    book, outlook = accounts.book, accounts.outlook
    pages = {model.name: links.model(model) for model in platform.registry.models}
    by_stake = sorted(book.holdings, key=lambda each: -each.at_risk)
    by_model = book.by_model
    order = dict.fromkeys([*(each.model for each in by_stake), *by_model])
    return Money(
        tiles=list(_tiles(accounts)),
        picture=_picture(book, outlook),
        outlook=[] if outlook is None else list(in_words(outlook)),
        differences=_differences(book),
        unmatched=book.not_compared,
        sums={
            "By year": _newest_first(book.by_year),
            "By month": _newest_first(book.by_month),
            "By model": _lines({"all": book.sums} if book.lines else {}, {})
            + _lines({name: by_model[name] for name in order}, pages),
        },
        atomic=[_position(each, pages) for each in by_stake if each.kind is Kind.ATOMIC],
        legacy=[_position(each, pages) for each in by_stake if each.kind is Kind.LEGACY],
        files={year: f"money-{year}.csv" for year in book.by_year},
    )


def at_stake(book: Ledger) -> Tile:
    """Return what is at risk in all running rounds, and its value at the newest price."""
    from numebot_dagster.reporting.pages.today import Tile

    if book.day is None:
        return Tile("at stake", "\N{EN DASH}", "no position was read yet")
    at_risk = total([holding.at_risk for holding in book.holdings])
    return Tile("at stake", f"{at_risk:,.1f} NMR", _worth(book, at_risk))


def _worth(book: Ledger, amount: Decimal) -> str:
    """Return the value of an amount at the newest price, with the price and its day."""
    if book.newest_price is None:
        return "no price of NMR was read yet"
    day, price = book.newest_price
    rates = {"USD": price.usd, "EUR": price.eur}
    texts = [
        f"{amount * rate:,.0f} {currency} at {rate:,.2f}"
        for currency, rate in rates.items()
        if rate is not None
    ]
    return f"{', '.join(texts)} on {_day(day)}"


def pending(accounts: Accounts) -> Tile:
    """Return what the running rounds would pay by the newest scores, and where they may end."""
    from numebot_dagster.reporting.pages.today import Tile

    book, outlook = accounts.book, accounts.outlook
    rounds = {line.round_number for line in book.that(Match.PENDING)}
    if not rounds:
        return Tile("pending", _nmr(Decimal()), "no round runs")
    note = counted(len(rounds), "running round")
    if outlook is not None:
        low, high = map(brief_nmr, outlook.range)
        note = f"between {low} and {high}; {note}"
    return Tile("pending", _nmr(book.sums.pending), note)


def _tiles(accounts: Accounts) -> Iterator[Tile]:
    from numebot_dagster.reporting.pages.today import Tile

    book = accounts.book
    yield at_stake(book)
    if book.day is None:
        yield Tile("settled", _nmr(None), "payouts less burns")
    else:
        yield _settled(book, f"{book.day.year}")
    yield pending(accounts)
    owing = [holding for holding in book.holdings if holding.deferred]
    deferred = total([holding.deferred for holding in owing])
    note = f"of {counted(len(owing), 'model')}, " if owing else ""
    yield Tile("deferred burns", _nmr(-deferred), f"{note}taken off later payouts")
    yield _matched(book.sums)


def _settled(book: Ledger, year: str) -> Tile:
    from numebot_dagster.reporting.pages.today import Tile

    sums = book.by_year.get(year)
    note = "payouts less burns"
    if sums is not None and not sums.without_usd:
        note = f"{_signed(sums.usd)} USD on the days paid"
    return Tile(f"settled in {year}", _nmr(sums.settled if sums else Decimal()), note)


def _matched(sums: Sums) -> Tile:
    from numebot_dagster.reporting.pages.today import Tile

    equal, different, unknown = (
        sums.rounds.get(match, 0) for match in (Match.EQUAL, Match.DIFFERENCE, Match.UNKNOWN)
    )
    return Tile(
        "account book",
        f"{equal:,} of {equal + different + unknown:,}",
        "match Numerai to the last digit" if not unknown else f"match; {unknown} lack a figure",
        "bad" if different else "good" if equal and not unknown else "",
    )


def _picture(book: Ledger, outlook: Forecast | None) -> Picture:
    import polars as pl

    from numebot_dagster.reporting import money_charts

    rows = [
        (line.resolve_date, float(line.credited), line.resolved)
        for line in book.lines
        if line.resolve_date is not None and line.credited is not None
    ]
    schema = {"date": pl.Date, "nmr": pl.Float64, "resolved": pl.Boolean}
    days = pl.DataFrame(rows, schema=schema, orient="row")
    return money_charts.paid(days, None if outlook is None else _paths(outlook))


def _paths(outlook: Forecast) -> pl.DataFrame:
    """Return the quantiles of the paths on the days on which rounds pay."""
    import polars as pl

    from numebot_dagster.reporting.marks import QUANTILES
    from numebot_dagster.reporting.money_charts import BAND
    from numebot_dagster.scoring.luck.curves import LEVELS

    places = [place for _, place in outlook.ends]
    columns = {
        name: outlook.paths.quantiles[LEVELS.index(QUANTILES[name]), places] for name in BAND
    }
    return pl.DataFrame({"date": [day for day, _ in outlook.ends], **columns})


def in_words(outlook: Forecast) -> Iterator[str]:
    """Yield what the paths say, and what they rest on."""
    import numpy as np

    paths = outlook.paths
    low, high = map(brief_nmr, outlook.range)
    yield (
        f"Nine of ten paths of the running rounds end between {low} and {high} NMR; "
        f"{paths.burn_probability:.0%} of all burn more than they pay. "
        f"The worst twentieth ends at {brief_nmr(paths.tail_loss)} NMR on average."
    )
    middle, most = np.quantile(paths.burn_streaks, [0.5, 0.95], method="higher")
    yield (
        f"Longest stretch of paying days that burn on the whole: {middle} in the middle path, "
        f"{most} or more in the worst twentieth; so far it was {outlook.longest_burn}."
    )
    yield (
        f"{len(paths.totals):,} paths, drawn from {outlook.dates} past days of all models together "
        f"in blocks of ten, so that rounds that overlap and models that move together stay so. "
        f"Past means count for {paths.mean_share:.0%}: most of what stood out was luck."
    )
    if outlook.borrowed > BORROWED_SAID:
        yield (
            f"Up to {outlook.borrowed:.0%} of a model's days are others of its own, because it has "
            "fewer than the rest."
        )
    if outlook.left_out:
        names = names_of(outlook.left_out)
        yield (
            f"Without rounds of {names}: their scores have fewer than {LEAST_DATES} past days, or "
            "what they pay by is not stored."
        )


def _differences(book: Ledger) -> list[Difference]:
    from numebot_dagster.reporting.pages.money import Difference

    return [
        Difference(
            line.model,
            line.round_number,
            links.round_(line.round_number),
            ledger_export.digits(line.computed),
            ledger_export.digits(line.credited),
            line.remark,
        )
        for line in book.that(Match.DIFFERENCE)
    ]


def _newest_first(sums: Mapping[str, Sums]) -> list[SumLine]:
    return _lines(dict(sorted(sums.items(), reverse=True)), {})


def _lines(sums: Mapping[str, Sums], pages: Mapping[str, str]) -> list[SumLine]:
    """Return a line for each of some sums, by name."""
    from numebot_dagster.reporting.pages.money import SumLine

    return [
        SumLine(
            name,
            pages.get(name, ""),
            sum(each.rounds.values()),
            each.earned,
            each.burned,
            each.settled,
            each.pending,
            None if each.without_usd == each.paid else each.usd,
            None if each.without_eur == each.paid else each.eur,
            each.without_usd,
            each.without_eur,
        )
        for name, each in sums.items()
    ]


def _position(holdings: Holdings, pages: Mapping[str, str]) -> Position:
    from numebot_dagster.reporting.pages.money import Position

    return Position(
        holdings.model,
        pages.get(holdings.model, ""),
        holdings.at_risk,
        holdings.waiting,
        holdings.claimable,
        holdings.settled,
        holdings.realised,
        holdings.deferred,
    )


def _nmr(amount: Decimal | None) -> str:
    return f"{brief_nmr(None if amount is None else float(amount))} NMR"


def _signed(amount: Decimal) -> str:
    return f"{amount:+,.0f}".replace("-", "\N{MINUS SIGN}")


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
