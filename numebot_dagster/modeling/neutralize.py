"""Remove from predictions what a linear model of the features explains of them.

Neutral predictions do not move with any single feature, so that they earn less when the feature
works and lose less when it stops working. See `Neutralizer` for how it is computed.
"""

from __future__ import annotations

import numpy as np

from numebot_dagster.scoring.era_rows import EraRows
from numebot_dagster.scoring.projection import Neutralizer

__all__ = ["Neutralizer", "neutralize", "neutralize_eras"]


def neutralize(
    predictions: np.ndarray, features: np.ndarray, proportion: float = 1.0
) -> np.ndarray:
    """Neutralise predictions of one era, such as a round's, by features.

    Predictions are taken as they are; rank them before if that is what is to be neutral. For one
    era and several calls, keep a `Neutralizer`, which does the expensive part once.

    Args:
        predictions: (rows, k) or (rows,), without NaN.
        features: (rows, features) without NaN, such as `LiveData.matrix`.
        proportion: 1 for full neutralisation, 0.5 for half of it, 0 for none.

    Returns:
        float64 in the shape of the predictions; NaN for a constant column. With no more rows than
        independent features all is explained, and only rounding is left.

    Raises:
        ValueError: a value is NaN or infinite, or the rows do not fit.
    """
    return Neutralizer(features).neutralize(predictions, proportion)


def neutralize_eras(
    eras: np.ndarray, predictions: np.ndarray, features: np.ndarray, proportion: float = 1.0
) -> np.ndarray:
    """Neutralise the predictions of many eras, each era by itself.

    Args:
        eras: (rows,) era numbers, in any order.
        predictions: (rows, k) or (rows,), without NaN.
        features: (rows, features) without NaN, such as `TrainingData.matrix()`.
        proportion: as in `neutralize`.

    Returns:
        float64 in the shape of the predictions; see `neutralize`.

    Raises:
        ValueError: as `neutralize`, naming the era.
    """
    if not len(eras) == len(predictions) == len(features):
        raise ValueError(
            f"{len(predictions)} predictions and {len(features)} rows of features for "
            f"{len(eras)} rows of eras"
        )
    neutral = np.empty(np.shape(predictions))
    rows = EraRows.of(eras, predictions)
    for era, places in zip(rows.eras, rows.places, strict=True):
        try:
            neutral[places] = neutralize(predictions[places], features[places], proportion)
        except ValueError as error:
            raise ValueError(f"era {era}: {error}") from error
    return neutral
