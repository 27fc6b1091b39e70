"""Write the page of a round: who submitted what when, by which weights, and the scores so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.pages.today import Cell


@dataclass(frozen=True)
class Verdict:
    """What a gate said of predictions."""

    gate: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Value:
    """The newest value of a score, by the definition that its version names."""

    value: float
    day: int
    version: str | None
    resolved: bool


@dataclass(frozen=True)
class Line:
    """A model in the round.

    Attributes:
        page: the model's page.
        dagster: Dagster's pages of it in this round, by what they are.
        weights_page: Dagster's page of the weights.
        state: one of the states of operation, and what to say of it.
        moments: seconds since the round opened, by what happened: `predicting`, `predicted`,
            `submitted`, `accepted`, `confirmed`.
        predict_seconds: what the worker took, if it was measured.
        memory_mb: highest resident size of the worker.
        verdicts: of the gates on the predictions; none of what earlier versions played.
        scores: the newest by metric.
    """

    model: str
    page: str
    dagster: Mapping[str, str]
    weights_page: str
    state: Cell
    text: str
    rung: str
    vintage: int | None
    rows: int | None
    filename: str
    sha256: str
    moments: Mapping[str, float]
    predict_seconds: float | None
    memory_mb: float | None
    verdicts: Sequence[Verdict]
    scores: Mapping[str, Value]

    @property
    def reason(self) -> str:
        """What is to be said beyond the state."""
        return self.text.partition(": ")[2]

    @property
    def waits_for_scores(self) -> bool:
        """Whether a score is missing, or may be collected later, as after weeks without a run.

        A score of fewer days may have ended long before its round resolves: the last day counts.
        """
        if not self.scores:
            return self.state in (Cell.ON_TIME, Cell.LOWER)
        last = max(score.day for score in self.scores.values())
        return not all(score.resolved for score in self.scores.values() if score.day == last)

    @property
    def stopped(self) -> list[Verdict]:
        """The verdicts of the gates that did not pass."""
        return [verdict for verdict in self.verdicts if not verdict.passed]


@dataclass(frozen=True)
class Rule:
    """How a score of the round is paid, in the round's own figures; empty where it has none."""

    metric: str
    version: str
    days: str
    multiplier: str
    clip: str
    payout_factor: str


@dataclass(frozen=True)
class RoundPage:
    """All that the page shows.

    Attributes:
        number: of the round.
        times: its own times by name, as far as they are known.
        day: the newest scoring day, if there is one.
        first_scores: when the first ones are due, in words; empty where it is not known.
        dagster: Dagster's pages of the round, by what they are.
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
    first_scores: str
    dagster: Mapping[str, str]
    is_final: bool = False
    command: str = ""

    @property
    def longest(self) -> float:
        """The last moment of all, in seconds since the round opened; at least one minute."""
        return max([60.0, *(moment for line in self.lines for moment in line.moments.values())])

    def place(self, seconds: float) -> float:
        """Return where on the line of a model seconds are, in percent."""
        return round(100 * seconds / self.longest, 2)


def page(details: RoundPage, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("round.html", frame, section="round", details=details)
