"""Simulate what open stakes may pay: days redrawn for all models together.

Models that move together and rounds that overlap stay so, because each path is one sequence of past
days for all. What is redrawn is the mean piece of a model's rounds, so that what one round has for
itself is left out; over rounds that overlap it averages out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numebot_dagster.scoring.luck.curves import LEVELS
from numebot_dagster.scoring.luck.daily_series import DailySeries, aligned
from numebot_dagster.scoring.luck.redrawn_days import MEAN_SHARE, redraw, shrunk

_TAIL = 0.05
_DRAWS_AT_ONCE = 100


@dataclass(frozen=True)
class PastDays:
    """Hold the past days of all models and paid metrics together.

    Attributes:
        values: (T, models, metrics) pieces by date.
        borrowed: (models, metrics) share of the dates for which the model had no piece, and another
            date of its own stands in.
    """

    values: np.ndarray
    borrowed: np.ndarray

    @classmethod
    def of(cls, series: Sequence[Sequence[DailySeries]], *, seed: int = 0) -> PastDays:
        """Return the days on which any model has a piece.

        Args:
            series: by model, then by metric.
            seed: of the dates that stand in.

        Raises:
            ValueError: A model has no piece of a metric at all.
        """
        metrics = len(series[0]) if series else 0
        _, values = aligned([metric for model in series for metric in model])
        missing = np.isnan(values)
        if missing.all(axis=0).any():
            raise ValueError("a model without any scores has no past to draw from: leave it out")
        random = np.random.default_rng(seed)
        for column, gaps in enumerate(missing.T):
            own = values[~gaps, column]
            values[gaps, column] = random.choice(own, gaps.sum())
        borrowed = missing.mean(axis=0).reshape(-1, metrics)
        return cls(values.reshape(-1, *borrowed.shape), borrowed)


@dataclass(frozen=True)
class OpenStakes:
    """Hold n stakes on rounds that run, or that will be opened.

    Attributes:
        models: (n,) places in `PastDays`.
        opens_in: (n,) days until the first piece still to come, less one: 0 of a running round.
        ends_in: (n,) days until the last piece, above `opens_in`; 0 of a round whose last score
            is out.
        heights: (n, metrics) sqrt(day) times the newest score; 0 of rounds to be opened.
        horizons: (n,) scoring days of the round.
        positions: (n,) NMR at stake.
        multipliers: (n, metrics) of the round.
        payout_factors: (n,) of the round.
        clips: (n,) the largest payout or burn, as a share of the stake.
    """

    models: np.ndarray
    opens_in: np.ndarray
    ends_in: np.ndarray
    heights: np.ndarray
    horizons: np.ndarray
    positions: np.ndarray
    multipliers: np.ndarray
    payout_factors: np.ndarray
    clips: np.ndarray


@dataclass(frozen=True)
class PayoutPaths:
    """Describe what stakes may pay in NMR, at the end of each round.

    Attributes:
        days: (D,) from 0, today, to the last end of a round.
        quantiles: (levels, D) at `LEVELS` of the sum paid or burned up to a day.
        totals: (draws,) the sums of all stakes.
        burn_streaks: (draws,) the longest run of days with ending rounds that burned on the whole.
        mean_share: how much of the past means the paths have.
    """

    days: np.ndarray
    quantiles: np.ndarray
    totals: np.ndarray
    burn_streaks: np.ndarray
    mean_share: float

    @property
    def tail_loss(self) -> float:
        """The mean of the worst 5 % of the totals, in NMR; negative for a loss.

        Expected shortfall: Acerbi and Tasche, "On the coherence of expected shortfall" (2002).
        """
        worst = np.sort(self.totals)[: max(1, round(_TAIL * len(self.totals)))]
        return float(worst.mean())

    @property
    def burn_probability(self) -> float:
        """The share of the paths that burn more than they pay."""
        return float(np.mean(self.totals < 0))


def simulate_paths(
    past: PastDays,
    stakes: OpenStakes,
    *,
    draws: int = 2000,
    mean_share: float = MEAN_SHARE,
    seed: int = 0,
) -> PayoutPaths:
    """Return what stakes may pay, from days redrawn in blocks for all models together.

    A round ends at (z now + pieces to come) / sqrt(h); it pays
    position x clip(payout factor x sum of multiplier x score, -clip, clip).

    Args:
        past: days of all models.
        stakes: at least one.
        draws: number of paths.
        mean_share: how much of the past means is expected.
        seed: of the paths.
    """
    random = np.random.default_rng(seed)
    last = int(stakes.ends_in.max())
    pool = shrunk(past.values, mean_share)
    parts = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        days = redraw(random, len(pool), (min(_DRAWS_AT_ONCE, draws - start), last))
        heights = np.cumsum(pool[days], axis=1)
        heights = np.pad(heights, ((0, 0), (1, 0), (0, 0), (0, 0)))
        parts.append(_paid_by_day(_payouts(heights, stakes), stakes.ends_in))
    paid = np.concatenate(parts)
    sums = np.cumsum(paid, axis=1)
    ends = np.unique(stakes.ends_in)
    return PayoutPaths(
        days=np.arange(last + 1),
        quantiles=np.quantile(sums, LEVELS, axis=0),
        totals=sums[:, -1],
        burn_streaks=_longest_runs(paid[:, ends] < 0),
        mean_share=mean_share,
    )


def longest_burn(payouts: np.ndarray) -> int:
    """Return the longest run of burns in (n,) payouts in their order, as it was in the past."""
    return int(_longest_runs(np.asarray(payouts)[np.newaxis] < 0)[0])


def _payouts(heights: np.ndarray, stakes: OpenStakes) -> np.ndarray:
    """Return (draws, n) payouts in NMR.

    Args:
        heights: (draws, days + 1, models, metrics) summed pieces from today on.
        stakes: n of them.
    """
    to_come = heights[:, stakes.ends_in, stakes.models] - heights[:, stakes.opens_in, stakes.models]
    final = (stakes.heights + to_come) / np.sqrt(stakes.horizons)[:, np.newaxis]
    worth = stakes.payout_factors * (stakes.multipliers * final).sum(axis=2)
    return np.asarray(stakes.positions * np.clip(worth, -stakes.clips, stakes.clips))


def _paid_by_day(payouts: np.ndarray, ends_in: np.ndarray) -> np.ndarray:
    """Return (draws, days + 1) what ends on each day."""
    order = np.argsort(ends_in, kind="stable")
    ends, first = np.unique(ends_in[order], return_index=True)
    paid = np.zeros((len(payouts), int(ends_in.max()) + 1))
    paid[:, ends] = np.add.reduceat(payouts[:, order], first, axis=1)
    return paid


def _longest_runs(flags: np.ndarray) -> np.ndarray:
    """Return the longest run of true flags in each row."""
    run = np.zeros(len(flags), dtype=np.int64)
    longest = run.copy()
    for column in flags.T:
        run = np.where(column, run + 1, 0)
        longest = np.maximum(longest, run)
    return longest
