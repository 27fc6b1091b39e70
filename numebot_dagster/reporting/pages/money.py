"""Write the page of the account book: at stake, paid, pending, and matched to Numerai."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.pages.today import Tile
from numebot_dagster.reporting.picture import Picture

ROWS_AT_ONCE = 24
"""Rows of a table of sums that are shown before the rest is asked for: two years of months."""


@dataclass(frozen=True)
class SumLine:
    """Sums of a month, a year or a model, in NMR, with their value on the days paid.

    Attributes:
        usd: of the payouts with a price; None where none has one.
        without_usd: payouts without a price of the day paid.
    """

    name: str
    page: str
    rounds: int
    earned: Decimal
    burned: Decimal
    settled: Decimal
    pending: Decimal
    usd: Decimal | None
    eur: Decimal | None
    without_usd: int
    without_eur: int


@dataclass(frozen=True)
class Difference:
    """A payout that is not what Numerai credited."""

    model: str
    round_number: int
    page: str
    computed: str
    credited: str
    remark: str


@dataclass(frozen=True)
class Position:
    """What a model has at stake, in NMR; None where the kind of staking has no such thing."""

    model: str
    page: str
    at_risk: Decimal
    waiting: Decimal
    claimable: Decimal
    settled: Decimal
    realised: Decimal | None
    deferred: Decimal | None


@dataclass(frozen=True)
class Money:
    """All that the page shows.

    Attributes:
        outlook: what may become of the running rounds, in sentences.
        unmatched: what cannot be compared with Numerai's figures, in sentences.
        sums: tables by their title: by year, month and model.
        atomic: positions of rounds that each have a stake of their own.
        legacy: those of older rounds, in which one stake is at risk in all of them.
        files: CSV files of the account book by calendar year.
    """

    tiles: Sequence[Tile]
    picture: Picture
    outlook: Sequence[str]
    differences: Sequence[Difference]
    unmatched: Sequence[str]
    sums: Mapping[str, Sequence[SumLine]]
    atomic: Sequence[Position]
    legacy: Sequence[Position]
    files: Mapping[str, str]


def page(money: Money, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("money.html", frame, section="money", money=money, rows_at_once=ROWS_AT_ONCE)
