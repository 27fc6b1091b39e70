"""Give models one way to write their features: `data.matrix`, in training as in predicting."""

from __future__ import annotations

from typing import Any, Self

import numpy as np


class FeatureMatrix(np.ndarray):
    """An array that may be called, so that models written with `data.matrix()` go on working.

    What is computed from it is a plain array.
    """

    def __call__(self) -> Self:
        """Return the matrix itself."""
        return self

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Make plain what NumPy computes."""
        return array[()] if return_scalar else np.asarray(array)

    def __reduce__(self) -> Any:
        """Store it as a plain array: what a model saves needs nothing of Numebot."""
        return np.asarray(self).__reduce__()


def feature_matrix(array: np.ndarray) -> FeatureMatrix:
    """Return a view of an array that is also callable."""
    return array if isinstance(array, FeatureMatrix) else array.view(FeatureMatrix)
