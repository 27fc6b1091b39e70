"""Summarise the scores of many eras, with the uncertainty of each figure.

Eras are a week apart, but a target looks weeks ahead, so the scores of neighbouring eras share most
of the days that they judge: 100 eras of a 60-day target are no more than about eight that stand by
themselves. The intervals here take that into account.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import RootModel, model_validator

from numebot_dagster.lake.json_records import NumberOrNull

_DAYS_OF_AN_ERA = 5
_DRAWS = 2000  # of the bootstrap
_UNKNOWN = (math.nan, math.nan)


class Estimate(NamedTuple):
    """A figure with its 95 % interval; NaN where there are too few eras."""

    value: float
    low: float
    high: float


class Summary(RootModel[Mapping[str, int | NumberOrNull]], frozen=True):
    """Scores of eras, summarised: `n`, `effective_n`, and each figure of `FIGURES`.

    It is stored as it is in memory: a figure by its name, its interval as `<name>_low` and
    `<name>_high`.
    """

    @model_validator(mode="before")
    @classmethod
    def _only_numbers(cls, content: Any) -> Any:
        """Leave out what a newer version stores besides numbers."""
        if not isinstance(content, Mapping):
            return content
        numbers = (int, float, NoneType)
        return {name: value for name, value in content.items() if isinstance(value, numbers)}

    @property
    def n(self) -> int:
        """The number of eras with a score."""
        return int(self.root["n"])

    @property
    def effective_n(self) -> float:
        """The number of independent eras that would say as much; `effective_sample_size`."""
        return self.root["effective_n"]

    @property
    def is_complete(self) -> bool:
        """Whether it has every figure; an earlier version may have known fewer."""
        return self.root.keys() >= FIGURES.keys()

    def __getitem__(self, figure: str) -> Estimate:
        """Return a figure by its name; NaN where it is not complete."""
        ends = (figure, f"{figure}_low", f"{figure}_high")
        return Estimate(*(self.root.get(end, math.nan) for end in ends))


@dataclass(frozen=True)
class Sample:
    """The scores of weekly eras in their order, at least one, and how far targets overlap.

    Attributes:
        scores: (n,).
        overlap: weekly eras that the target spans.
    """

    scores: np.ndarray
    overlap: int

    @property
    def effective_n(self) -> float:
        """The number of independent eras that would say as much."""
        return effective_sample_size(len(self.scores), self.overlap)

    @cached_property
    def redrawn(self) -> np.ndarray | None:
        """(draws, n) histories redrawn from the scores; see `bootstrap_interval`."""
        n, block = len(self.scores), 2 * self.overlap
        if n < 2 * block:
            return None
        starts = np.random.default_rng(0).integers(n, size=(_DRAWS, -(-n // block), 1))
        places = ((starts + np.arange(block)) % n).reshape(_DRAWS, -1)[:, :n]
        redrawn: np.ndarray = self.scores[places]
        return redrawn


Formula = Callable[[np.ndarray], np.ndarray]
"""Makes (draws,) figures of (draws, n) scores; NaN for one that does not exist."""


def summarise(scores: ArrayLike, horizon_days: int) -> Summary:
    """Summarise the scores of weekly eras.

    Args:
        scores: (eras,) in the order of the eras; eras without a score (NaN) are left out.
        horizon_days: business days that the target looks ahead, 20 or 60: how far eras overlap.
    """
    values = np.asarray(scores, dtype=np.float64)
    values = values[~np.isnan(values)]
    sample = Sample(values, horizon_overlap(horizon_days))
    summary = {"n": len(values), "effective_n": sample.effective_n}
    for name, figure in FIGURES.items():
        low, high = figure.interval(figure.formula, sample) if len(values) else _UNKNOWN
        summary |= {name: figure.of(values), f"{name}_low": low, f"{name}_high": high}
    return Summary(summary)


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
    # Fewer than two independent eras have no spread to judge by.
    if freedom < 1:
        return math.nan, math.nan
    half = float(stdtrit(freedom, 0.975)) * std / math.sqrt(freedom)
    return mean - half, mean + half


def sharpe_interval(sharpe: float, effective_n: float) -> tuple[float, float]:
    """Return the 95 % interval of a Sharpe ratio: S -+ 1.96 sqrt((1 + S^2 / 2) / n_eff).

    Source: Lo, "The statistics of Sharpe ratios" (2002), with n_eff in place of n.
    """
    half = 1.959964 * math.sqrt((1 + sharpe**2 / 2) / effective_n)
    return sharpe - half, sharpe + half


def bootstrap_interval(formula: Formula, sample: Sample) -> tuple[float, float]:
    """Return the 95 % interval of what has no formula for it, from redrawn histories.

    Histories of the same length are put together from stretches of the scores, drawn with
    replacement and wrapping around at the end. A stretch is twice as long as a target reaches, so
    that eras which overlap mostly stay together. The draws are the same at each call.

    Source: Politis and Romano, "A circular block-resampling procedure for stationary data" (1992);
    the interval is that between the 2.5 % and 97.5 % quantiles.

    Returns:
        NaN for both ends when the scores are fewer than two stretches.
    """
    if sample.redrawn is None:
        return _UNKNOWN
    drawn = formula(sample.redrawn)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return _UNKNOWN
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def no_interval(_formula: Formula, _sample: Sample) -> tuple[float, float]:
    """Return NaN for both ends: the figure describes these eras only."""
    return _UNKNOWN


def stds(histories: np.ndarray) -> np.ndarray:
    """Return the standard deviation (ddof = 0) of each row of (draws, n) scores."""
    # What equal scores seem to vary by is the rounding of their mean.
    varies = np.ptp(histories, axis=1) > 0
    deviations: np.ndarray = np.where(varies, histories.std(axis=1), 0)
    return deviations


def sharpes(histories: np.ndarray) -> np.ndarray:
    """Return the mean / std of each row of (draws, n) scores, per era, as Numerai shows it."""
    spread = stds(histories)
    ratios: np.ndarray = histories.mean(axis=1) / np.where(spread > 0, spread, np.nan)
    return ratios


def autocorrelations(histories: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of scores with the next era's, for each row of (draws, n)."""
    parts = histories[:, :-1], histories[:, 1:]
    if histories.shape[1] < 3:
        return np.full(len(histories), np.nan)
    before, after = (part - part.mean(axis=1, keepdims=True) for part in parts)
    squares = (before**2).sum(axis=1) * (after**2).sum(axis=1)
    both_vary = np.logical_and(*(np.ptp(part, axis=1) > 0 for part in parts))
    norms = np.sqrt(np.where(both_vary & (squares > 0), squares, np.nan))
    correlations: np.ndarray = (before * after).sum(axis=1) / norms
    return correlations


def autocorrelation_penalty(n: int, autocorrelation: np.ndarray) -> np.ndarray:
    """Return the divisors that make Sharpe ratios of n scores "smart".

        sqrt(1 + 2 sum_{i=1}^{n-1} (n - i) / n rho^i)

    the spread of their sum against that of n independent scores, if they follow an autoregression
    of order one with autocorrelation rho. Source: numerblox, `smart_sharpe`.
    """
    falling = np.arange(1, n) / n  # what the powers of rho are multiplied by, the highest first
    variance = 1 + 2 * np.polyval([*falling, 0], autocorrelation)
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def smart_sharpes(histories: np.ndarray) -> np.ndarray:
    """Return the Sharpe ratio of each row of (draws, n) scores, less what trends flatter."""
    penalty = autocorrelation_penalty(histories.shape[1], autocorrelations(histories))
    return sharpes(histories) / penalty


def max_drawdowns(histories: np.ndarray) -> np.ndarray:
    """Return max(cummax(cumsum) - cumsum) of each row of (draws, n) scores: zero or more.

    Source: Numerai's example scripts; the peak is sought from the first era on, not from zero.
    """
    cumulated = np.cumsum(histories, axis=1)
    deepest: np.ndarray = (np.maximum.accumulate(cumulated, axis=1) - cumulated).max(axis=1)
    return deepest


def hit_rates(histories: np.ndarray) -> np.ndarray:
    """Return the share of positive scores in each row of (draws, n), from 0 to 1."""
    rates: np.ndarray = (histories > 0).mean(axis=1)
    return rates


@dataclass(frozen=True)
class Figure:
    """A figure over many eras.

    Attributes:
        label: its name in tables.
        meaning: half a sentence, for people.
        formula: what it is.
        heading: of its column in the table of all scores, where width is scarce; without one it
            has no column there.
        interval: its 95 % interval.
    """

    label: str
    meaning: str
    formula: Formula
    heading: str = ""
    interval: Callable[[Formula, Sample], tuple[float, float]] = bootstrap_interval

    def of(self, scores: np.ndarray) -> float:
        """Return the figure of (n,) scores; NaN of none."""
        return float(self.formula(scores[np.newaxis])[0]) if len(scores) else math.nan


FIGURES: Mapping[str, Figure] = {
    "mean": Figure(
        "mean", "the mean of the eras' scores", lambda histories: histories.mean(axis=1), "mean",
        lambda _, sample: mean_interval(
            FIGURES["mean"].of(sample.scores), FIGURES["std"].of(sample.scores), sample.effective_n
        ),
    ),
    "std": Figure("std", "their standard deviation (ddof = 0)", stds, "std"),
    "sharpe": Figure(
        "Sharpe", "mean / std, per era and not annualised", sharpes, "Sharpe",
        lambda _, sample: sharpe_interval(
            FIGURES["sharpe"].of(sample.scores), sample.effective_n
        ),
    ),
    "smart_sharpe": Figure(
        "smart Sharpe", "the Sharpe ratio corrected for autocorrelation", smart_sharpes, "smart"
    ),
    "max_drawdown": Figure(
        "max drawdown", "the deepest fall of the summed scores", max_drawdowns, "fall"
    ),
    "hit_rate": Figure("hit rate", "the share of eras with a score above zero", hit_rates, "hits"),
    "autocorrelation": Figure(
        "autocorrelation", "the correlation of an era's score with the next era's",
        autocorrelations, interval=no_interval,
    ),
    "max": Figure(
        "max", "the highest score of an era", lambda histories: histories.max(axis=1),
        interval=no_interval,
    ),
}  # fmt: skip
"""The figures by name, in the order in which they are shown; one that is added here is shown."""
