"""Measure how alike the predictions of models are, and how many bets a stake on them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numebot_dagster.scoring.allocation import clusters

Floats = NDArray[np.float64]

DUPLICATES = 0.95
"""Models whose predictions correlate more than this are the same model for all that can be seen."""


@dataclass(frozen=True)
class Likeness:
    """The correlations of models' predictions.

    Attributes:
        correlation: (models, models), symmetric; NaN for two that share no round.
    """

    correlation: Floats

    @property
    def filled(self) -> Floats:
        """The correlations, with 0 for what is not known."""
        return np.nan_to_num(self.correlation)

    def order(self) -> list[int]:
        """Return the places of the models so that those stand together that are alike.

        Leaves of the tree of average linkage on 1 - correlation, neighbours as alike as possible:
        Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf ordering" (2001), by scipy.
        """
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform

        if len(self.correlation) < 3:
            return list(range(len(self.correlation)))
        distance = squareform(1 - self.filled, checks=False)
        tree = linkage(distance, "average", optimal_ordering=True)
        return [int(place) for place in leaves_list(tree)]

    def groups(self) -> list[list[int]]:
        """Return the places of the models by cluster, in `order`."""
        labels = clusters(self.filled)
        groups: dict[int, list[int]] = {}
        for place in self.order():
            groups.setdefault(labels[place], []).append(place)
        return list(groups.values())

    def duplicates(self) -> list[tuple[int, int, float]]:
        """Return the pairs of models above `DUPLICATES` with their correlation, highest first."""
        first, second = np.triu_indices(len(self.correlation), 1)
        values = self.filled[first, second]
        chosen = np.flatnonzero(values > DUPLICATES)
        pairs = [(int(first[k]), int(second[k]), float(values[k])) for k in chosen]
        return sorted(pairs, key=lambda pair: -pair[2])

    def bets(self, stakes: Sequence[float]) -> float:
        """Return the number of independent bets of equal size that would be as uncertain.

        (sum s)^2 / (s' C s), the effective number of correlated bets; 0 without a stake.
        """
        amounts = np.asarray(stakes, dtype=np.float64)
        variance = float(amounts @ self.filled @ amounts)
        return float(amounts.sum() ** 2 / variance) if variance > 0 else 0.0

    def with_the_stake(self, stakes: Sequence[float]) -> Floats:
        """Return the (models,) correlations with the sum of all predictions, weighted by stake.

        NaN where nobody has a stake.
        """
        amounts = np.asarray(stakes, dtype=np.float64)
        covariance = self.filled @ amounts
        spread = np.sqrt(max(float(amounts @ covariance), 0.0))
        return np.clip(covariance / spread, -1, 1) if spread else np.full(len(amounts), np.nan)


def rank_correlations(predictions: Floats) -> Floats:
    """Return Spearman's correlations of (rows, models) predictions; NaN for one that never varies.

    Rows that a model lacks are left out for all.
    """
    from scipy.stats import rankdata

    whole = predictions[~np.isnan(predictions).any(axis=1)]
    models = predictions.shape[1]
    if len(whole) < 2:
        return np.full((models, models), np.nan)
    ranks = rankdata(whole, axis=0)
    ranks -= ranks.mean(axis=0)
    spread = np.sqrt((ranks**2).sum(axis=0))
    ranks /= np.where(spread > 0, spread, np.nan)
    return np.asarray(np.clip(ranks.T @ ranks, -1, 1))
