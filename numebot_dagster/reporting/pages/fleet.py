"""Write the page of all models: one score, round by round and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.picture import Picture


@dataclass(frozen=True)
class Line:
    """A model's scores of one metric.

    Attributes:
        page: the model's page.
        resolved: rounds with a final score.
        running: rounds with a score that is not final.
        mean: the estimate of the mean final score, in which running rounds count by day; None
            when it is too early for one.
        q_value: the share of false claims expected among the models at or above this one.
        days: on which the estimate rests.
        verdict: what can be said, in words.
        percentile: the newest one, from 0 to 1.
        stake: in NMR.
    """

    model: str
    page: str
    resolved: int
    running: int
    mean: float | None
    percentile: float | None
    stake: float | None
    q_value: float | None = None
    days: int = 0
    verdict: str = ""


@dataclass(frozen=True)
class Fleet:
    """All that the page shows.

    Attributes:
        metric: the score that it is about.
        pages: the page of every score, by its name.
        lines: the models, by mean.
        pictures: from top to bottom.
    """

    metric: str
    pages: Mapping[str, str]
    lines: Sequence[Line]
    pictures: Sequence[Picture]


def page(fleet: Fleet, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("fleet.html", frame, section="fleet", fleet=fleet)
