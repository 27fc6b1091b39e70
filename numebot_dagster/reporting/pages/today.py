"""Write the page that is looked at every morning: is everything submitted, what needs somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from numebot_dagster.reporting.pages.page import Frame, render


class Cell(StrEnum):
    """How a model stands in a round, as one of five states of operation."""

    ON_TIME = "on time"
    LOWER = "previous weights"
    LATE = "late"
    FAILED = "failed"
    OPEN = "open"
    NOTHING = "not played"

    @property
    def symbol(self) -> str:
        """The state as a character, for those who do not see its colour."""
        return _SYMBOLS[self]

    @property
    def style(self) -> str:
        """The name of its colour."""
        return _STYLES[self]


_SYMBOLS = dict(zip(Cell, "✓↓!✗…–", strict=True))  # noqa: RUF001 - a dash is meant
_STYLES = dict(zip(Cell, ("good", "warn", "late", "bad", "open", "none"), strict=True))


@dataclass(frozen=True)
class Band:
    """The round that is open, or the next one.

    Attributes:
        round_number: of the newest round; None when none was ever seen.
        opens: aware UTC.
        closes: aware UTC.
        following: when the next round is expected to open, where none is open now.
        confirmed: how many models' submissions were compared with Numerai's copy.
        models: how many take part.
        rest: how the others stand: `2 predicting`, for example.
    """

    round_number: int | None
    opens: datetime | None
    closes: datetime | None
    following: datetime | None
    confirmed: int
    models: int
    rest: str = ""

    @property
    def style(self) -> str:
        """The colour of the band: good when all is confirmed."""
        return "good" if self.models and self.confirmed == self.models else "warn"


@dataclass(frozen=True)
class Need:
    """Something that a person should do.

    Attributes:
        subject: which models or rounds it concerns.
        text: what happened.
        command: what to type; empty when nothing helps.
        page: of the board, with more about it.
        runs: Dagster's list of the runs in which it happened.
    """

    subject: str
    text: str
    command: str = ""
    page: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Tile:
    """A figure at a glance, with a note below it; `style` is a colour, or nothing."""

    label: str
    value: str
    note: str
    style: str = ""


@dataclass(frozen=True)
class Row:
    """A model in the last rounds: its cells by round number, each with what to say of it."""

    model: str
    page: str
    cells: Mapping[int, tuple[Cell, str]]


@dataclass(frozen=True)
class Change:
    """The newest score of a model in a round, and how it moved since the day before."""

    model: str
    page: str
    round_number: int
    day: int
    metric: str
    version: str | None
    value: float
    change: float | None
    percentile: float | None


@dataclass(frozen=True)
class Notice:
    """An alert that was raised."""

    title: str
    text: str
    raised_at: datetime


@dataclass(frozen=True)
class Today:
    """All that the page shows.

    Attributes:
        rounds: numbers, oldest first.
        rows: the models, by stake.
        first_scores: when the first scores are due, as a sentence; empty once there are any.
    """

    band: Band
    needs: Sequence[Need]
    tiles: Sequence[Tile]
    rounds: Sequence[int]
    rows: Sequence[Row]
    changes: Sequence[Change]
    first_scores: str
    notices: Sequence[Notice]


def page(today: Today, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("today.html", frame, section="today", today=today, states=list(Cell))
