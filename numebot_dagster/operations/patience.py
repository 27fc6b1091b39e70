"""Long work that would else be silent: a line now and then says that it goes on."""

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
def told(log: logging.Logger, what: str) -> Iterator[None]:
    """Say what begins, and that it goes on: first after ten seconds, later each minute.

    A line of the log and no spinner: while a run lasts, Dagster takes the terminal away.

    Args:
        log: where it is said.
        what: is being done, as `steady-1: scoring 40 eras`.
    """
    log.info("%s", what)
    with _repeated(log, what, _time_since(time.monotonic()), SECONDS_BETWEEN_LINES):
        yield


@contextmanager
def followed(
    log: logging.Logger, what: str, how_far: Callable[[], str] | None = None
) -> Iterator[None]:
    """Say now and then how far work is: first after two seconds, later each minute.

    Args:
        log: where it is said.
        what: is being done, as `Downloading v5.3/live.parquet`.
        how_far: describes it; by default it is how long the work has gone on.
    """
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
    """Yield items, and say now and then how many are done.

    Args:
        log: where it is said, once work has gone on for two seconds without a line.
        what: is done with them, as `Reading the scores of models`.
        items: in their order.
    """
    last_line_at = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last_line_at >= SECONDS_WITHOUT_A_LINE:
            log.info("%s: %d of %d", what, done, len(items))
            last_line_at = time.monotonic()
        yield item
