"""Say once why calls to Numerai are tried again, and now and then how much longer."""

from __future__ import annotations

import logging
import threading
import time

SECONDS_BETWEEN_LINES = 30.0
SAME_CAUSE = 300.0  # seconds after which a cause is another one with the same words


class RetryLines:
    """The lines of the log about retries of all threads: a line for a new cause, not for each try.

    While one cause lasts, a line every half minute gives the time that is left; another one
    follows when Numerai answers again.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._cause: str | None = None
        self._said_at = 0.0

    def retried(self, cause: str, left: float) -> None:
        """Take note of a try that failed."""
        with self._lock:
            now = time.monotonic()
            is_new = cause != self._cause or now - self._said_at > SAME_CAUSE
            if not is_new and now - self._said_at < SECONDS_BETWEEN_LINES:
                return
            self._cause, self._said_at = cause, now
        goes_on = "trying again for another" if is_new else "still failing; trying for another"
        self._log.warning("%s; %s %.0f s", cause, goes_on, left)

    def answered(self) -> None:
        """Take note of a call that succeeded."""
        with self._lock:
            cause, self._cause = self._cause, None
        if cause is not None:
            self._log.info("Numerai answers again")
