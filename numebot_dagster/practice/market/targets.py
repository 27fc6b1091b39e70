"""Cut returns into targets, and show the same return through other models of risk."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from numebot_dagster.practice.market.randomness import Stream, generator

BUCKET_EDGES = np.array([0.05, 0.25, 0.75, 0.95])
BUCKETS = np.array([0.0, 0.25, 0.5, 0.75, 1.0], dtype=np.float32)
HORIZONS = (20, 60)
DAYS_A_WEEK = 5

# Correlation of each named target with the ender target of the same horizon: as published for
# jasper and teager2b, plausible for the others. (ender_20 with ender_60: .46, see OVERSHOOT.)
SIBLING_CORRELATIONS = {
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
TARGET_NAMES = [
    "target",
    *(
        f"target_{name}_{days}"
        for name in sorted([*SIBLING_CORRELATIONS, "ender"])
        for days in HORIZONS
    ),
]
# Cutting two normal variables into buckets multiplies their correlation by about this.
BUCKETED_CORRELATION = 0.9
SOURCES_OF_DISAGREEMENT = 4
# Share of rows in which jeremy has no value, by horizon.
JEREMY_MISSING = {20: 0.005, 60: 0.013}


def bucket(values: np.ndarray) -> np.ndarray:
    """Return 0, .25, .5, .75 or 1 for each value, in shares of 5, 20, 50, 20 and 5 %."""
    cuts = np.rint(len(values) * BUCKET_EDGES).astype(int)
    edges = np.partition(values, cuts)[cuts]
    level = np.zeros(len(values), dtype=np.int8)
    for edge in edges:
        level += values >= edge
    return BUCKETS[level]


class SiblingTargets:
    """The named targets beside ender: its return, mixed with noise that overlaps as it does."""

    def __init__(self, seed: int, slots: int) -> None:
        """Draw how each name mixes the common sources of disagreement."""
        self._seed = seed
        self._slots = slots
        mixtures = generator(seed, Stream.SIBLINGS, 0).standard_normal(
            (len(SIBLING_CORRELATIONS), SOURCES_OF_DISAGREEMENT), dtype=np.float32
        )
        self._mixtures = mixtures / np.linalg.norm(mixtures, axis=1, keepdims=True)

        def week(number: int) -> np.ndarray:
            random = generator(seed, Stream.SIBLINGS, 1, number)
            return random.standard_normal((SOURCES_OF_DISAGREEMENT, slots), dtype=np.float32)

        self._week = lru_cache(maxsize=16)(week)
        self._weeks = lru_cache(maxsize=2)(self._sum_of_weeks)

    def of_era(
        self, era: int, days: int, returns: np.ndarray, slots: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the targets of one era.

        Args:
            era: number of the era.
            days: horizon, one of HORIZONS.
            returns: (rows,) ender's return over the horizon, not yet bucketed.
            slots: (rows,) slot of each row.

        Returns:
            (rows,) float32 by sibling; jeremy with a few NaN.
        """
        noise = self._mixtures @ self._disagreement(era, days, slots)
        agreed = (returns - returns.mean()) / returns.std()
        targets = {
            name: _mixed(correlation, agreed, own)
            for (name, correlation), own in zip(SIBLING_CORRELATIONS.items(), noise, strict=True)
        }
        random = generator(self._seed, Stream.MISSING_TARGETS, era, days)
        targets["jeremy"][random.random(self._slots)[slots] < JEREMY_MISSING[days]] = np.nan
        return targets

    def single(
        self, name: str, era: int, days: int, returns: np.ndarray, slots: np.ndarray
    ) -> np.ndarray:
        """Return the (rows,) float32 target of one name, over any number of days, without gaps."""
        number = [*SIBLING_CORRELATIONS].index(name)
        noise = self._mixtures[number] @ self._disagreement(era, days, slots)
        agreed = (returns - returns.mean()) / returns.std()
        return _mixed(SIBLING_CORRELATIONS[name], agreed, noise)

    def _disagreement(self, era: int, days: int, slots: np.ndarray) -> np.ndarray:
        """Return the (sources, rows) standard normal disagreement over the weeks of a horizon."""
        weeks = -(-days // DAYS_A_WEEK)
        total = self._weeks(era, weeks)
        disagreement: np.ndarray = total[:, slots] / np.sqrt(weeks, dtype=np.float32)
        return disagreement

    def _sum_of_weeks(self, era: int, weeks: int) -> np.ndarray:
        return np.asarray(np.sum([self._week(era + week) for week in range(weeks)], axis=0))


def _mixed(correlation: float, agreed: np.ndarray, own: np.ndarray) -> np.ndarray:
    shared = correlation / BUCKETED_CORRELATION
    return bucket(shared * agreed + np.sqrt(1.0 - shared**2) * own)
