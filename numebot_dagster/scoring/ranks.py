"""Gaussianise ranks without computing the normal quantile of every prediction.

The average rank of tied values is a multiple of one half, so the ranks of n values can only be
turned into 2n - 1 different quantiles. They are kept in a table for each n; what is left to do for
a prediction is one sort, and products with the table in sorted order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

# Columns sorted at a time. Memory for more is given back to the system and fetched anew each time,
# which takes longer than the sorting.
_FEW = 10


@dataclass(frozen=True)
class _Ranked:
    """What n ascending values become.

    Attributes:
        gaussian: (n,) quantiles of their average ranks.
        powered: (n,) the signed 1.5 power of `gaussian`.
        norm: length of `powered` once centred; 0 when the values are all the same.
    """

    gaussian: np.ndarray
    powered: np.ndarray
    norm: float


@dataclass(frozen=True)
class _Quantiles:
    """Normal quantiles of the average ranks of n values."""

    n: int

    @cached_property
    def untied(self) -> _Ranked:
        """What values become that all differ."""
        gaussian = self._of(np.arange(1, self.n + 1))
        powered = power_15(gaussian)
        return _Ranked(gaussian, powered, centred_norm(powered))

    @cached_property
    def halves(self) -> np.ndarray:
        """(2n + 1,) quantile of rank k / 2 at position k from 2 on."""
        return np.concatenate([[0, 0], self._of(np.arange(2, 2 * self.n + 1) / 2)])

    def of_sorted(self, values: np.ndarray) -> _Ranked:
        """Return what (n,) ascending values become, tied or not."""
        changes = np.flatnonzero(values[1:] != values[:-1]) + 1
        if len(changes) == self.n - 1:
            return self.untied
        bounds = np.concatenate([[0], changes, [self.n]])
        # The ranks first + 1 to last of a tie average to (first + last + 1) / 2.
        doubled_ranks = bounds[:-1] + bounds[1:] + 1
        # The table is not worth making for a few.
        many = 4 * len(doubled_ranks) > self.n
        distinct = self.halves[doubled_ranks] if many else self._of(doubled_ranks / 2)
        gaussian, powered = np.repeat([distinct, power_15(distinct)], np.diff(bounds), axis=1)
        return _Ranked(gaussian, powered, centred_norm(powered) if len(changes) else 0.0)

    def _of(self, ranks: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        quantiles: np.ndarray = ndtri((ranks - 0.5) / self.n)
        return quantiles


def gaussianise(values: np.ndarray) -> np.ndarray:
    """Return normal quantiles of the average ranks of (n,) values: G((rank - 0.5) / n).

    Source: `tie_kept_rank` and `gaussian` of `numerai_tools.scoring`.
    """
    ((order, ranked),) = _rank_each(values[None])
    gaussian = np.empty(len(values))
    gaussian[order] = ranked.gaussian
    return gaussian


def power_15(values: np.ndarray) -> np.ndarray:
    """Return the signed 1.5 power: sign(x) |x|^1.5."""
    return values * np.sqrt(np.abs(values))


def centred_norm(values: np.ndarray) -> float:
    """Return the length of (n,) values less their mean."""
    centred = values - values.mean()
    return float(np.sqrt(centred @ centred))


def rank_products(
    predictions: np.ndarray, powered: np.ndarray, plain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare the ranks of predictions with given columns, by one sort for each prediction.

    Args:
        predictions: (models, n) float64 without NaN; fastest when C-contiguous.
        powered: (n,) centred values for Pearson's correlation with the tail-weighted ranks
            p^<1.5>, where p are the Gaussianised ranks.
        plain: (n, k) columns for dot products with p.

    Returns:
        (models,) correlations, NaN where either side is constant, and (models, k) dot products.
    """
    columns = np.column_stack([powered, plain])
    norms, correlations = np.empty((2, len(predictions)))
    products = np.empty((len(predictions), plain.shape[1]))
    # Products are taken in sorted order: nothing has to be scattered back to the rows' own.
    for model, (order, ranked) in enumerate(_rank_each(predictions)):
        in_order = columns.take(order, axis=0)
        correlations[model] = ranked.powered @ in_order[:, 0]
        products[model] = ranked.gaussian @ in_order[:, 1:]
        norms[model] = ranked.norm
    norms *= centred_norm(powered)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.where(norms > 0, correlations / norms, np.nan)
    return np.clip(correlations, -1, 1), products


def _rank_each(columns: np.ndarray) -> Iterator[tuple[np.ndarray, _Ranked]]:
    """Yield the (n,) ascending order of each of (k, n) columns, and their ranks in that order."""
    quantiles = _quantiles(columns.shape[1])
    for first in range(0, len(columns), _FEW):
        few = columns[first : first + _FEW]
        for values, order, differ in zip(few, *_sort(few), strict=True):
            if differ:
                yield order, quantiles.untied
                continue
            ascending = values[order]
            if (ascending[1:] < ascending[:-1]).any():
                order = np.argsort(values)
                ascending = values[order]
            yield order, quantiles.of_sorted(ascending)


def _sort(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort columns whose values all differ, several times faster than `np.argsort`.

    Numbers are sorted faster than positions by numbers are. So the positions are written into the
    lowest bits of the numbers, and read from there once these are sorted. That goes well where the
    numbers differ in their other bits.

    Returns:
        (k, n) positions in ascending order of the values, and (k,) whether it went well.
    """
    n = columns.shape[1]
    low = np.int64((1 << n.bit_length()) - 1)
    # The addition makes a copy, and of -0.0 a 0.0, with which it is tied.
    numbers = np.add(columns, 0.0, order="C")
    keys = numbers.view(np.int64)
    keys &= ~low
    keys |= np.arange(n)
    numbers.sort(axis=1)
    # Infinity is taken for NaN with such bits, which is sorted last and may lose them.
    apart = (keys[:, 1:] ^ keys[:, :-1]).view(np.uint64) > low.view(np.uint64)
    lost = np.isnan(numbers[:, -1])
    keys &= low
    for column in np.flatnonzero(lost):
        keys[column] = np.argsort(columns[column])
    return keys, apart.all(axis=1) & ~lost


@lru_cache(maxsize=64)
def _quantiles(n: int) -> _Quantiles:
    return _Quantiles(n)
