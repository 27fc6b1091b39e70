"""Share a stake among models by how alike they are, with the uncertainty of each figure.

Which model is better can seldom be told, and which models are the same bet can: so weights follow
from correlations and not from means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numebot_dagster.scoring.luck.many_models import q_values
from numebot_dagster.scoring.summaries import effective_sample_size, mean_interval

Floats = NDArray[np.float64]
ALIKE = 0.7
"""Models that correlate more than this on average are one bet."""

DRAWS, FALSE_DISCOVERIES = 1000, 0.05


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evidence:
    """What the returns of models by era say, of shape (eras, models).

    Attributes:
        returns: what a stake of one would have earned in each era.
        overlap: eras that a target spans, so that neighbours share most of their days.
    """

    returns: Floats
    overlap: int

    @property
    def effective_eras(self) -> float:
        """The number of independent eras that would say as much."""
        return effective_sample_size(len(self.returns), self.overlap)

    @property
    def means(self) -> list[Interval]:
        """The mean return of each model."""
        return [self._mean(column) for column in self.returns.T]

    def mean_of(self, weights: Floats) -> Interval:
        """Return the mean return of a stake that is shared by these weights."""
        return self._mean(self.returns @ weights)

    def spread_of(self, weights: Floats, seed: int = 0) -> Interval:
        """Return the spread of a shared stake's return by the shrunk covariance.

        Its interval is that of redrawn blocks of eras, as long as a target (the moving block
        bootstrap of Künsch, 1989).
        """
        random = np.random.default_rng(seed)
        shared = self.returns @ weights
        n, block = len(shared), min(self.overlap, len(shared))
        starts = random.integers(0, n - block + 1, (DRAWS, -(-n // block)))
        drawn = (starts[:, :, None] + np.arange(block)).reshape(DRAWS, -1)[:, :n]
        low, high = np.quantile(shared[drawn].std(axis=1), [0.025, 0.975])
        value = float(np.sqrt(weights @ shrunk_covariance(self.returns) @ weights))
        return Interval(value, min(float(low), value), max(float(high), value))

    def differences(self) -> list[bool]:
        """Return of each model whether its mean differs from that of the others.

        Two-sided t tests of the paired difference by the effective number of eras, corrected for
        the number of models by Benjamini and Hochberg (1995).
        """
        count = self.returns.shape[1]
        if count < 2:
            return [False] * count
        others = (self.returns.sum(axis=1, keepdims=True) - self.returns) / (count - 1)
        rates = q_values(self._p_values(self.returns - others))
        return [bool(rate <= FALSE_DISCOVERIES) for rate in rates]

    def _p_values(self, paired: Floats) -> Floats:
        from scipy import stats

        freedom = self.effective_eras - 1
        if freedom <= 0:
            return np.ones(paired.shape[1])
        spread = paired.std(axis=0)
        error = np.where(spread > 0, spread, np.inf) / np.sqrt(freedom)
        p_values: Floats = 2 * stats.t.sf(np.abs(paired.mean(axis=0)) / error, freedom)
        return p_values

    def _mean(self, returns: Floats) -> Interval:
        mean = float(returns.mean())
        low, high = mean_interval(mean, float(returns.std()), self.effective_eras)
        return Interval(mean, low, high)


def shrunk_covariance(returns: Floats) -> Floats:
    """Return the covariance of (eras, models) returns, shrunk towards equal variances.

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices"
    (2004), by scikit-learn.
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(returns)
    return np.asarray(covariance, dtype=np.float64)


def correlations(covariance: Floats) -> Floats:
    """Return correlations; a model that never varies correlates with nothing."""
    spread = np.sqrt(np.diag(covariance))
    safe = np.where(spread > 0, spread, np.inf)
    matrix: Floats = covariance / np.outer(safe, safe)
    np.fill_diagonal(matrix, 1.0)
    return np.clip(matrix, -1.0, 1.0)


def clusters(correlation: Floats, alike: float = ALIKE) -> list[int]:
    """Return a number for each model: those of one cluster correlate more than `alike` on average.

    Hierarchical clustering by average linkage on 1 - correlation; clusters are numbered in the
    order of their first models.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(correlation) < 2:
        return [0] * len(correlation)
    distance = squareform(1 - correlation, checks=False)
    labels = fcluster(linkage(distance, "average"), 1 - alike, "distance").tolist()
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return [numbers[label] for label in labels]


def equal_by_cluster(labels: list[int]) -> Floats:
    """Return weights that sum to one: equal by cluster, and equal within it."""
    count = len(set(labels))
    return np.array([1 / (count * labels.count(label)) for label in labels])


def ramp(total: float, rounds: int, running: int) -> list[tuple[int, float]]:
    """Return how much is at stake after each round when every one gets the same part of a total.

    A round's stake comes back when it resolves, `running` rounds later, so that all of the total is
    at stake from then on.

    Returns:
        The number of rounds played and the NMR at stake then, at the start, the quarters and the
        end of `rounds`.
    """
    marks = sorted({1, *(max(1, round(rounds * quarter / 4)) for quarter in range(1, 5))})
    return [(played, total * min(played, running) / running) for played in marks]
