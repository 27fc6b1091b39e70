"""Say in words, on any day and as often as one looks, what is known of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from numebot_dagster.scoring.luck.daily_series import DailySeries, RoundScores, daily_series
from numebot_dagster.scoring.luck.mean_estimates import Method
from numebot_dagster.scoring.luck.preconditions import examine
from numebot_dagster.scoring.luck.sequential import (
    Observations,
    confidence_interval,
    observations_needed,
)

LEAST_DATES = 30
TWENTY_YEARS = 5040
"""Scoring days beyond which no number of days is said; `fleet.js` counts alike."""
_LEAST_ROUNDS = 4  # that do not overlap, where days may not be taken for independent
_DATES_AT_BEST, _ROUNDS_AT_BEST = 250, 8  # for which the bound is tightest: a year, two years
_POWER_QUANTILE = 0.8416  # of a normal variable, for 80 %


class Skill(StrEnum):
    """What is known of a model beside something else."""

    BETTER = "better"
    WORSE = "worse"
    NOT_TOLD_APART = "cannot be told apart"
    TOO_EARLY = "too early"


@dataclass(frozen=True)
class SkillVerdict:
    """Say what is known of a model, in a way that may be looked at daily.

    Attributes:
        skill: what is known.
        low: lower end of the interval of the mean final score, which holds on all
            days together with 95 %; NaN when it is too early.
        high: its upper end.
        more_days: days still to come until the difference seen so far would be told with 80 %
            power; 0 when it is told, infinite for none, NaN when it is too early.
        method: what counts as one observation.
        reason: of the method, in words; empty for the usual one.
    """

    skill: Skill
    low: float
    high: float
    more_days: float
    method: Method
    reason: str

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.skill is Skill.BETTER:
            return "better than zero"
        if self.skill is Skill.WORSE:
            return "worse"
        if self.skill is Skill.TOO_EARLY:
            fewer = f"{LEAST_DATES} dates"
            if self.method is Method.BY_INDEPENDENT_ROUND:
                fewer = f"{_LEAST_ROUNDS} rounds that do not overlap"
            return f"too early (fewer than {fewer})"
        if math.isinf(self.more_days):
            return "cannot be told apart (no difference so far)"
        more = f"{self.more_days:,.0f} more days"
        if self.more_days > TWENTY_YEARS:
            more = "over 20 more years"
        return f"cannot be told apart (would need {more} for the difference seen so far)"


def judge(scores: RoundScores) -> SkillVerdict:
    """Return what is known of a model by an interval that holds on all days together.

    Where days may not be taken for independent, the final scores of rounds that do not overlap are
    the observations.
    """
    series = daily_series(scores)
    failures = () if len(series.dates) < LEAST_DATES else examine(scores, series).failures
    method = Method.BY_INDEPENDENT_ROUND if failures else Method.BY_DATE
    observations = rounds_apart(scores) if failures else dates_apart(series)
    reason = " and ".join(failures)
    if len(observations.values) < observations.warm_up:
        unknown = (math.nan, math.nan, math.nan)
        return SkillVerdict(Skill.TOO_EARLY, *unknown, method, reason)
    scale = 1.0 if failures else math.sqrt(scores.horizon)
    low, high = (scale * end for end in confidence_interval(observations))
    skill, more_days = Skill.NOT_TOLD_APART, 0.0
    if low > 0:
        skill = Skill.BETTER
    elif high < 0:
        skill = Skill.WORSE
    else:
        more_days = _more_observations(observations) * (scores.horizon if failures else 1)
    return SkillVerdict(skill, low, high, more_days, method, reason)


def dates_apart(series: DailySeries) -> Observations:
    """Return the dates of a `daily_series` as observations."""
    return Observations(series.values, series.spans, LEAST_DATES, _DATES_AT_BEST)


def rounds_apart(scores: RoundScores) -> Observations:
    """Return the final scores of rounds of which each opened when the one before had ended."""
    resolved = np.flatnonzero(~np.isnan(scores.values[:, -1]))
    opened = scores.opened
    chosen: list[int] = []
    for place in resolved:
        if not chosen or opened[place] >= opened[chosen[-1]] + scores.horizon:
            chosen.append(int(place))
    finals = scores.values[chosen, -1]
    return Observations(finals, np.ones(len(finals)), _LEAST_ROUNDS, _ROUNDS_AT_BEST)


def _more_observations(observations: Observations) -> float:
    values, spans = observations.values, observations.spans
    mean = float(values.sum() / spans.sum())
    std = float(np.std((values - mean * spans) / np.sqrt(spans), ddof=1))
    needed = observations_needed(mean, std, observations.scale(0.0), _POWER_QUANTILE)
    return max(1, needed - len(values))
