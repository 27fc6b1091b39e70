"""Test on a model's own data whether its days may be taken for independent observations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from numebot_dagster.scoring.luck.daily_series import (
    LEAST_RUNNING,
    DailySeries,
    RoundScores,
    used_pieces,
)

LAGS = (1, 2, 5)
# Quantiles with which a sound model fails each of the three tests once in a hundred times.
_SPREAD_QUANTILE = 2.576
_LAGS_QUANTILE = 2.935  # for all three lags together
_BATCHES, _BATCHES_QUANTILE = 8, 2.998  # of Student's t with 7 degrees of freedom, one-sided
_EARLY, _LATE = 1 / 12, 1 / 2  # shares of a round up to and from which spreads are compared
_FIRST_PIECES = 1 / 15  # share of a round up to which pieces are compared with scores
_LEAST_KURTOSIS = 3.0


@dataclass(frozen=True)
class Ratio:
    """A ratio that should be 1, and the factor up and down to which chance alone may take it."""

    value: float
    band: float

    @property
    def is_in_band(self) -> bool:
        """Whether chance alone may have made it."""
        return abs(math.log(self.value)) <= math.log(self.band)

    def __str__(self) -> str:
        return f"{self.value:.2f} (chance: {1 / self.band:.2f} to {self.band:.2f})"


_NOT_TESTED = Ratio(1.0, math.inf)


@dataclass(frozen=True)
class Preconditions:
    """Describe what the estimate by calendar day rests on, each figure with its own band.

    Attributes:
        spread: the spread of the score on late days of a round over that on early ones; its band
            is infinite where too few rounds are old enough.
        pieces: the mean square of the first pieces of a round after day 1 over that of the scores
            to which they lead; harmful only where it is too small.
        autocorrelations: (3,) of the daily series at `LAGS`.
        bands: (3,) magnitudes that chance alone may reach; infinite for too few dates.
    """

    spread: Ratio
    pieces: Ratio
    autocorrelations: np.ndarray
    bands: np.ndarray

    @property
    def failures(self) -> tuple[str, ...]:
        """What does not hold, as parts of a sentence."""
        failures = []
        if not self.spread.is_in_band:
            failures.append(f"the spread of the score changes within the round by {self.spread}")
        if self.pieces.value < 1 and not self.pieces.is_in_band:
            failures.append(f"the first days add too little to the score, by {self.pieces}")
        for lag, value, band in zip(LAGS, self.autocorrelations, self.bands, strict=True):
            if not abs(value) <= band:
                failures.append(
                    f"days {lag} apart are correlated by {value:.2f} (chance: up to {band:.2f})"
                )
        return tuple(failures)

    @property
    def hold(self) -> bool:
        """Whether days may be taken for independent."""
        return not self.failures


def examine(scores: RoundScores, series: DailySeries) -> Preconditions:
    """Test the scores and the daily series of a model.

    Args:
        scores: of the model.
        series: `daily_series` of the scores.
    """
    autocorrelations, bands = _autocorrelations(series)
    spread, pieces = _spread_by_day(scores, series), _size_of_pieces(scores, series)
    return Preconditions(spread, pieces, autocorrelations, bands)


def days_are_independent(series: DailySeries) -> bool:
    """Return whether the autocorrelations of a series are no larger than chance makes them."""
    autocorrelations, bands = _autocorrelations(series)
    return bool((np.abs(autocorrelations) <= bands).all())


def _spread_by_day(scores: RoundScores, series: DailySeries) -> Ratio:
    """Return the spread on late days over that on early ones.

    Spread is the root mean square around the expected curve, sqrt(day) times the mean piece. The
    variance of the logarithm of a standard deviation of n observations is (kurtosis - 1) / (4 n)
    (Cramér, "Mathematical methods of statistics", 1946, 28.4). Scores that overlap by d days on
    T dates say as much as n = 3 T / (2 d), as in the variance ratios of Lo and MacKinlay (1988).
    """
    days = np.arange(1, scores.horizon + 1)
    apart = scores.values - np.sqrt(days) * series.mean
    early, late = days <= max(1, scores.horizon * _EARLY), days > scores.horizon * _LATE
    spreads, variance = [], 0.0
    for part in (early, late):
        deviations = apart[:, part]
        deviations = deviations[~np.isnan(deviations)]
        independent = 1.5 * len(series.dates) / days[part].mean()
        if len(deviations) < 2 or independent < 1 or not deviations.any():
            return _NOT_TESTED
        square = np.mean(deviations**2)
        kurtosis = max(_LEAST_KURTOSIS, float(np.mean(deviations**4) / square**2))
        spreads.append(math.sqrt(square))
        variance += (kurtosis - 1) / (4 * independent)
    return Ratio(spreads[1] / spreads[0], math.exp(_SPREAD_QUANTILE * math.sqrt(variance)))


def _size_of_pieces(scores: RoundScores, series: DailySeries) -> Ratio:
    """Return the mean square of the first pieces after day 1 over that of the scores they lead to.

    Of a score of d days, the last day adds as much as any other. Where a score covers more days
    than its number says, it adds less, and pieces of one round depend on each other for weeks.
    Where it adds more, as noise that the next days take back, intervals are merely too wide. The
    band is that of the means of batches of dates, because what a model leans on is as large on
    neighbouring days: Ibragimov and Müller, "t-statistic based correlation and heterogeneity robust
    inference" (2010).
    """
    pieces, _ = used_pieces(scores)
    first = (pieces.days > 1) & (pieces.days <= max(2, scores.horizon * _FIRST_PIECES))
    spans, days, places = pieces.spans[first], pieces.days[first], pieces.places[first]
    counts = np.bincount(places)
    if np.count_nonzero(counts) < LEAST_RUNNING:
        return _NOT_TESTED
    squares = (
        (pieces.values[first] - series.mean * spans) ** 2 / spans,
        (pieces.heights[first] - series.mean * days) ** 2 / days,
    )
    by_date = [np.bincount(places, part)[counts > 0] / counts[counts > 0] for part in squares]
    added, scored = (float(means.mean()) for means in by_date)
    if not added or not scored:
        return _NOT_TESTED
    apart = by_date[0] / added - by_date[1] / scored
    batches = np.array([batch.mean() for batch in np.array_split(apart, _BATCHES)])
    error = float(batches.std(ddof=1)) / math.sqrt(_BATCHES)
    return Ratio(added / scored, math.exp(_BATCHES_QUANTILE * error))


def _autocorrelations(series: DailySeries) -> tuple[np.ndarray, np.ndarray]:
    """Return the autocorrelations at `LAGS` and the magnitudes that chance alone may reach.

    The standard error is that of Lo and MacKinlay, "Stock market prices do not follow random walks"
    (1988), which allows for volatility that changes. To the autocorrelation 1 / n is added, which
    taking off the mean has cost.
    """
    residuals = series.residuals
    n = len(residuals)
    if n <= 2 * max(LAGS) or not residuals.any():
        return np.zeros(len(LAGS)), np.full(len(LAGS), np.inf)
    total = residuals @ residuals
    pairs = [(residuals[lag:], residuals[:-lag]) for lag in LAGS]
    values = np.array([later @ earlier for later, earlier in pairs]) / total + 1 / n
    errors = np.array([math.sqrt(later**2 @ earlier**2) for later, earlier in pairs]) / total
    return values, _LAGS_QUANTILE * errors
