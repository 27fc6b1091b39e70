"""Write the page of a round: who submitted what when, by which weights, and the scores so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.pages.today import Cell


@dataclass(frozen=True)
class Line:
    """A model in the round.

    Attributes:
        page: the model's page.
        run: Dagster's page of the submission.
        state: one of the states of operation, and what to say of it.
        moments: seconds since the round opened, by what happened: `submitted`, `accepted`,
            `confirmed`.
        predict_seconds: what the worker took, if it was measured.
        scores: the newest value by metric, with its scoring day.
    """

    model: str
    page: str
    run: str
    state: Cell
    text: str
    rung: str
    vintage: int | None
    rows: int | None
    filename: str
    sha256: str
    moments: Mapping[str, float]
    predict_seconds: float | None
    scores: Mapping[str, float]

    @property
    def reason(self) -> str:
        """What is to be said beyond the state."""
        return self.text.partition(": ")[2]

    @property
    def waits_for_scores(self) -> bool:
        """Whether the model has submitted in time and has no score."""
        return not self.scores and self.state in (Cell.ON_TIME, Cell.LOWER)


@dataclass(frozen=True)
class Rule:
    """How a score of the round is paid."""

    metric: str
    version: str
    multiplier: str


@dataclass(frozen=True)
class RoundPage:
    """All that the page shows.

    Attributes:
        number: of the round.
        times: its own times by name, as far as they are known.
        day: the newest scoring day, if there is one.
        rules: what the round says of its scores.
        metrics: the columns of scores.
        is_final: whether nothing of the round will change any more.
        command: what plays the round; empty when it is not open.
    """

    number: int
    status: str
    times: Mapping[str, datetime]
    day: int | None
    lines: Sequence[Line]
    rules: Sequence[Rule]
    metrics: Sequence[str]
    is_final: bool = False
    command: str = ""

    @property
    def longest(self) -> float:
        """The last moment of all, in seconds since the round opened; at least one minute."""
        return max([60.0, *(moment for line in self.lines for moment in line.moments.values())])


def page(details: RoundPage, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("round.html", frame, section="round", details=details)
