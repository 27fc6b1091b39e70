"""Long work that would else be silent: a line now and then says that it goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")

SECONDS_BETWEEN_LINES = 10.0
SECONDS_WITHOUT_A_LINE = 2.0


@contextmanager
def told(log: logging.Logger, what: str) -> Iterator[None]:
    """Says what begins, and every ten seconds that it goes on.

    A line of the log and no spinner: while a run lasts, Dagster takes the terminal away.

    Args:
        log: where it is said.
        what: is being done, as `steady-1: scoring 40 eras`.
    """
    over = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not over.wait(SECONDS_BETWEEN_LINES):
            log.info("%s: %.0f s so far", what, time.monotonic() - started)

    log.info("%s", what)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


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
