"""Summarise the scores of many eras, with the uncertainty of each figure.

Eras are a week apart, but a target looks weeks ahead, so the scores of neighbouring eras share most
of the days that they judge: 100 eras of a 60-day target are no more than about eight that stand by
themselves. The intervals here take that into account.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from numebot_dagster.lake.json_records import NumberOrNull

_DAYS_OF_AN_ERA = 5
_DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Summary:
    """Scores of eras, summarised; NaN where there are too few of them.

    Attributes:
        n: number of eras with a score.
        effective_n: number of independent eras that would say as much; `effective_sample_size`.
        mean: of the scores.
        mean_low: lower end of the mean's 95 % interval; `mean_interval`.
        mean_high: upper end of it.
        std: standard deviation of the scores, ddof = 0, as Numerai shows it.
        std_low: lower end of its 95 % interval; `bootstrap_interval`.
        std_high: upper end of it.
        sharpe: mean / std, per era and not annualised, as Numerai shows it.
        sharpe_low: lower end of the Sharpe ratio's 95 % interval; `sharpe_interval`.
        sharpe_high: upper end of it.
        smart_sharpe: `sharpe` less what autocorrelation flatters; `autocorrelation_penalty`.
        smart_sharpe_low: lower end of its 95 % interval; `bootstrap_interval`.
        smart_sharpe_high: upper end of it.
        max_drawdown: deepest fall of the cumulated scores, positive; `max_drawdown`.
        max_drawdown_low: lower end of its 95 % interval; `bootstrap_interval`.
        max_drawdown_high: upper end of it.
        autocorrelation: between the scores of neighbouring eras.
    """

    n: int
    effective_n: NumberOrNull
    mean: NumberOrNull
    mean_low: NumberOrNull
    mean_high: NumberOrNull
    std: NumberOrNull
    std_low: NumberOrNull
    std_high: NumberOrNull
    sharpe: NumberOrNull
    sharpe_low: NumberOrNull
    sharpe_high: NumberOrNull
    smart_sharpe: NumberOrNull
    smart_sharpe_low: NumberOrNull
    smart_sharpe_high: NumberOrNull
    max_drawdown: NumberOrNull
    max_drawdown_low: NumberOrNull
    max_drawdown_high: NumberOrNull
    autocorrelation: NumberOrNull


def summarise(scores: ArrayLike, horizon_days: int) -> Summary:
    """Summarise the scores of weekly eras.

    Args:
        scores: (eras,) in the order of the eras; eras without a score (NaN) are left out.
        horizon_days: business days that the target looks ahead, 20 or 60: how far eras overlap.
    """
    values = np.asarray(scores, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    if not n:
        return Summary(0, 0.0, *[math.nan] * 16)
    is_constant = values.max() == values.min()  # whose spread is the rounding of the mean
    mean, std = float(values.mean()), 0.0 if is_constant else float(values.std())
    sharpe = mean / std if std else math.nan
    autocorrelation = lag_one_autocorrelation(values)
    overlap = horizon_overlap(horizon_days)
    effective_n = effective_sample_size(n, overlap)
    return Summary(
        n,
        effective_n,
        mean,
        *mean_interval(mean, std, effective_n),
        std,
        *bootstrap_interval(values, overlap, lambda drawn: drawn.std(axis=1)),
        sharpe,
        *sharpe_interval(sharpe, effective_n),
        sharpe / autocorrelation_penalty(n, autocorrelation),
        *bootstrap_interval(values, overlap, _smart_sharpes),
        max_drawdown(values),
        *bootstrap_interval(values, overlap, max_drawdowns),
        autocorrelation,
    )


def horizon_overlap(horizon_days: int) -> int:
    """Return the weekly eras that a target of so many business days spans: 4 for 20 days."""
    return math.ceil(horizon_days / _DAYS_OF_AN_ERA)


def effective_sample_size(n: int, horizon_overlap: int) -> float:
    """Return the number of independent scores that fix the mean as well as n overlapping ones.

    A target over H weeks adds up H weekly returns, and eras j weeks apart share H - j of them. If
    what a model earns in one week says nothing of the next, their scores correlate by 1 - j / H,
    and the variance of the mean of n scores is that of one divided by

        n_eff = n / (1 + 2 sum_{j=1}^{min(H, n) - 1} (1 - j / n) (1 - j / H)),

    which nears n / H when n is large: one for each stretch of eras that shares nothing with the
    next. The overlap is known beforehand, so it is used as it is; Newey and West's estimate, which
    measures the correlations, is far too narrow on the few independent stretches there are.

    Sources: Bayley and Hammersley, "The 'effective' number of independent observations in an
    autocorrelated time series" (1946), with the correlations of overlapping forecasts of Hansen and
    Hodrick (1980).

    Args:
        n: number of scores.
        horizon_overlap: H, the weekly eras that the target spans; 1 when eras share nothing.
    """
    lags = np.arange(1, min(horizon_overlap, n))
    shared = (1 - lags / n) * (1 - lags / horizon_overlap)
    return float(n / (1 + 2 * shared.sum()))


def mean_interval(mean: float, std: float, effective_n: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean: mean -+ t std / sqrt(n_eff - 1).

    Student's interval with n_eff in place of n. A standard deviation of ddof = 0 comes out small by
    a factor of 1 - 1 / n_eff in its square, which is why one is taken off under the root; t is the
    97.5 % quantile with n_eff - 1 degrees of freedom.
    """
    from scipy.special import stdtrit

    freedom = effective_n - 1
    # No spread to judge by: one era, or several that all overlap with each other.
    if freedom <= 1e-9:
        return math.nan, math.nan
    half = float(stdtrit(freedom, 0.975)) * std / math.sqrt(freedom)
    return mean - half, mean + half


def sharpe_interval(sharpe: float, effective_n: float) -> tuple[float, float]:
    """Return the 95 % interval of a Sharpe ratio: S -+ 1.96 sqrt((1 + S^2 / 2) / n_eff).

    Source: Lo, "The statistics of Sharpe ratios" (2002), with n_eff in place of n.
    """
    half = 1.959964 * math.sqrt((1 + sharpe**2 / 2) / effective_n)
    return sharpe - half, sharpe + half


def bootstrap_interval(
    scores: np.ndarray, overlap: int, statistic: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float]:
    """Return the 95 % interval of what has no formula, from redrawn histories.

    Histories of the same length are put together from stretches of the scores, drawn with
    replacement and wrapping around at the end. A stretch is twice as long as a target reaches, so
    that eras which overlap mostly stay together. The draws are the same at each call.

    Source: Politis and Romano, "A circular block-resampling procedure for stationary data" (1992);
    the interval is that between the 2.5 % and 97.5 % quantiles.

    Args:
        scores: (n,) in the order of the eras.
        overlap: weekly eras that the target spans.
        statistic: makes (draws,) numbers of (draws, n) redrawn scores.

    Returns:
        NaN for both ends when the scores are fewer than two stretches.
    """
    n, block = len(scores), 2 * overlap
    if n < 2 * block:
        return math.nan, math.nan
    starts = np.random.default_rng(0).integers(n, size=(_DRAWS, -(-n // block), 1))
    places = ((starts + np.arange(block)) % n).reshape(_DRAWS, -1)[:, :n]
    drawn = statistic(scores[places])
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return math.nan, math.nan
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def lag_one_autocorrelation(scores: np.ndarray) -> float:
    """Return Pearson's correlation of (n,) scores with the next era's; NaN below three scores."""
    if len(scores) < 3 or scores[1:].std() == 0 or scores[:-1].std() == 0:
        return math.nan
    return float(np.corrcoef(scores[:-1], scores[1:])[0, 1])


def autocorrelation_penalty(n: int, autocorrelation: float) -> float:
    """Return the divisor that makes the Sharpe ratio of n scores "smart".

        sqrt(1 + 2 sum_{i=1}^{n-1} (n - i) / n rho^i)

    the spread of their sum against that of n independent scores, if they follow an autoregression
    of order one with autocorrelation rho. Source: numerblox, `smart_sharpe`.
    """
    lags = np.arange(1, n)
    variance = 1 + 2 * float(((n - lags) / n * autocorrelation**lags).sum())
    return math.sqrt(variance) if variance > 0 else math.nan


def max_drawdown(scores: np.ndarray) -> float:
    """Return max(cummax(cumsum) - cumsum) of (n,) scores: zero or more.

    Source: Numerai's example scripts; the peak is sought from the first era on, not from zero.
    """
    return float(max_drawdowns(scores[np.newaxis])[0])


def max_drawdowns(histories: np.ndarray) -> np.ndarray:
    """Return the `max_drawdown` of each row of (draws, n) scores."""
    cumulated = np.cumsum(histories, axis=1)
    deepest: np.ndarray = (np.maximum.accumulate(cumulated, axis=1) - cumulated).max(axis=1)
    return deepest


def _smart_sharpes(histories: np.ndarray) -> np.ndarray:
    """Return the "smart" Sharpe ratio of each row of (draws, n) scores; NaN if nothing varies."""
    n = histories.shape[1]
    before, after = (
        part - part.mean(axis=1, keepdims=True) for part in (histories[:, :-1], histories[:, 1:])
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = (before * after).sum(axis=1) / np.sqrt(
            (before**2).sum(axis=1) * (after**2).sum(axis=1)
        )
        lags = np.arange(1, n)
        variance = 1 + 2 * (((n - lags) / n) * rho[:, np.newaxis] ** lags).sum(axis=1)
        smart: np.ndarray = histories.mean(axis=1) / histories.std(axis=1) / np.sqrt(variance)
    return smart
