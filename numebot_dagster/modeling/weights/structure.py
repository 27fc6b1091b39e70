"""Compare how features go together in the rows of a round and in those of the training.

A bin of one feature says nothing of which feature it is, since all have the same distribution. How
two features correlate does: where columns were exchanged, those correlations are other ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_FEATURES = 100  # 4,950 pairs are plenty
# Features that hardly correlate cannot be recognised by it.
LEAST_REPEATED = 0.3
# Exchanged columns agree by chance alone: far less than two halves of the training rows do.
LEAST_SHARE = 0.5
# With fewer, the correlations of exchanged columns, or of others, agree or not by chance alone.
LEAST_FEATURES = 15


@dataclass(frozen=True)
class Structure:
    """How far the correlations between features agree, each figure a correlation over the pairs.

    Attributes:
        agreement: between the rows of the training and those of the round.
        repeated: between two halves of the rows of the training: what can be expected.
        features: how many were compared.
    """

    agreement: float
    repeated: float
    features: int

    @property
    def is_mixed(self) -> bool:
        """Whether the features of the round are not those of the training."""
        can_be_told = self.features >= LEAST_FEATURES and self.repeated >= LEAST_REPEATED
        return can_be_told and not self.agreement >= LEAST_SHARE * self.repeated


def compare_structure(training: np.ndarray, live: np.ndarray) -> Structure:
    """Compare the correlations between the columns of two matrices.

    Args:
        training: (rows, F) features of training rows, in the order in which a model was trained.
        live: (rows of the round, F) what the model is given as the same features.
    """
    features = training.shape[1]
    columns = np.unique(np.linspace(0, features - 1, min(features, MOST_FEATURES)).astype(int))
    training, live = training[:, columns], live[:, columns]
    halves = _correlations(training[::2]), _correlations(training[1::2])
    agreement = _agreement(_correlations(training), _correlations(live))
    return Structure(agreement, _agreement(*halves), len(columns))


def _correlations(matrix: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair of columns; NaN where one is constant."""
    upper = np.triu_indices(matrix.shape[1], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            np.corrcoef(matrix.astype(np.float64), rowvar=False).reshape(matrix.shape[1], -1)[upper]
        )


def _agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation over the pairs that both have; 0 where there are too few."""
    present = np.isfinite(first) & np.isfinite(second)
    if np.count_nonzero(present) < 3:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.corrcoef(first[present], second[present])[0, 1])
    return value if np.isfinite(value) else 0.0
