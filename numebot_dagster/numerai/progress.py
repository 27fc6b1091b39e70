"""Describe how far a download is, and how much longer it will take."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[int, int | None], None]


class DownloadProgress:
    """How much of one file has arrived."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._first: int | None = None  # what a resumed download has from the start
        self._done = 0
        self._total: int | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Take the bytes that are there and the bytes in all, if known."""
        if self._first is None or done < self._first:  # it may have to begin again
            self._first, self._started_at = done, time.monotonic()
        self._done, self._total = done, total

    def describe(self) -> str:
        """Return for example `300 of 3,000 MB (10%), 4 min left`."""
        if self._first is None:
            return "nothing has arrived yet"
        if not self._total:
            return f"{_megabytes(self._done)} MB"
        if self._done >= self._total:
            return f"{_megabytes(self._total)} MB (100%), being checked"
        share = f"{self._done / self._total:.0%}"
        text = f"{_megabytes(self._done)} of {_megabytes(self._total)} MB ({share})"
        left = self._seconds_left()
        return text if left is None else f"{text}, {_duration(left)} left"

    def _seconds_left(self) -> float | None:
        arrived = self._done - (self._first or 0)
        if self._total is None or arrived <= 0:
            return None
        return (time.monotonic() - self._started_at) / arrived * (self._total - self._done)


def _megabytes(count: int) -> str:
    megabytes = count / 1e6
    return f"{megabytes:,.0f}" if megabytes >= 10 else f"{megabytes:.1f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
