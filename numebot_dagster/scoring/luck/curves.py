"""Draw what to expect of a round by day, and of the summed scores: how deep they may fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from numebot_dagster.scoring.luck.daily_series import DailySeries, RoundScores
from numebot_dagster.scoring.luck.mean_estimates import independent_rounds
from numebot_dagster.scoring.luck.redrawn_days import MEAN_SHARE, redraw, shrunk

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of bands."""
_DRAWS = 500


@dataclass(frozen=True)
class ExpectedCurve:
    """Describe the scores of a model's past rounds by scoring day.

    Attributes:
        days: (h,) from 1.
        quantiles: (levels, h) at `LEVELS`.
        rounds: past rounds.
        independent_rounds: as far as they do not overlap: what the quantiles rest on.
        past: (rounds, h) the scores themselves.
    """

    days: np.ndarray
    quantiles: np.ndarray
    rounds: int
    independent_rounds: float
    past: np.ndarray


@dataclass(frozen=True)
class RunningRound:
    """Say where a running round stands among the past ones on the same day.

    Attributes:
        round_number: of the round.
        day: its newest scoring day.
        score: its score of that day.
        share_below: share of the past rounds with a lower score that day, ties counting half.
    """

    round_number: int
    day: int
    score: float
    share_below: float

    @property
    def is_in_band(self) -> bool:
        """Whether it is within the outer levels of the curve."""
        return LEVELS[0] <= self.share_below <= LEVELS[-1]


@dataclass(frozen=True)
class Drawdown:
    """Compare the deepest fall of the summed scores with what chance makes of such a model.

    The unit is a final score: the sum grows as if one round a day had been played.

    Attributes:
        falls: (T,) how far the sum was below its peak on each date.
        expected: the mean of the deepest falls of redrawn histories of the same length.
        high: their 95 % quantile.
        mean_share: how much of the past mean the redrawn histories have.
    """

    falls: np.ndarray
    expected: float
    high: float
    mean_share: float

    @property
    def now(self) -> float:
        """How far the sum is below its peak."""
        return float(self.falls[-1])

    @property
    def deepest(self) -> float:
        """The deepest fall so far."""
        return float(self.falls.max())


def expected_curve(scores: RoundScores) -> ExpectedCurve | None:
    """Return the curve and its band from resolved rounds; None without any.

    Quantiles by day, interpolated: Hyndman and Fan, "Sample quantiles in statistical packages"
    (1996), definition 7.
    """
    past = scores.values[~np.isnan(scores.values[:, -1])]
    if not len(past):
        return None
    days = np.arange(1, scores.horizon + 1)
    quantiles = np.full((len(LEVELS), len(days)), np.nan)
    scored = ~np.isnan(past).all(axis=0)
    quantiles[:, scored] = np.nanquantile(past[:, scored], LEVELS, axis=0)
    return ExpectedCurve(days, quantiles, len(past), independent_rounds(scores), past)


def running_rounds(scores: RoundScores, curve: ExpectedCurve) -> list[RunningRound]:
    """Return where each round without a final score stands, oldest first."""
    standing = []
    for row in np.flatnonzero(np.isnan(scores.values[:, -1])):
        day = int(np.flatnonzero(~np.isnan(scores.values[row]))[-1])
        score, others = float(scores.values[row, day]), curve.past[:, day]
        others = others[~np.isnan(others)]
        share = math.nan
        if len(others):
            share = float(np.mean(others < score) + np.mean(others == score) / 2)
        standing.append(RunningRound(int(scores.rounds[row]), day + 1, score, share))
    return standing


def drawdown(
    series: DailySeries, *, mean_share: float = MEAN_SHARE, seed: int = 0
) -> Drawdown | None:
    """Return how deep the summed scores fell, and how deep they may fall; None without dates.

    Args:
        series: of the model.
        mean_share: how much of the past mean is expected; the usual one because the mean of a model
            that was chosen for it is too high.
        seed: of the redrawn histories.
    """
    earned = math.sqrt(series.horizon) * series.values
    if not len(earned):
        return None
    falls = _falls(earned[np.newaxis])[0]
    random = np.random.default_rng(seed)
    days = redraw(random, len(earned), (_DRAWS, len(earned)))
    deepest = _falls(shrunk(earned, mean_share)[days]).max(axis=1)
    return Drawdown(
        falls=falls,
        expected=float(deepest.mean()),
        high=float(np.quantile(deepest, 0.95)),
        mean_share=mean_share,
    )


def _falls(earned: np.ndarray) -> np.ndarray:
    """Return (histories, T) how far sums are below their peak, the start at zero included."""
    sums = np.cumsum(earned, axis=1)
    peaks = np.maximum.accumulate(np.maximum(sums, 0), axis=1)
    return np.asarray(peaks - sums)
