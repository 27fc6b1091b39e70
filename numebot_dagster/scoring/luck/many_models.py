"""Correct for the number of models: q-values, and groups that cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from numebot_dagster.scoring.luck.daily_series import DailySeries
from numebot_dagster.scoring.luck.preconditions import days_are_independent
from numebot_dagster.scoring.luck.verdicts import LEAST_DATES, Skill, dates_apart


@dataclass(frozen=True)
class Groups:
    """Group models in the place of a ranking.

    Attributes:
        groups: names of models, best group first; the first model of each is its best, and none of
            the others can be told apart from it.
        unplaced: names of models with fewer than `LEAST_DATES` dates.
    """

    groups: tuple[tuple[str, ...], ...]
    unplaced: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Estimate how much the mean final score of a model exceeds that of another, paired by date.

    Attributes:
        value: the estimate; NaN for fewer than `LEAST_DATES` common dates.
        half_width: of its 95 % interval; NaN where days may not be counted.
        p_value: of no difference, two-sided; NaN as well.
        dates: that both have.
        skill: what is known of the model beside the other, however often somebody looks.
    """

    value: float
    half_width: float
    p_value: float
    dates: int
    skill: Skill

    def reversed(self) -> Difference:
        """Return the difference as the other model sees it."""
        turned = {Skill.BETTER: Skill.WORSE, Skill.WORSE: Skill.BETTER}
        return replace(self, value=-self.value, skill=turned.get(self.skill, self.skill))


def difference(model: DailySeries, other: DailySeries) -> Difference:
    """Compare two models by what they earned on the same dates."""
    from scipy.special import stdtr, stdtrit

    series = model.minus(other)
    dates, scale = len(series.dates), math.sqrt(series.horizon)
    if dates < LEAST_DATES:
        return Difference(math.nan, math.nan, math.nan, dates, Skill.TOO_EARLY)
    value, error = scale * series.mean, scale * series.std / math.sqrt(series.size)
    if not days_are_independent(series):
        return Difference(value, math.nan, math.nan, dates, Skill.NOT_TOLD_APART)
    freedom = series.size - 1
    p_value = 2 * stdtr(freedom, -abs(value) / error) if error else float(not value)
    skill = Skill.NOT_TOLD_APART
    if dates_apart(series).beyond(0.0) > 0:
        skill = Skill.BETTER if value > 0 else Skill.WORSE
    half_width = float(stdtrit(freedom, 0.975)) * error
    return Difference(value, half_width, float(p_value), dates, skill)


def q_values(p_values: np.ndarray) -> np.ndarray:
    """Return the smallest false discovery rate at which each p-value is a discovery.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate" (1995); valid also for
    tests that depend on each other positively (Benjamini and Yekutieli, 2001).

    Args:
        p_values: any shape; NaN where there is none, which stays NaN and does not count.
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p_values, dtype=np.float64)
    result = np.full(values.shape, np.nan)
    present = ~np.isnan(values)
    if present.any():
        result[present] = false_discovery_control(values[present])
    return result


def group_models(
    series: Mapping[str, DailySeries], differences: Mapping[tuple[str, str], Difference]
) -> Groups:
    """Return groups of models that cannot be told apart from the best of their group.

    The best of all leads the first group, to which all belong that `differences` do not tell from
    it; the best of the others leads the next one. So a pair without a difference is split with at
    most 5 %, however often somebody looks.

    Args:
        series: of each model by name, of the same metric.
        differences: of each model to each other one.
    """
    placed = [name for name, days in series.items() if len(days.dates) >= LEAST_DATES]
    unplaced = tuple(name for name in series if name not in placed)
    left = sorted(placed, key=lambda name: -series[name].mean)
    groups = []
    while left:
        leader = left[0]
        apart = [
            name
            for name in left[1:]
            if differences[leader, name].skill in (Skill.BETTER, Skill.WORSE)
        ]
        groups.append(tuple(name for name in left if name not in apart))
        left = apart
    return Groups(tuple(groups), unplaced)
