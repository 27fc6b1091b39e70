"""Compare what a model predicted for some rows then and now, as far as its numbers can tell.

Another processor or library adds up in another order, and the last bits of a sum follow. A step of
a float32 is 6e-8 near 0.5 and one of a float16 5e-4, while the predictions of a model may spread by
0.01: no difference that is fixed in advance tells rounding from change. Two measures do: the ranks,
which are all that Numerai pays for, and the steps of the coarser type.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Digits behind the point of the types, in bits: float16, float32, float64.
BITS_16, BITS_32, BITS_64 = 10, 23, 52
# Sums of some hundred terms in another order differ by this many steps at the most.
STEPS = 16
# What moves by steps of its type alone still orders the rows as before.
LEAST_CORRELATION = 0.9
# Differences below this part of the spread move a row by less than a 30,000th of the ranks: rows
# that are nearer to each other count as tied.
TIED = 1e-4
# Of the ranks, on average; if one tree of a thousand is another one it is twice that.
MOST_DISPLACEMENT = 1e-4
# Of the spread, for a single row: rounding may make two rows change their ranks, but not more.
MOST_MOVED = 0.1


@dataclass(frozen=True)
class Comparison:
    """How the predictions of the same rows differ.

    Attributes:
        largest_difference: absolute, on the model's own scale.
        spread: half the distance between the 16th and the 84th percentile of the predictions of
            then, as a standard deviation but whatever single rows say; that where this is 0.
        steps: the largest difference in steps of the coarser of the two types.
        displacement: how far a row has moved in the ranks, from 0 to 1, on average; rows that are
            tied, or nearly, are interchangeable.
        correlation: Pearson's, of the predictions of then and now.
    """

    largest_difference: float
    spread: float
    steps: float
    displacement: float
    correlation: float

    @property
    def is_same_model(self) -> bool:
        """Whether the differences are those of rounding."""
        # Written so that a NaN is a change.
        is_near = self.largest_difference <= MOST_MOVED * self.spread
        keeps_ranks = is_near and self.displacement <= MOST_DISPLACEMENT
        is_rounding = self.steps <= STEPS and self.correlation >= LEAST_CORRELATION
        return keeps_ranks or is_rounding


def compare(then: np.ndarray, now: np.ndarray) -> Comparison:
    """Compare two predictions of the same rows.

    Args:
        then: (rows,) the first ones, finite, in the type that the model returned.
        now: (rows,) the repeated ones, finite, in the same order, in their own type.
    """
    bits = min(_bits(then), _bits(now))
    then, now = then.astype(np.float64), now.astype(np.float64)
    differences = np.abs(now - then)
    spread = _spread(then)
    return Comparison(
        largest_difference=float(differences.max(initial=0.0)),
        spread=spread,
        steps=_steps(then, differences, bits),
        displacement=_displacement(then, now, TIED * spread),
        correlation=_correlation(then, now),
    )


def _spread(values: np.ndarray) -> float:
    low, high = np.percentile(values, [16, 84])
    return float((high - low) / 2 or np.std(values))


def _steps(then: np.ndarray, differences: np.ndarray, bits: int) -> float:
    moved = differences > 0
    if not moved.any():
        return 0.0
    # A small number may be what large ones have left over, so it has the steps of the usual ones.
    size = np.maximum(np.abs(then), np.median(np.abs(then)))
    step = np.ldexp(size, -bits)
    with np.errstate(divide="ignore"):
        return float(np.max(differences[moved] / step[moved]))


def _bits(values: np.ndarray) -> int:
    """Return the digits behind the point of the type in which the numbers were computed.

    A float16 is believed by its type alone: shares of the votes of 512 trees fit into one as well.
    """
    # Classes and percentiles are whole numbers, whatever they were computed in.
    if values.dtype == np.float16 and not np.array_equal(values, np.round(values)):
        return BITS_16
    with np.errstate(over="ignore"):
        is_single = np.array_equal(values, values.astype(np.float32))
    return BITS_32 if is_single else BITS_64


def _displacement(then: np.ndarray, now: np.ndarray, tied: float) -> float:
    """Return the mean distance between the ranks that rows may have had and may have now."""
    lowest_then, highest_then = _ranks(then, tied)
    lowest_now, highest_now = _ranks(now, tied)
    apart = np.maximum(lowest_now - highest_then, lowest_then - highest_now)
    return float(np.maximum(apart, 0).mean() / max(len(then), 1)) if len(then) else 0.0


def _ranks(values: np.ndarray, tied: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest rank of each value among those not tied with it."""
    ordered = np.sort(values)
    lowest = np.searchsorted(ordered, values - tied, side="left")
    highest = np.searchsorted(ordered, values + tied, side="right") - 1
    return lowest, highest


def _correlation(then: np.ndarray, now: np.ndarray) -> float:
    """Return Pearson's correlation; 1 if both sides are constant, 0 if only one is."""
    constant = bool(np.ptp(then) == 0), bool(np.ptp(now) == 0)
    if any(constant):
        return float(all(constant))
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(then, now)[0, 1])
