"""Long work that would else be silent: a line now and then says that it goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 10.0


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
