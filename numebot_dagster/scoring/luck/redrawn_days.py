"""Redraw days from the past in blocks, so that what follows on each other stays together."""

from __future__ import annotations

import numpy as np

BLOCK = 10
"""Days that stay together."""
MEAN_SHARE = 0.3
"""How much of a past mean is expected of the future: most of what stood out was luck."""


def redraw(random: np.random.Generator, dates: int, shape: tuple[int, int]) -> np.ndarray:
    """Return places of past dates in blocks that wrap around at the end.

    Source: Politis and Romano, "A circular block-resampling procedure for stationary data" (1992).

    Args:
        random: where chance comes from.
        dates: number of past dates, at least one.
        shape: draws and days.

    Returns:
        (draws, days), from 0 to dates - 1.
    """
    draws, days = shape
    starts = random.integers(dates, size=(draws, -(-days // BLOCK), 1))
    return np.asarray(((starts + np.arange(BLOCK)) % dates).reshape(draws, -1)[:, :days])


def shrunk(values: np.ndarray, mean_share: float) -> np.ndarray:
    """Return (T, ...) values whose mean over the dates is a share of what it was."""
    return np.asarray(values - (1 - mean_share) * values.mean(axis=0))
