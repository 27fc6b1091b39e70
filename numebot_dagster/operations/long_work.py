"""Log the progress of long work, so that it is never silent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")

SECONDS_BETWEEN_LINES = 10.0
MOST_SECONDS_BETWEEN_LINES = 60.0
SECONDS_WITHOUT_A_LINE = 2.0


@contextmanager
def reported(log: logging.Logger, what: str) -> Iterator[None]:
    """Log what begins, and that it continues: first after ten seconds, later each minute.

    A line of the log and no spinner: during a run the terminal is Dagster's.
    """
    log.info("%s", what)
    with _repeated(log, what, _time_since(time.monotonic()), SECONDS_BETWEEN_LINES):
        yield


@contextmanager
def followed(
    log: logging.Logger, what: str, how_far: Callable[[], str] | None = None
) -> Iterator[None]:
    """Log how far work is: first after two seconds, later each minute."""
    describe = how_far or _time_since(time.monotonic())
    with _repeated(log, what, describe, SECONDS_WITHOUT_A_LINE):
        yield


def _time_since(started: float) -> Callable[[], str]:
    return lambda: f"{time.monotonic() - started:.0f} s so far"


@contextmanager
def _repeated(
    log: logging.Logger, what: str, how_far: Callable[[], str], seconds_before: float
) -> Iterator[None]:
    """Write a line after some seconds, and again at growing intervals, until the block ends."""
    over = threading.Event()

    def repeat() -> None:
        wait = seconds_before
        while not over.wait(wait):
            log.info("%s: %s", what, how_far())
            wait = min(max(2 * wait, SECONDS_BETWEEN_LINES), MOST_SECONDS_BETWEEN_LINES)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def each(log: logging.Logger, what: str, items: Sequence[_T]) -> Iterator[_T]:
    """Yield items, and log how many are done."""
    last_line_at = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last_line_at >= SECONDS_WITHOUT_A_LINE:
            log.info("%s: %d of %d", what, done, len(items))
            last_line_at = time.monotonic()
        yield item
