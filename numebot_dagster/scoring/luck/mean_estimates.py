"""Estimate mean final scores, with what could have been seen so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from numebot_dagster.scoring.luck.daily_series import RoundScores, balanced_series, daily_series
from numebot_dagster.scoring.luck.preconditions import examine
from numebot_dagster.scoring.summaries import Summary

POWER = 0.8


class Method(StrEnum):
    """What counts as one observation."""

    BY_DATE = "by calendar day"
    BY_INDEPENDENT_ROUND = "by independent round"


@dataclass(frozen=True)
class MeanEstimate:
    """Estimate a mean final score, or what it is more than validation foretold.

    Attributes:
        value: the estimate.
        standard_error: NaN where too little was seen.
        freedom: degrees of freedom of Student's t.
        dates: dates that count.
        independent_rounds: resolved rounds, as far as they do not overlap.
        method: what counts as one observation.
        reason: why, in words.
    """

    value: float
    standard_error: float
    freedom: float
    dates: int
    independent_rounds: float
    method: Method
    reason: str

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval."""
        return self.value - self._quantile(0.975) * self.standard_error

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval."""
        return self.value + self._quantile(0.975) * self.standard_error

    @property
    def p_value(self) -> float:
        """The two-sided p-value of no difference; NaN where too little was seen."""
        from scipy.special import stdtr

        if not self.standard_error > 0:
            return math.nan
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.standard_error))

    @property
    def smallest_visible(self) -> float:
        """The smallest mean or difference that would have been seen so far with 80 % power.

        (t(0.975) + t(0.8)) standard errors: Bloom, "Minimum detectable effects" (1995).
        """
        return (self._quantile(0.975) + self._quantile(POWER)) * self.standard_error

    def _quantile(self, probability: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, probability)) if self.freedom > 0 else math.nan


@dataclass(frozen=True)
class Promise:
    """A mean that validation foretold, with its own uncertainty.

    Attributes:
        value: the mean.
        standard_error: of the mean.
        freedom: degrees of freedom of the standard error.
    """

    value: float
    standard_error: float
    freedom: float

    @classmethod
    def of(cls, summary: Summary) -> Promise:
        """Return the mean of a summary of validation eras, whose interval is a t interval."""
        from scipy.special import stdtrit

        mean, freedom = summary["mean"], summary.effective_n - 1
        half = (mean.high - mean.low) / 2
        return cls(mean.value, half / float(stdtrit(freedom, 0.975)), freedom)


def estimate_mean(scores: RoundScores) -> MeanEstimate:
    """Estimate the mean final score by calendar day, or by rounds where that is not allowed."""
    preconditions = examine(scores, daily_series(scores))
    if preconditions.hold:
        return estimate_by_date(scores)
    estimate = estimate_by_independent_round(scores)
    return replace(estimate, reason=" and ".join(preconditions.failures))


def estimate_by_date(scores: RoundScores) -> MeanEstimate:
    """Estimate the mean final score from what a model earned by calendar day.

    sqrt(h) mean(x) with the standard error sqrt(h) std(x) / sqrt(dates): a round of h days adds up
    h pieces, and its score is their sum over sqrt(h). Running rounds count from their first day.
    """
    series = balanced_series(scores)
    scale = math.sqrt(series.horizon)
    reason = "neither the spread by day nor the correlation of days speaks against it"
    if series.by_day_first:
        reason += "; averaged by day of the round first, because the running rounds are of one age"
    return MeanEstimate(
        value=scale * series.mean if len(series.dates) else math.nan,
        standard_error=scale * series.std / math.sqrt(series.size) if series.size else math.nan,
        freedom=series.size - 1,
        dates=len(series.dates),
        independent_rounds=independent_rounds(scores),
        method=Method.BY_DATE,
        reason=reason,
    )


def estimate_by_independent_round(scores: RoundScores) -> MeanEstimate:
    """Estimate the mean of the final scores, n overlapping rounds counting as n / h observations.

    The mean has the standard error std / sqrt(n / h), and t has n / h - 1 degrees of freedom.
    """
    finals, independent = scores.finals, independent_rounds(scores)
    spread = float(finals.std(ddof=1)) if len(finals) > 1 else math.nan
    return MeanEstimate(
        value=float(finals.mean()) if len(finals) else math.nan,
        standard_error=spread / math.sqrt(independent) if independent > 1 else math.nan,
        freedom=independent - 1,
        dates=len(daily_series(scores).dates),
        independent_rounds=independent,
        method=Method.BY_INDEPENDENT_ROUND,
        reason="asked for",
    )


def independent_rounds(scores: RoundScores) -> float:
    """Return how many of the resolved rounds do not overlap: dates on which they opened, over h.

    Never more than there are rounds, as for a model that plays once a week.
    """
    resolved = ~np.isnan(scores.values[:, -1])
    if not resolved.any():
        return 0.0
    opened = scores.opened[resolved]
    return float(min(resolved.sum(), (np.ptp(opened) + 1) / scores.horizon))


def compare_with_promise(estimate: MeanEstimate, promise: Promise) -> MeanEstimate:
    """Return the estimate less what validation foretold, both with their uncertainty.

    Source of the degrees of freedom: Welch, "The generalization of Student's problem when several
    different population variances are involved" (1947).
    """
    live, foretold = estimate.standard_error**2, promise.standard_error**2
    parts = live**2 / estimate.freedom + foretold**2 / promise.freedom
    return replace(
        estimate,
        value=estimate.value - promise.value,
        standard_error=math.sqrt(live + foretold),
        freedom=(live + foretold) ** 2 / parts if parts else estimate.freedom,
    )
