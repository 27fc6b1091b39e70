"""Gather what the page of the account book shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from numebot_dagster.operations.performance.board import links
from numebot_dagster.operations.performance.money import ledger_export
from numebot_dagster.operations.performance.money.ledger import Holdings, Ledger, Sums
from numebot_dagster.operations.performance.money.ledger_lines import Match
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import counted, nmr

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.money import Money, Position, SumLine
    from numebot_dagster.reporting.pages.today import Tile
    from numebot_dagster.reporting.picture import Picture

VIEWS = ("positions", "payouts", "claims", "prices")


def files(book: Ledger) -> dict[str, str]:
    """Return the account book of each calendar year as CSV, by the name of its file."""
    return {f"money-{year}.csv": ledger_export.as_csv(book.of(int(year))) for year in book.by_year}


def money(platform: Platform, book: Ledger) -> Money:
    """Return all that the page shows."""
    from numebot_dagster.reporting.pages.money import Difference, Money

    pages = {model.name: links.model(model) for model in platform.registry.models}
    differences = [
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
    return Money(
        tiles=list(_tiles(book)),
        picture=_picture(book),
        differences=differences,
        sums={
            "By year": _lines(book.by_year),
            "By month": _lines(book.by_month),
            "By model": _lines(book.by_model) + _lines({"all": book.sums} if book.lines else {}),
        },
        positions=[_position(holdings, pages) for holdings in book.holdings],
        files={year: f"money-{year}.csv" for year in book.by_year},
    )


def _tiles(book: Ledger) -> Iterator[Tile]:
    from numebot_dagster.reporting.pages.today import Tile

    sums, holdings = book.sums, book.holdings
    at_risk = sum((holding.at_risk for holding in holdings), Decimal())
    deferred = sum((holding.deferred or Decimal() for holding in holdings), Decimal())
    running = sums.rounds.get(Match.PENDING, 0)
    yield Tile(
        "at stake", f"{at_risk:,.1f} NMR", f"as of {book.day}" if book.day else "not read yet"
    )
    this_year = max(book.by_year, default=None)
    settled = book.by_year[this_year].settled if this_year else None
    yield Tile(
        f"settled in {this_year}" if this_year else "settled", _nmr(settled), "payouts less burns"
    )
    yield Tile("pending", _nmr(sums.pending), counted(running, "running position"))
    yield Tile("deferred burns", _nmr(-deferred), "taken off later payouts")
    equal, different = (sums.rounds.get(match, 0) for match in (Match.EQUAL, Match.DIFFERENCE))
    unknown = sums.rounds.get(Match.UNKNOWN, 0)
    yield Tile(
        "account book",
        f"{equal:,} of {equal + different + unknown:,}",
        "match Numerai to the last digit" if not unknown else f"match; {unknown} lack a figure",
        "bad" if different else "good" if equal and not unknown else "",
    )


def _picture(book: Ledger) -> Picture:
    import polars as pl

    from numebot_dagster.reporting import money_charts

    by_round: dict[int, tuple[Decimal, bool]] = {}
    for line in book.lines:
        paid, resolved = by_round.get(line.round_number, (Decimal(), True))
        amount = paid + (line.credited or Decimal())
        by_round[line.round_number] = (amount, resolved and line.resolved)
    rows = [(number, float(amount), done) for number, (amount, done) in sorted(by_round.items())]
    schema = {"round": pl.Int64, "nmr": pl.Float64, "resolved": pl.Boolean}
    return money_charts.paid(pl.DataFrame(rows, schema=schema, orient="row"))


def _lines(sums: Mapping[str, Sums]) -> list[SumLine]:
    """Return a line for each of some sums, by name."""
    from numebot_dagster.reporting.pages.money import SumLine

    return [
        SumLine(
            name,
            sum(each.rounds.values()),
            each.earned,
            each.burned,
            each.settled,
            each.pending,
            None if each.without_usd else each.usd,
        )
        for name, each in sorted(sums.items())
    ]


def _position(holdings: Holdings, pages: Mapping[str, str]) -> Position:
    from numebot_dagster.reporting.pages.money import Position

    return Position(
        holdings.model,
        pages.get(holdings.model, ""),
        holdings.kind,
        holdings.at_risk,
        holdings.waiting,
        holdings.claimable,
        holdings.realised,
        holdings.deferred,
    )


def _nmr(amount: Decimal | None) -> str:
    return nmr(None if amount is None else float(amount))
