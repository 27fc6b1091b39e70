"""Keep the account book: recompute every payout, and match it to what Numerai credited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from numebot_dagster.lake import catalog
from numebot_dagster.operations.causes import names_of, rounds_of
from numebot_dagster.operations.performance.money.ledger_lines import Kind, Line, Match, Score
from numebot_dagster.operations.performance.money.prices import Price, Prices
from numebot_dagster.operations.platform import Platform
from numebot_dagster.scoring.payouts import exact, net_burns, total

if TYPE_CHECKING:
    import polars as pl

K = TypeVar("K")
Row = dict[str, Any]

# Of several days the newest counts, as of the settled ones among them where there are any.
_POSITIONS = """
with newest as (
    select model, "round", max(date) as date from positions
    where (?::varchar is null or model = ?) and (?::bigint is null or "round" = ?) group by all
)
select * from positions semi join newest using (model, "round", date)
order by model, "round", metric, version
"""
_PAYOUTS = """
select model, "round", settled, coalesce(payout_text, payout_nmr::varchar) as amount from payouts
qualify row_number() over (partition by model, "round" order by settled desc, date desc) = 1
"""
_CLAIMS = """
select model, "round", payout_nmr - burn_nmr as amount from claims
qualify row_number() over (partition by model, "round" order by date desc) = 1
"""


@dataclass(frozen=True)
class Sums:
    """Sums over lines; NMR is exact, USD and EUR are sums of cents.

    Attributes:
        rounds: lines by how they match.
        earned: NMR of payouts.
        burned: NMR of burns, positive.
        pending: NMR that Numerai expects of unresolved rounds.
        paid: lines that paid or burned something.
        usd: of those with a price; `without_usd` counts the others.
    """

    rounds: dict[Match, int]
    earned: Decimal
    burned: Decimal
    pending: Decimal
    paid: int
    usd: Decimal
    eur: Decimal
    without_usd: int
    without_eur: int

    @property
    def settled(self) -> Decimal:
        """NMR of payouts less burns."""
        return total([self.earned, -self.burned])


@dataclass(frozen=True)
class Holdings:
    """What one model has in positions of one kind, in NMR.

    Attributes:
        at_risk: of unresolved rounds: the sum of positions, or of legacy rounds, which share their
            stake, the largest.
        waiting: of resolved positions that cannot be claimed yet, stake and payout.
        claimable: of the others, stake and payout.
        settled: payouts less burns of resolved rounds.
        realised: payouts after the burns before them; of atomic staking alone.
        deferred: burns that later payouts have to make up for; of atomic staking alone.
    """

    model: str
    kind: Kind
    at_risk: Decimal
    waiting: Decimal
    claimable: Decimal
    settled: Decimal
    realised: Decimal | None
    deferred: Decimal | None


@dataclass(frozen=True)
class Ledger:
    """All lines, by model and round.

    Attributes:
        day: up to which it is known; None when no position was ever read.
        newest_price: of one NMR, with its day.
    """

    lines: tuple[Line, ...]
    day: date | None
    newest_price: tuple[date, Price] | None = None

    def of(self, year: int | None = None, models: Collection[str] | None = None) -> Ledger:
        """Return the lines of some models that were paid in a year."""
        lines = (
            line
            for line in self.lines
            if (models is None or line.model in models)
            and (year is None or (line.resolved and _year(line) == str(year)))
        )
        return replace(self, lines=tuple(lines))

    def that(self, match: Match) -> list[Line]:
        """Return the lines that match in a way."""
        return [line for line in self.lines if line.match is match]

    @property
    def not_compared(self) -> list[str]:
        """What cannot be compared with Numerai's figures, and why, in sentences."""
        texts = []
        for missing, lines in _grouped(self.that(Match.UNKNOWN), attrgetter("remark")):
            rounds = rounds_of(sorted({line.round_number for line in lines}))
            models = names_of(sorted({line.model for line in lines}))
            texts.append(f"Not compared: {rounds}, {models}: Numerai gave no {missing}.")
        return texts

    @property
    def sums(self) -> Sums:
        """Return the sums over all lines."""
        return _sums(self.lines)

    @property
    def by_year(self) -> dict[str, Sums]:
        """Return sums by the calendar year in which rounds were paid."""
        return self._by(_year)

    @property
    def by_month(self) -> dict[str, Sums]:
        """Return sums by the month, as `2026-11`, in which rounds were paid."""
        return self._by(_month)

    @property
    def by_model(self) -> dict[str, Sums]:
        """Return sums by model, unresolved rounds included."""
        return {name: _sums(lines) for name, lines in _grouped(self.lines, attrgetter("model"))}

    @property
    def holdings(self) -> list[Holdings]:
        """Return what each model has at stake, atomic staking and older rounds apart."""
        groups = _grouped(self.lines, lambda line: (line.model, line.kind))
        return [
            _holdings(model, kind, lines, self.day or date.min)
            for (model, kind), lines in groups
            if kind is not Kind.UNKNOWN
        ]

    def _by(self, key: Callable[[Line], str]) -> dict[str, Sums]:
        return {name: _sums(lines) for name, lines in _grouped(self.lines, key) if name}


def account_book(
    platform: Platform, model_name: str | None = None, round_number: int | None = None
) -> Ledger:
    """Return the account book with the prices that were collected or that the user gives.

    Burns are netted over the lines that are read.

    Args:
        platform: whose data folder and file of rates to read.
        model_name: whose lines to read; by default those of all.
        round_number: which round's; by default those of all.

    Raises:
        SettingsError: naming the line of the file of rates that cannot be read.
    """
    lake = platform.lake
    prices = Prices.of(lake, platform.settings.numebot_rates_file)
    positions = catalog.query(
        lake, _POSITIONS, [model_name, model_name, round_number, round_number]
    )
    payouts = _by_round(catalog.query(lake, _PAYOUTS))
    claims = _by_round(catalog.query(lake, _CLAIMS))
    lines = [
        _line(list(rows), payouts.get(key), claims.get(key), prices)
        for key, rows in groupby(positions.iter_rows(named=True), _key)
    ]
    day = max(positions["date"].to_list(), default=None)
    lines = list(_with_burns(line for line in lines if _counts(line)))
    return Ledger(tuple(lines), day, prices.newest)


def _by_round(frame: pl.DataFrame) -> dict[tuple[str, int], Row]:
    return {_key(row): row for row in frame.iter_rows(named=True)}


def _key(row: Row) -> tuple[str, int]:
    return row["model"], row["round"]


def _line(rows: Sequence[Row], payout: Row | None, claim: Row | None, prices: Prices) -> Line:
    """Return the line of one model and round, which has a row for each paid score."""
    first = rows[0]
    factor, clip = first["payout_factor"], first["clip"]
    scores = tuple(_score(row) for row in rows if row["metric"] is not None)
    return Line(
        model=first["model"],
        round_number=first["round"],
        at_risk=first["at_risk"],
        payout_factor=None if factor is None else exact(factor),
        clip=None if clip is None else exact(clip),
        scores=scores,
        resolve_date=first["resolve_date"],
        resolved=first["resolved"],
        credited=_credited(payout, scores, resolved=first["resolved"]),
        claim=None if claim is None else claim["amount"],
        price=prices.on(first["resolve_date"]),
    )


def _score(row: Row) -> Score:
    multiplier, value = row["multiplier"], row["value"]
    return Score(
        metric=row["metric"],
        version=row["version"],
        multiplier=None if multiplier is None else exact(multiplier),
        day=row["day"],
        value=None if value is None else exact(value),
        payout_nmr=row["payout_nmr"],
    )


def _credited(payout: Row | None, scores: Sequence[Score], *, resolved: bool) -> Decimal | None:
    """Return what Numerai credited: its payout of the round, otherwise the parts of the scores.

    The list of payouts reaches back about 30 rounds; a payout that was pending when it was read
    last says nothing of a round that has resolved since.
    """
    if payout is not None and (payout["settled"] or not resolved):
        return exact(payout["amount"])
    parts = [score.payout_nmr for score in scores]
    return total(parts) if parts and None not in parts else None


def _counts(line: Line) -> bool:
    """Return whether a line has a place in the book: with a stake, or with money without one."""
    return line.at_risk is None or bool(line.at_risk) or bool(line.credited) or bool(line.claim)


def _with_burns(lines: Iterable[Line]) -> Iterator[Line]:
    """Net the burns of each model's resolved rounds of atomic staking, oldest first."""
    for _, of_model in _grouped(lines, attrgetter("model")):
        atomic = [line for line in of_model if line.kind is Kind.ATOMIC and line.paid is not None]
        atomic.sort(key=lambda line: (line.resolve_date or date.max, line.round_number))
        netted = net_burns(line.paid for line in atomic if line.paid is not None)
        by_round = dict(zip((line.round_number for line in atomic), netted, strict=True))
        for line in of_model:
            of_round = by_round.get(line.round_number)
            yield line if of_round is None else replace(line, netted=of_round)


def _sums(lines: Iterable[Line]) -> Sums:
    lines = list(lines)
    paid = [line for line in lines if line.paid]
    amounts = [line.paid for line in paid]
    counts = Counter(line.match for line in lines)
    return Sums(
        rounds={match: counts[match] for match in Match},
        earned=total([amount for amount in amounts if amount and amount > 0]),
        burned=-total([amount for amount in amounts if amount and amount < 0]),
        pending=total([line.credited for line in lines if not line.resolved]),
        paid=len(paid),
        usd=total([line.usd for line in paid]),
        eur=total([line.eur for line in paid]),
        without_usd=sum(line.usd is None for line in paid),
        without_eur=sum(line.eur is None for line in paid),
    )


def _holdings(model: str, kind: Kind, lines: Sequence[Line], today: date) -> Holdings:
    at_risk = [line.at_risk or Decimal(0) for line in lines if not line.resolved]
    resolved = [line for line in lines if line.resolved]
    settled = total([line.paid for line in resolved])
    if kind is Kind.LEGACY:
        largest = max(at_risk, default=Decimal(0))
        return Holdings(model, kind, largest, Decimal(0), Decimal(0), settled, None, None)
    waiting = [line for line in resolved if not line.is_claimable(today)]
    claimable = [line for line in resolved if line.is_claimable(today)]
    netted = [line for line in resolved if line.netted is not None]
    newest = max(
        netted, key=lambda line: (line.resolve_date or date.max, line.round_number), default=None
    )
    return Holdings(
        model,
        kind,
        total(at_risk),
        total([amount for line in waiting for amount in (line.at_risk, line.paid)]),
        total([amount for line in claimable for amount in (line.at_risk, line.paid)]),
        settled,
        total([line.netted.realised for line in netted if line.netted]),
        newest.netted.deferred if newest and newest.netted else Decimal(0),
    )


def _grouped(lines: Iterable[Line], key: Callable[[Line], K]) -> list[tuple[K, list[Line]]]:
    """Return the lines by a key, sorted by it."""
    groups: dict[K, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return sorted(groups.items(), key=lambda group: group[0])  # type: ignore[arg-type, return-value]


def _year(line: Line) -> str:
    return _month(line)[:4]


def _month(line: Line) -> str:
    """Return the month of the payout; nothing before there is one."""
    return f"{line.resolve_date:%Y-%m}" if line.resolved and line.resolve_date else ""
