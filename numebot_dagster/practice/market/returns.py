"""Draw daily residual returns: what characteristics earn, and what is a stock's own."""

from __future__ import annotations

import threading

import numpy as np

from numebot_dagster.practice.market.randomness import Stream, WanderingSeries, generator

LAG_DAYS = 2
# A shock overshoots by this much of its lasting size and gives that back with a half-life of two
# weeks. Without it the 20- and 60-day targets would correlate by .51; in reality they do by .46.
OVERSHOOT = 0.6
OVERSHOOT_KEPT = 0.93
# Standard deviation of a characteristic's daily return, in units of one stock's daily shock.
FACTOR_RISK = 0.005
# Standard deviation of a premium around its long-run mean, as a share of that mean, and the days
# between the knots of its drift.
PREMIUM_DRIFT = 0.25
PREMIUM_PERIOD = 250
BLOCK = 64


class Returns:
    """The residual return of every slot on every day, as one path that grows when asked.

    The unit of all returns is the standard deviation of the lasting part of one stock's daily
    shock. May be asked from several threads.
    """

    def __init__(self, seed: int, characteristics: WanderingSeries, premia: np.ndarray) -> None:
        """Describe the path.

        Args:
            seed: the market's seed.
            characteristics: each slot's exposure to what is rewarded.
            premia: (characteristics,) long-run mean of the daily return of one unit of each.
        """
        self._seed = seed
        self._characteristics = characteristics
        self._premia = premia
        periods = np.full(len(premia), PREMIUM_PERIOD)
        self._drift = WanderingSeries(seed, Stream.PREMIA, periods, 1, first=1)
        self._overshoot = np.zeros(characteristics.width, dtype=np.float32)
        self._path = [np.zeros(characteristics.width, dtype=np.float32)]
        self._lock = threading.Lock()

    def between(self, first: int, last: int) -> np.ndarray:
        """Return the (slots,) float32 sum of the returns from day `first` to day `last`."""
        with self._lock:
            while len(self._path) <= last + 1:
                self._extend()
        return self._path[last + 1] - self._path[first]

    def _extend(self) -> None:
        """Append one block of days, whose shocks depend on the block's number alone."""
        start = len(self._path) - 1
        block, width = start // BLOCK, self._characteristics.width
        shocks = generator(self._seed, Stream.SHOCKS, block).standard_normal(
            (BLOCK, width), dtype=np.float32
        )
        surprises = generator(self._seed, Stream.FACTOR_RETURNS, block).standard_normal(
            (BLOCK, len(self._premia))
        )
        for day, (shock, surprise) in enumerate(zip(shocks, surprises, strict=True), start):
            premia = self._premia * (1.0 + PREMIUM_DRIFT * self._drift.on(day)[:, 0])
            rewards = (premia + FACTOR_RISK * surprise).astype(np.float32)
            earned = rewards @ self._characteristics.on(day)
            overshoot = np.float32(OVERSHOOT_KEPT) * self._overshoot + np.float32(OVERSHOOT) * shock
            own = shock + overshoot - self._overshoot
            self._overshoot = overshoot
            self._path.append(self._path[-1] + earned + own)


def horizon_risk(days: int) -> float:
    """Return the standard deviation of a stock's own return over a number of days.

    A shock of age `a` at the end of the window has moved the price by `1 + o k^a` (o the overshoot,
    k the share of it kept each day); shocks from before the window give back `o k^b (1 - k^days)`.
    """
    inside = 1.0 + OVERSHOOT * OVERSHOOT_KEPT ** np.arange(days)
    given_back = OVERSHOOT * (1.0 - OVERSHOOT_KEPT**days)
    return float(np.sqrt((inside**2).sum() + given_back**2 / (1.0 - OVERSHOOT_KEPT**2)))


def days_earned(characteristics: WanderingSeries, days: int) -> np.ndarray:
    """Return (characteristics,) for how many of the horizon's days a value seen now still counts.

    The sum of the autocorrelations from the last known close to each day of the horizon, which
    begins after the lag.
    """
    first = LAG_DAYS + 2
    lags = range(first, first + days)
    return np.sum([characteristics.autocorrelation(lag) for lag in lags], axis=0)
