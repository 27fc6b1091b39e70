"""Draw random numbers that depend on what is requested, never on the order of requests."""

from __future__ import annotations

from enum import IntEnum
from functools import cache, lru_cache

import numpy as np


class Stream(IntEnum):
    """What a stream of random numbers is used for; part of its seed, so never renumber."""

    UNIVERSE = 1
    IDS = 2
    FEATURES = 3
    CHARACTERISTICS = 4
    FEATURE_NOISE = 5
    PREMIA = 6
    FACTOR_RETURNS = 7
    SHOCKS = 8
    SIBLINGS = 9
    MISSING_TARGETS = 10
    OPINIONS = 11
    STAKES = 12
    ATTENDANCE = 13


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """Return the generator of one block of one stream, the same for the same arguments."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, *index))))


class WanderingSeries:
    """Many series of independent standard normal vectors that change slowly from day to day.

    Each series is drawn anew at knots, `periods[j]` days apart, and turns from one knot to the
    next: `cos(a) * before + sin(a) * after` with `a` from 0 to 90 degrees. Its values are exactly
    standard normal on every day and independent two periods apart, and any day costs the same to
    compute, however far away it is. The autocorrelation is one half after about 0.75 periods.
    """

    def __init__(
        self, seed: int, stream: Stream, periods: np.ndarray, width: int, first: int = 0
    ) -> None:
        """Describe the series.

        Args:
            seed: the market's seed.
            stream: the stream that the knots are drawn from.
            periods: (series,) days between two knots.
            width: length of the vector that each series has on a day.
            first: number of the first series within the stream.
        """
        self.periods = np.asarray(periods, dtype=np.int64)
        self._phases = np.array(
            [generator(seed, stream, first + j, 0).integers(p) for j, p in enumerate(self.periods)]
        )

        def draw(series: int, knot: int) -> np.ndarray:
            knots = generator(seed, stream, first + series, 1 + knot)
            return knots.standard_normal(width, dtype=np.float32)

        self.width = width
        self._knot = lru_cache(maxsize=4 * len(self.periods))(draw)

    def on(self, day: int) -> np.ndarray:
        """Return the (series, width) float32 values on a day (a count of days, 0 or later)."""
        knots, passed = np.divmod(day + self._phases, self.periods)
        angle = (0.5 * np.pi * passed / self.periods).astype(np.float32)
        before, after = np.cos(angle), np.sin(angle)
        values = np.empty((len(self.periods), self.width), dtype=np.float32)
        for j, knot in enumerate(knots.tolist()):
            np.multiply(self._knot(j, knot), before[j], out=values[j])
            values[j] += self._knot(j, knot + 1) * after[j]
        return values

    def autocorrelation(self, lag: int) -> np.ndarray:
        """Return each series' correlation with itself `lag` days later, averaged over the phase."""
        return np.array([_autocorrelation(period, lag) for period in self.periods.tolist()])


@cache
def _autocorrelation(period: int, lag: int) -> float:
    """Return the correlation of a series of one period with itself `lag` days later."""
    passed = np.arange(period)
    knots, later = np.divmod(passed + lag, period)
    now, then = 0.5 * np.pi * passed / period, 0.5 * np.pi * later / period
    shared = np.where(knots == 0, np.cos(now - then), np.sin(now) * np.cos(then))
    return float(np.where(knots > 1, 0.0, shared).mean())
