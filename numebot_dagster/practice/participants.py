"""What the participants of the tournament predict: the benchmarks and rivals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numebot_dagster.practice.features import Features
from numebot_dagster.practice.randomness import Stream, WanderingSeries

# Correlation with the best prediction that the features allow, of the best participants. Together
# they know so much that a model which only knows a part of it contributes next to nothing (MMC
# near 0).
CROWD_SKILL = 0.95
BENCHMARK_SKILL = 0.8
# Days between the knots of an opinion.
OPINION_PERIOD = 60

BENCHMARKS = {
    "v5.3": {"v53_lgbm_ender20": (20, 1), "v53_lgbm_ender60": (60, 2)},
    "v5.2": {"v52_lgbm_ender20": (20, 3), "v52_lgbm_cyrusd20": (20, 4)},
    "v5.1": {"v51_lgbm_cyrusd20": (20, 5), "v51_lgbm_cyrusd60": (60, 6)},
    "v5.0": {"v5_lgbm_cyrusd20": (20, 7), "v5_lgbm_cyrusd60": (60, 8)},
}
FIRST_RIVAL = 100


class Insight:
    """The best prediction that the features allow, blind to everything but the features."""

    def __init__(self, features: Features, rewards: Mapping[int, np.ndarray]) -> None:
        """Work out the weights of the features.

        Args:
            features: the market's features.
            rewards: (characteristics,) for each horizon, what one unit of each characteristic seen
                today is expected to earn over it.
        """
        everything = features.sets["all"]
        quantum, faith = set(features.sets["quantum"]), set(features.sets["faith"])
        before_quantum = [i for i in everything if i not in quantum]
        known = {
            "v5.3": everything,
            "v5.2": before_quantum,
            "v5.1": before_quantum,
            "v5.0": [i for i in before_quantum if i not in faith],
        }
        self._weights = {
            (version, days): features.knowledge(reward, members).astype(np.float32)
            for version, members in known.items()
            for days, reward in rewards.items()
        }

    def from_features(self, features: np.ndarray, version: str, days: int) -> np.ndarray:
        """Return the (rows,) prediction with mean 0 and standard deviation 1.

        Args:
            features: (features, rows) int8 values 0 to 4.
            version: the data version whose features are known.
            days: the horizon to predict.
        """
        prediction = self._weights[version, days] @ (features.astype(np.float32) - 2.0)
        standardised: np.ndarray = (prediction - prediction.mean()) / prediction.std()
        return standardised


class Opinions:
    """Slowly changing beliefs that have nothing to do with returns, different for each person."""

    def __init__(self, seed: int, slots: int) -> None:
        self._seed = seed
        self._slots = slots

    def of(self, person: int, day: int) -> np.ndarray:
        """Return the (slots,) standard normal opinion of a person on a day."""
        period = np.array([OPINION_PERIOD])
        series = WanderingSeries(self._seed, Stream.OPINIONS, period, self._slots, first=person)
        return series.on(day)[0]


def blend(insight: np.ndarray, opinion: np.ndarray, skill: float) -> np.ndarray:
    """Return predictions in (0, 1), evenly spread, that correlate with the insight by `skill`.

    Raises:
        ValueError: the skill is not between 0 and 1.
    """
    if not 0.0 <= skill <= 1.0:
        raise ValueError(f"A participant's skill lies between 0 and 1, not at {skill}.")
    mixed = skill * insight + np.sqrt(1.0 - skill**2) * opinion
    ranks = np.empty(len(mixed))
    ranks[np.argsort(mixed, kind="stable")] = np.arange(len(mixed))
    return (ranks + 0.5) / len(mixed)
