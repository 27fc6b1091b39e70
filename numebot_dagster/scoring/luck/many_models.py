"""Correct for the number of models: q-values, and groups that cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from numebot_dagster.scoring.luck.daily_series import DailySeries, aligned
from numebot_dagster.scoring.luck.preconditions import days_are_independent
from numebot_dagster.scoring.luck.verdicts import LEAST_DATES, Skill, dates_apart

_LEVEL = 0.05


@dataclass(frozen=True)
class Groups:
    """Group models in the place of a ranking.

    Attributes:
        groups: places of models, best group first; the first model of each is its best, and none of
            the others can be told apart from it.
        unplaced: places of models with fewer than `LEAST_DATES` dates.
    """

    groups: tuple[tuple[int, ...], ...]
    unplaced: tuple[int, ...]


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


def pair_p_values(values: np.ndarray) -> np.ndarray:
    """Return the p-values of no difference in mean of each pair of models, paired by date.

    Args:
        values: (T, models) by date; NaN where a model has none.

    Returns:
        (models, models), symmetric; NaN for fewer than `LEAST_DATES` common dates.
    """
    from scipy.special import stdtr

    models = values.shape[1]
    p_values = np.full((models, models), np.nan)
    for model in range(models):
        differences = values[:, model, np.newaxis] - values
        present = ~np.isnan(differences)
        n = present.sum(axis=0)
        enough = (n >= LEAST_DATES) & (np.arange(models) != model)
        mean, std = _mean_and_std(differences[:, enough], n[enough])
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(mean) / (std / np.sqrt(n[enough]))
        p_values[model, enough] = np.where(std > 0, 2 * stdtr(n[enough] - 1, -t), mean == 0)
    return p_values


def group_models(series: Sequence[DailySeries]) -> Groups:
    """Return groups of models that cannot be told apart from the best of their group.

    The best of all leads the first group, to which all belong whose difference to it, paired by
    date, has a q-value of 5 % or more over all pairs; the best of the others leads the next one.

    Args:
        series: of each model, of the same metric.
    """
    _, values = aligned(series)
    placed = [model for model, days in enumerate(series) if len(days.dates) >= LEAST_DATES]
    unplaced = tuple(sorted(set(range(len(series))) - set(placed)))
    p_values = pair_p_values(values)
    upper = np.triu_indices(len(series), 1)
    q_of_pair = np.full(p_values.shape, np.nan)
    q_of_pair[upper] = q_values(p_values[upper])
    q_of_pair = np.fmax(q_of_pair, q_of_pair.T)
    left = sorted(placed, key=lambda model: -series[model].mean)
    groups = []
    while left:
        leader = left[0]
        group = tuple(model for model in left if not q_of_pair[leader, model] < _LEVEL)
        groups.append(group)
        left = [model for model in left if model not in group]
    return Groups(tuple(groups), unplaced)


def _mean_and_std(values: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column of n values, NaN left out."""
    mean = np.nansum(values, axis=0) / n
    squares = np.nansum((values - mean) ** 2, axis=0)
    return mean, np.sqrt(squares / (n - 1))
