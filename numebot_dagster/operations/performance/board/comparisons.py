"""Compare models with zero and with each other, over all rounds and over the newest ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from numebot_dagster.operations.performance.board.skill import JudgedModel, judged_rounds
from numebot_dagster.scoring.luck.daily_series import DailySeries, RoundScores, daily_series
from numebot_dagster.scoring.luck.many_models import (
    Difference,
    Groups,
    difference,
    group_models,
    q_values,
)
from numebot_dagster.scoring.luck.mean_estimates import Method

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.fleet import Estimate, Window

NEWEST = (250, 120)
"""The numbers of newest rounds that a reader may look at alone."""


@dataclass(frozen=True)
class RoundWindow:
    """What can be said of models by the rounds from one on.

    Attributes:
        models: their scores in these rounds, by name, in the order of the page.
    """

    models: Mapping[str, RoundScores]

    @cached_property
    def rounds(self) -> list[int]:
        """The rounds in which any model has a score."""
        return sorted({int(number) for scores in self.models.values() for number in scores.rounds})

    @cached_property
    def judged(self) -> dict[str, JudgedModel]:
        """What can be said of each model by itself."""
        return judged_rounds(self.models)

    @cached_property
    def series(self) -> dict[str, DailySeries]:
        """The days of the models whose days may be counted."""
        return {
            name: daily_series(self.models[name])
            for name, model in self.judged.items()
            if model.estimate.method is Method.BY_DATE
        }

    @cached_property
    def differences(self) -> dict[tuple[str, str], Difference]:
        """The difference of each model to each other one, of those whose days may be counted."""
        pairs = {}
        for name, other in combinations(self.series, 2):
            pairs[name, other] = difference(self.series[name], self.series[other])
            pairs[other, name] = pairs[name, other].reversed()
        return pairs

    @cached_property
    def groups(self) -> Groups:
        """The groups of `series` that cannot be told apart."""
        return group_models(self.series, self.differences)


def windows(models: Mapping[str, RoundScores]) -> Iterator[RoundWindow]:
    """Yield all rounds, and those of `NEWEST` that are fewer."""
    everything = RoundWindow(models)
    yield everything
    for count in NEWEST:
        if count < len(everything.rounds):
            since = everything.rounds[-count]
            newest = {name: scores.since(since) for name, scores in models.items()}
            yield RoundWindow({name: each for name, each in newest.items() if len(each.rounds)})


def shown(window: RoundWindow, order: Sequence[str]) -> Window:
    """Return what a page shows of a window, models in this order."""
    from numebot_dagster.reporting.pages import fleet

    names = list(window.series)
    return fleet.Window(
        rounds=len(window.rounds),
        since=window.rounds[0] if window.rounds else 0,
        estimates={
            fleet.ZERO: [_of_model(window.judged.get(name)) for name in order],
            **{
                other: [_of_difference(*pair) for pair in _against(window, other, order)]
                for other in names
                if len(names) > 1
            },
        },
        visible=_visible(window),
        groups=window.groups.groups,
        unplaced=[name for name in order if name not in names or name in window.groups.unplaced],
    )


def _visible(window: RoundWindow) -> float | None:
    """Return the mean beyond zero that would have been seen for half of the models."""
    seen = [
        model.estimate.smallest_visible for model in window.judged.values() if model.has_interval
    ]
    return float(np.median(seen)) if seen else None


def _against(
    window: RoundWindow, other: str, order: Sequence[str]
) -> Iterator[tuple[Difference | None, float]]:
    """Yield the difference of each model to another, with its q-value over the models."""
    differences = [window.differences.get((name, other)) for name in order]
    p_values = [each.p_value if each else math.nan for each in differences]
    yield from zip(differences, q_values(np.array(p_values)).tolist(), strict=True)


def _of_model(model: JudgedModel | None) -> Estimate:
    from numebot_dagster.reporting.pages.fleet import Estimate

    if model is None:
        return Estimate()
    estimate, verdict = model.estimate, model.verdict
    return Estimate(
        mean=_finite(estimate.value),
        half_width=_finite(estimate.high - estimate.value) if model.has_interval else None,
        q_value=_finite(model.q_value) if model.has_interval else None,
        days=estimate.dates,
        skill=verdict.skill.value,
        more_days=_finite(verdict.more_days),
    )


def _of_difference(pair: Difference | None, q_value: float) -> Estimate:
    from numebot_dagster.reporting.pages.fleet import Estimate

    if pair is None:
        return Estimate()
    return Estimate(
        mean=_finite(pair.value),
        half_width=_finite(pair.half_width),
        q_value=_finite(q_value),
        days=pair.dates,
        skill=pair.skill.value,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
