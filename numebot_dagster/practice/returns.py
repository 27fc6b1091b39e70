"""Daily residual returns and the targets that are cut from them."""

from __future__ import annotations

import threading

import numpy as np

from numebot_dagster.practice.randomness import Stream, WanderingSeries, generator

# A shock overshoots by OVERSHOOT times its lasting size and gives that back with a half-life of
# about three weeks. Without this the 20- and 60-day targets would correlate by .51; in reality .46.
OVERSHOOT = 1.0
MEMORY = 0.967
BLOCK = 64
# Standard deviation of a characteristic's daily return, in units of one stock's daily shock.
FACTOR_RISK = 0.005
# Standard deviation of a premium around its long-run mean, as a share of that mean.
PREMIUM_DRIFT = 0.4
BUCKET_EDGES = (0.05, 0.25, 0.75, 0.95)
BUCKETS = np.array([0.0, 0.25, 0.5, 0.75, 1.0], dtype=np.float32)

# Correlation of each named target with the ender target of the same horizon, as published for
# jasper and teager2b and plausible for the others.
SIBLINGS = {
    "agnes": 0.62,
    "alpha": 0.58,
    "bravo": 0.60,
    "caroline": 0.66,
    "charlie": 0.59,
    "claudia": 0.68,
    "cyrusd": 0.72,
    "delta": 0.57,
    "echo": 0.63,
    "jasper": 0.80,
    "jeremy": 0.70,
    "ralph": 0.64,
    "rowan": 0.67,
    "sam": 0.61,
    "teager2b": 0.79,
    "tyler": 0.65,
    "victor": 0.69,
    "waldo": 0.66,
    "xerxes": 0.60,
}
TARGET_NAMES = sorted([*SIBLINGS, "ender"])
HORIZONS = (20, 60)
# Bucketing multiplies the correlation of two normal variables by about this.
BUCKETED_CORRELATION = 0.893
SIBLING_SOURCES = 4
JEREMY_MISSING = {20: 0.005, 60: 0.013}


class Returns:
    """The residual return of every slot on every day, as one path that grows when asked."""

    def __init__(self, seed: int, characteristics: WanderingSeries, premia: np.ndarray) -> None:
        """Describe the path.

        Args:
            seed: the market's seed.
            characteristics: each slot's exposure to what is rewarded.
            premia: (characteristics,) mean daily return of one unit of each characteristic, in
                units of one stock's daily shock. They drift around this mean over the years.
        """
        self._seed = seed
        self._characteristics = characteristics
        self._premia = premia
        self._drift = WanderingSeries(seed, Stream.PREMIA, np.full(len(premia), 250), 1)
        self._overshoot = np.zeros(characteristics.width, dtype=np.float32)
        self._path = [np.zeros(characteristics.width, dtype=np.float32)]
        self._lock = threading.Lock()

    def between(self, first: int, last: int) -> np.ndarray:
        """Return the (slots,) sum of the returns of the days `first` to `last`, both included."""
        with self._lock:
            while len(self._path) <= last + 1:
                self._extend()
        return self._path[last + 1] - self._path[first]

    def _extend(self) -> None:
        start = len(self._path) - 1
        block = start // BLOCK
        width = self._characteristics.width
        shocks = generator(self._seed, Stream.SHOCKS, block).standard_normal(
            (BLOCK, width), dtype=np.float32
        )
        factor_noise = generator(self._seed, Stream.FACTOR_RETURNS, block).standard_normal(
            (BLOCK, len(self._premia))
        )
        for day in range(BLOCK):
            drift = 1.0 + PREMIUM_DRIFT * self._drift.on(start + day)[:, 0]
            rewards = self._premia * drift + FACTOR_RISK * factor_noise[day]
            signal = rewards.astype(np.float32) @ self._characteristics.on(start + day)
            overshoot = MEMORY * self._overshoot + OVERSHOOT * shocks[day]
            reversal = overshoot - self._overshoot
            self._overshoot = overshoot.astype(np.float32)
            self._path.append(self._path[-1] + signal + shocks[day] + reversal.astype(np.float32))


def horizon_risk(days: int) -> float:
    """Return the standard deviation of a stock's return over `days` days, in daily shocks."""
    ages = np.arange(days)
    inside = 1.0 + OVERSHOOT * MEMORY**ages
    before = (OVERSHOOT * (1.0 - MEMORY**days)) ** 2 / (1.0 - MEMORY**2)
    return float(np.sqrt((inside**2).sum() + before))


def bucket(values: np.ndarray) -> np.ndarray:
    """Return 0, .25, .5, .75 or 1 for each value, in shares of 5, 20, 50, 20 and 5 %."""
    cuts = np.rint(len(values) * np.array(BUCKET_EDGES)).astype(int)
    edges = np.partition(values, cuts)[cuts]
    level = (values >= edges[0]).view(np.int8)
    for edge in edges[1:]:
        level = level + (values >= edge).view(np.int8)
    return BUCKETS[level]


class SiblingTargets:
    """The named targets beside ender: the same return seen through other models of risk."""

    def __init__(self, seed: int, slots: int) -> None:
        """Draw how each name mixes the common sources of disagreement."""
        self._seed = seed
        self._slots = slots
        mixtures = generator(seed, Stream.SIBLINGS, 0).standard_normal(
            (len(SIBLINGS), SIBLING_SOURCES)
        )
        mixtures /= np.linalg.norm(mixtures, axis=1, keepdims=True)
        self._mixtures = mixtures.astype(np.float32)

    def on(self, era: int, days: int, ender: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """Return the (siblings, rows) float32 targets of one era.

        Args:
            era: number of the era, whose weeks of disagreement are drawn once and shared by the
                eras that overlap.
            days: horizon, a multiple of five business days.
            ender: (rows,) return over the horizon, not yet bucketed.
            slots: (rows,) slot of each row.
        """
        weeks = range(era, era + days // 5)
        disagreement = sum((self._week(week) for week in weeks), start=np.float32(0.0))
        noise = self._mixtures @ disagreement[:, slots] / np.sqrt(days // 5)
        agreed = (ender - ender.mean()) / ender.std()
        targets = np.empty((len(SIBLINGS), len(slots)), dtype=np.float32)
        for row, correlation in enumerate(SIBLINGS.values()):
            shared = correlation / BUCKETED_CORRELATION
            targets[row] = bucket(shared * agreed + np.sqrt(1.0 - shared**2) * noise[row])
        random = generator(self._seed, Stream.MISSING_TARGETS, era, days)
        missing = random.random(self._slots)[slots] < JEREMY_MISSING[days]
        targets[list(SIBLINGS).index("jeremy"), missing] = np.nan
        return targets

    def _week(self, week: int) -> np.ndarray:
        random = generator(self._seed, Stream.SIBLINGS, 1, week)
        return random.standard_normal((SIBLING_SOURCES, self._slots), dtype=np.float32)
