"""Progress of long downloads: for a log, and for a terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int | None], None]

_SECONDS_BETWEEN_LINES = 5.0
_SHARE_BETWEEN_LINES = 0.1


class LogProgress:
    """Writes a line every 5 seconds at most, and not before another tenth of the file is there.

    Nothing is written for a file that is done before the first line is due.
    """

    def __init__(self, log: logging.Logger, name: str) -> None:
        self._log, self._name = log, name
        self._lines = 0
        self._last_line_at = time.monotonic()
        self._last_share = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        """Takes the bytes that are there and the bytes in all, if known."""
        share = done / total if total else None
        if not self._is_due(share):
            return
        self._lines += 1
        self._last_line_at, self._last_share = time.monotonic(), share or 0.0
        of_total = "" if not total else f" of {total / 1e6:,.0f} MB ({done / total:.0%})"
        self._log.info("downloading %s: %s MB%s", self._name, f"{done / 1e6:,.0f}", of_total)

    def _is_due(self, share: float | None) -> bool:
        if share == 1:
            return self._lines > 0
        if time.monotonic() - self._last_line_at < _SECONDS_BETWEEN_LINES:
            return False
        return share is None or share - self._last_share >= _SHARE_BETWEEN_LINES


@contextmanager
def terminal_progress(name: str) -> Iterator[Progress]:
    """A progress bar with speed and time left, gone when the block ends."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # A console of its own: the shared one keeps what it found out about the first terminal it saw.
    with Bar(*columns, transient=True, console=Console()) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
