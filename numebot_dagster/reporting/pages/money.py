"""Write the page of the account book: at stake, paid, pending, and matched to Numerai."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.pages.today import Tile
from numebot_dagster.reporting.picture import Picture


@dataclass(frozen=True)
class SumLine:
    """Sums of a month, a year or a model, in NMR, with the value in USD where it is known."""

    name: str
    rounds: int
    earned: Decimal
    burned: Decimal
    settled: Decimal
    pending: Decimal
    usd: Decimal | None


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
    kind: str
    at_risk: Decimal
    waiting: Decimal
    claimable: Decimal
    realised: Decimal | None
    deferred: Decimal | None


@dataclass(frozen=True)
class Money:
    """All that the page shows.

    Attributes:
        sums: tables by their title: by year, month and model.
        files: CSV files of the account book by calendar year.
    """

    tiles: Sequence[Tile]
    picture: Picture
    differences: Sequence[Difference]
    sums: Mapping[str, Sequence[SumLine]]
    positions: Sequence[Position]
    files: Mapping[str, str]


def page(money: Money, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("money.html", frame, section="money", money=money)
