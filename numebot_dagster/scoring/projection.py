"""Project predictions on features in one era: products, correlations, explained parts.

All of it is made of two products, features' x columns and features x coefficients, in float64 and
in small blocks, so that int8 features are never held as float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

_BLOCK = 96
# OpenBLAS does products of up to so many multiplications in the calling thread. To wake others for
# each block takes longer than the block, and many times as long on a busy machine.
_ONE_THREAD = 2**18
# numerai-tools drops directions whose singular value is below this share of the largest.
_TOOLS_RCOND = 1e-6
# Reciprocal condition of the Gram matrix, which is about the square of the features': below the
# first, one solution is not good to ten digits; below the second, neither are two.
_REFINE_BELOW, _GIVE_UP_BELOW = 1e-5, 1e-10
# Whole numbers in float32 are exact up to this.
_EXACT = 2**24


def correlations(features: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every feature with every column.

    Args:
        features: (rows, features), fastest as column-major int8.
        columns: (rows, k) without NaN.

    Returns:
        (features, k) float64, NaN where either side is constant.
    """
    centred = columns - columns.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    norms[np.ptp(columns, axis=0) == 0] = 0  # not the rounding of the mean
    result = np.empty((features.shape[1], columns.shape[1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        # The column of ones gives the features' sums.
        units = np.column_stack([centred / norms, np.ones(len(columns))])
        for names, block in _blocks(features):
            products = _times(block, units)
            squares = np.vecdot(block, block)
            spread = np.sqrt(squares - products[:, -1] ** 2 / len(columns))
            result[names] = products[:, :-1] / np.where(spread > 0, spread, np.nan)[:, None]
    result[:, norms == 0] = np.nan
    return np.clip(result, -1, 1)


class Neutralizer:
    """Takes out of predictions what a linear model of one era's features explains.

    The features are factorised once; any number of columns and proportions follow at the cost of
    two products. The answer is that of `numerai_tools.scoring.neutralize`, least squares with an
    intercept, whose singular value decomposition is many times slower.

    The way there is the Cholesky factor of the features' centred Gram matrix. For bins it is exact,
    though most of the work is done in float32: products of small whole numbers, and all their
    partial sums, are whole numbers that float32 holds. When that does not do, because there are no
    more rows than features, or features are linear in each other, or very nearly, or all constant,
    each call falls back to the least squares of numerai-tools, and `method` says so.

    Attributes:
        method: "cholesky" or "least squares".
    """

    method: Literal["cholesky", "least squares"]

    def __init__(self, features: np.ndarray) -> None:
        """Factorise the features of one era.

        Args:
            features: (rows, features) without NaN, fastest as column-major int8. They are kept, not
                copied.
        """
        if not features.size:
            raise ValueError(f"no features to neutralise by: their shape is {features.shape}")
        least, greatest = features.min(axis=0), features.max(axis=0)
        if not (np.isfinite(least) & np.isfinite(greatest)).all():
            raise ValueError("features to neutralise by hold NaN or infinity; fill them first")
        self._features = features
        self._varying = np.flatnonzero(least != greatest)
        whole = np.issubdtype(features.dtype, np.integer)
        largest_sum = len(features) * (float(greatest.max()) - float(least.min())) ** 2
        self._sums_in = np.float32 if whole and largest_sum < _EXACT else np.float64
        self._refine = False
        self.method = "cholesky" if self._factorise() else "least squares"

    def explained(self, columns: np.ndarray) -> np.ndarray:
        """Return (rows, k): what the features and an intercept explain of (rows, k) columns."""
        columns = np.asarray(columns, dtype=np.float64)
        if len(columns) != len(self._features):
            raise ValueError(f"{len(columns)} predictions for {len(self._features)} rows")
        if self.method == "least squares":
            design = np.column_stack([self._features, np.ones(len(columns))]).astype(np.float64)
            return design @ np.linalg.lstsq(design, columns, rcond=_TOOLS_RCOND)[0]
        mean = columns.mean(axis=0)
        fitted = self._fit(columns - mean)
        if self._refine:
            fitted += self._fit(columns - mean - fitted)
        return mean + fitted

    def neutralize(self, predictions: np.ndarray, proportion: float = 1.0) -> np.ndarray:
        """Return predictions less a proportion of what the features explain of them.

        Args:
            predictions: (rows, k) or (rows,), without NaN.
            proportion: 1 for all of it, 0 for nothing.

        Returns:
            float64 in the shape of the predictions; NaN for a constant column, as numerai-tools.

        Raises:
            ValueError: a prediction is NaN or infinite, or their number is not that of the rows.
        """
        predictions = np.asarray(predictions, dtype=np.float64)
        if bad := int((~np.isfinite(predictions)).sum()):
            raise ValueError(
                f"{bad} predictions are NaN or infinite; fill them before neutralising"
            )
        columns = predictions.reshape(len(predictions), -1)
        neutral = columns - proportion * self.explained(columns)
        neutral[:, np.ptp(columns, axis=0) == 0] = np.nan
        return neutral.reshape(predictions.shape)

    def _factorise(self) -> bool:
        """Prepare `_fit`; return whether it reaches the promised accuracy."""
        from scipy.linalg import lapack

        if not 0 < len(self._varying) < len(self._features):
            return False
        gram = _centred_gram(self._features, self._varying, self._sums_in)
        norm = np.linalg.norm(gram, 1)
        # The matrix is symmetric: its transpose is what LAPACK may overwrite in place.
        self._factor, failed = lapack.dpotrf(gram.T, lower=1, overwrite_a=1, clean=0)
        if failed:
            return False
        condition = lapack.dpocon(self._factor, norm, uplo="L")[0]
        self._refine = condition < _REFINE_BELOW
        return bool(condition >= _GIVE_UP_BELOW)

    def _fit(self, centred: np.ndarray) -> np.ndarray:
        """Return the least squares of (rows, k) centred columns on the centred features."""
        from scipy.linalg import lapack

        products = np.empty((self._features.shape[1], centred.shape[1]))
        for names, block in _blocks(self._features):
            products[names] = _times(block, centred)
        coefficients = np.zeros_like(products)
        coefficients[self._varying] = lapack.dpotrs(self._factor, products[self._varying], lower=1)[
            0
        ]
        fitted = np.zeros_like(centred)
        for names, block in _blocks(self._features):
            for rows in _pieces(len(centred), coefficients[names].size):
                fitted[rows] += block[:, rows].T @ coefficients[names]
        return fitted - fitted.mean(axis=0)


def _centred_gram(features: np.ndarray, varying: np.ndarray, kind: type) -> np.ndarray:
    """Return (varying, varying) float64 X'X of the centred features, summed in another type."""
    columns = features.T if len(varying) == features.shape[1] else features.T[varying]
    shifted: np.ndarray = columns.astype(kind)
    # A row of the data is as good a zero as any, and makes small numbers.
    shifted -= shifted[:, :1].copy()
    sums = shifted.sum(axis=1, dtype=np.float64)
    gram = (shifted @ shifted.T).astype(np.float64)
    gram -= np.outer(sums, sums / len(features))
    return gram


def _blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of (features, rows) float64; they share their memory, each overwrites the last.

    From numbers of more than one byte each feature's first value is taken, to keep them small.
    """
    memory = np.empty((_BLOCK, len(features)))
    for first in range(0, features.shape[1], _BLOCK):
        names = slice(first, min(first + _BLOCK, features.shape[1]))
        block = memory[: names.stop - first]
        block[:] = features.T[names]
        if features.itemsize > 1:
            block -= block[:, :1].copy()
        yield names, block


def _times(block: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return (features, rows) block @ (rows, k) columns."""
    product = np.zeros((len(block), columns.shape[1]))
    for rows in _pieces(len(columns), product.size):
        product += block[:, rows] @ columns[rows]
    return product


def _pieces(rows: int, multiplications: int) -> Iterator[slice]:
    """Yield pieces of rows small enough for one thread at so many multiplications a row."""
    step = max(1, _ONE_THREAD // max(1, multiplications))
    return (slice(first, first + step) for first in range(0, rows, step))
