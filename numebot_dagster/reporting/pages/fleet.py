"""Write the page of all models: one score, round by round and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numebot_dagster.reporting.numbers import counted
from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.scoring.luck.verdicts import TWENTY_YEARS

ZERO = ""
"""The name of zero among models; it is written out where it is shown, as one may be called so."""
SKILLS = ("", "better", "worse", "cannot be told apart", "too early")
"""What can be said of a model beside another; nothing of a model beside itself."""


@dataclass(frozen=True)
class Estimate:
    """What can be said of a model's mean final score, less what it is compared with.

    Attributes:
        mean: the estimate, in which running rounds count by day; None when it is too early.
        half_width: of its 95 % interval; None when it has none.
        q_value: the share of false claims expected among the models at or above this one.
        days: on which the estimate rests.
        skill: one of `SKILLS`.
        more_days: that it would take to tell the difference seen so far; None when not known.
    """

    mean: float | None = None
    half_width: float | None = None
    q_value: float | None = None
    days: int = 0
    skill: str = ""
    more_days: float | None = None

    @property
    def words(self) -> str:
        """The verdict in words; `board.js` says the same of other comparisons."""
        if not self.more_days:
            return self.skill
        if self.more_days > TWENTY_YEARS:
            return "in over 20 more years"
        return f"in {self.more_days:,.0f} more days"


@dataclass(frozen=True)
class Window:
    """What can be said of models by some of the newest rounds.

    Attributes:
        rounds: how many there are.
        since: the oldest of them.
        estimates: of each line of the page, by what it is compared with: zero or a model.
        visible: the mean beyond zero that would have been seen for half of the models.
        groups: of models that cannot be told apart from the first one, the best group first.
        unplaced: models whose days are too few, or may not be counted.
    """

    rounds: int
    since: int
    estimates: Mapping[str, Sequence[Estimate]]
    visible: float | None = None
    groups: Sequence[Sequence[str]] = ()
    unplaced: Sequence[str] = ()

    @property
    def words(self) -> str:
        """What is known of how many models beside zero."""
        skills = [estimate.skill for estimate in self.estimates[ZERO]]
        _, better, worse, untold, early = (skills.count(skill) for skill in SKILLS)
        since = f" since round {self.since}" if self.rounds else ""
        return (
            f"{counted(self.rounds, 'round')}{since}: {better} better than zero, {worse} worse, "
            f"{untold} cannot be told apart" + (f", {early} too early" if early else "")
        )


@dataclass(frozen=True)
class Line:
    """A model on the page.

    Attributes:
        page: the model's page.
        resolved: rounds with a final score.
        running: rounds with a score that is not final.
        percentile: the newest one, from 0 to 1.
        stake: in NMR.
        tags: of the registry, as `key=value`.
    """

    model: str
    page: str
    resolved: int
    running: int
    percentile: float | None
    stake: float | None
    tags: Sequence[str] = ()


@dataclass(frozen=True)
class Bet:
    """Models whose live predictions are alike.

    Attributes:
        stake: of all of them, in NMR.
        share: of the stake of all models; None without a stake.
        with_all: their mean correlation with the predictions that all stake is on.
    """

    models: Sequence[str]
    stake: float
    share: float | None
    with_all: float | None


@dataclass(frozen=True)
class LivePredictions:
    """How alike the live predictions of the models are.

    Attributes:
        picture: the correlations.
        words: what follows from them, a sentence each.
        bets: clusters of models, the largest stake first.
    """

    picture: Picture
    words: Sequence[str]
    bets: Sequence[Bet]


@dataclass(frozen=True)
class Fleet:
    """All that the page shows.

    Attributes:
        metric: the score that it is about.
        pages: the page of every score, by its name.
        lines: the models, by mean.
        windows: all rounds, then fewer and fewer of the newest.
        pictures: from top to bottom.
        live: how alike predictions are; None for fewer than two models.
    """

    metric: str
    pages: Mapping[str, str]
    lines: Sequence[Line]
    windows: Sequence[Window]
    pictures: Sequence[Picture]
    live: LivePredictions | None = None

    @property
    def tags(self) -> list[str]:
        """The tags of all models."""
        return sorted({tag for line in self.lines for tag in line.tags})

    @property
    def data(self) -> dict[str, Any]:
        """What `board.js` shows when the reader compares or chooses rounds."""
        return {
            "skills": SKILLS,
            "windows": [
                {
                    "rounds": window.rounds,
                    "since": window.since if index else 0,
                    "first": window.since,
                    "visible": window.visible,
                    "estimates": {
                        against: [_short(estimate) for estimate in estimates]
                        for against, estimates in window.estimates.items()
                    },
                }
                for index, window in enumerate(self.windows)
            ],
        }


def page(fleet: Fleet, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("fleet.html", frame, section="fleet", fleet=fleet)


def _short(estimate: Estimate) -> list[Any]:
    """Return the fields in their order: numbers as they are shown, the skill by its place."""

    def rounded(value: float | None, digits: int) -> float | None:
        return None if value is None else round(value, digits)

    return [
        rounded(estimate.mean, 5),
        rounded(estimate.half_width, 5),
        rounded(estimate.q_value, 2),
        estimate.days,
        SKILLS.index(estimate.skill),
        rounded(estimate.more_days, 0),
    ]
