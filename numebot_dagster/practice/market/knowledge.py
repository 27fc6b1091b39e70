"""Mix what participants know with what they merely believe: benchmarks and rivals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from numebot_dagster.practice.market.features import Features
from numebot_dagster.practice.market.randomness import Stream, WanderingSeries

# Correlation with the best prediction that the features allow, of the best participants. Together
# they know so much that a model which only knows a part of it contributes next to nothing (MMC
# near 0).
CROWD_SKILL = 0.95
BENCHMARK_SKILL = 0.95
# Days between the knots of an opinion.
OPINION_PERIOD = 60

# Horizon and person by name: as seen in v5.3 and v5.2, and of the older versions what Numerai's own
# plots ask for. After which target of its horizon a model is named makes no other difference.
BENCHMARKS = {
    "v5.3": {"v53_lgbm_ender20": (20, 1), "v53_lgbm_ender60": (60, 2)},
    "v5.2": {
        "v52_lgbm_cyrusd20": (20, 4),
        "v52_lgbm_teager2b20": (20, 9),
        "v52_lgbm_ender20": (20, 3),
        "v52_lgbm_jasper20": (20, 10),
        "v52_lgbm_cyrusd60": (60, 11),
        "v52_lgbm_teager2b60": (60, 12),
        "v52_lgbm_ender60": (60, 13),
        "v52_lgbm_jasper60": (60, 14),
    },
    "v5.1": {
        "v51_lgbm_cyrusd20": (20, 5),
        "v51_lgbm_teager2b20": (20, 15),
        "v51_lgbm_cyrusd60": (60, 6),
    },
    "v5.0": {
        "v5_lgbm_cyrusd20": (20, 7),
        "v5_lgbm_teager2b20": (20, 16),
        "v5_lgbm_cyrusd60": (60, 8),
    },
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
        members_of = {
            "v5.3": everything,
            "v5.2": before_quantum,
            "v5.1": before_quantum,
            "v5.0": [i for i in before_quantum if i not in faith],
        }
        self._weights = {
            version: (
                tuple(rewards),
                np.stack(
                    [features.knowledge(reward, members) for reward in rewards.values()]
                ).astype(np.float32),
            )
            for version, members in members_of.items()
        }

    def from_features(self, features: np.ndarray, version: str) -> dict[int, np.ndarray]:
        """Return the (rows,) predictions with mean 0 and standard deviation 1 by their horizon.

        Args:
            features: (features, rows) int8 values 0 to 4.
            version: the data version whose features are known.
        """
        horizons, weights = self._weights[version]
        predictions = weights @ features.astype(np.float32)
        predictions -= predictions.mean(axis=1, keepdims=True)
        predictions /= predictions.std(axis=1, keepdims=True)
        return dict(zip(horizons, predictions, strict=True))


class Opinions:
    """Slowly changing beliefs that have nothing to do with returns, different for each person."""

    def __init__(self, seed: int, slots: int) -> None:
        def series(person: int) -> WanderingSeries:
            period = np.array([OPINION_PERIOD])
            return WanderingSeries(seed, Stream.OPINIONS, period, slots, first=person)

        self._series = lru_cache(maxsize=64)(series)

    def of(self, person: int, day: int) -> np.ndarray:
        """Return the (slots,) standard normal opinion of a person on a day."""
        return self._series(person).on(day)[0]


def blend(parts: Iterable[tuple[float, np.ndarray]], opinion: np.ndarray) -> np.ndarray:
    """Return predictions in (0, 1), evenly spread, that mix parts with an opinion.

    They are `(rank - 0.5) / rows`, which is to say their own ranks.

    Args:
        parts: standard normal values, and by how much the predictions correlate with each.
        opinion: standard normal values.

    Raises:
        ValueError: the correlations cannot be.
    """
    mixed, left = np.zeros(opinion.shape), 1.0
    for skill, values in parts:
        left -= skill**2
        mixed += skill * values
        if skill < 0.0 or left < 0.0:
            raise ValueError(
                f"Skill and edge lie between 0 and 1 in all, and {skill} does not fit: choose a "
                "smaller one."
            )
    mixed += np.sqrt(left) * opinion
    order = np.argsort(mixed)
    if (mixed[order[1:]] == mixed[order[:-1]]).any():
        order = np.argsort(mixed, kind="stable")
    ranks = np.empty(len(mixed))
    ranks[order] = np.arange(len(mixed))
    return (ranks + 0.5) / len(mixed)
