"""Literal scores for the tests of luck."""

from __future__ import annotations

import math

import numpy as np

from numebot_dagster.scoring.luck.daily_series import DailySeries, RoundScores

MONDAY = np.datetime64("2026-01-05")
NAN = math.nan


def scores_of(
    table: list[list[float]] | np.ndarray, opened: list[int] | None = None
) -> RoundScores:
    """Return scores by round and day; round k has its day 1 on date k, or as `opened` says."""
    values = np.asarray(table, dtype=float)
    starts = np.arange(len(values)) if opened is None else np.asarray(opened)
    row, column = np.nonzero(~np.isnan(values))
    return RoundScores.from_columns(
        row + 100, column + 1, MONDAY + starts[row] + column, values[row, column], values.shape[1]
    )


def from_pieces(pieces: np.ndarray, horizon: int, dates: int) -> RoundScores:
    """Return the scores of one round a date that all earn the same (T,) pieces by date."""
    sums = np.concatenate([[0.0], np.cumsum(pieces)])
    table = np.full((dates, horizon), np.nan)
    for row in range(dates):
        earned = sums[row + 1 : min(row + horizon, dates) + 1] - sums[row]
        table[row, : len(earned)] = earned / np.sqrt(np.arange(1, len(earned) + 1))
    return scores_of(table)


def series_of(values: list[float] | np.ndarray, first: int = 0, horizon: int = 4) -> DailySeries:
    """Return a daily series of equally weighted dates."""
    array = np.asarray(values, dtype=float)
    n = len(array)
    return DailySeries(
        horizon=horizon,
        dates=MONDAY + first + np.arange(n),
        values=array,
        spans=np.ones(n),
        running=np.full(n, 60),
        weights=np.full(n, 1 / max(n, 1)),
    )
