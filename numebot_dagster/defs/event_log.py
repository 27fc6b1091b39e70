"""Let a run go on when Dagster cannot store what happens in it.

Where an event cannot be stored, on a full disk or in a damaged database, the event is lost and the
run is not.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from numebot_dagster.defs.logs import say

STORAGE_ERRORS = (SQLAlchemyError, sqlite3.Error, OSError)
"""What Dagster's storage raises when its disk or its files fail."""

# Each failing write costs SQLite's retries: a run of a hundred events would take minutes longer.
PAUSE_SECONDS = 10.0


class _TolerantStore:
    """Store events of an instance; leave out those that cannot be stored, and warn once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._store = instance.handle_new_event
        self._paused_until = 0.0
        self._has_warned = False
        self._lock = threading.Lock()

    def __call__(self, event: dg.EventLogEntry, **more: Any) -> None:
        is_of_run = event.dagster_event is not None and event.dagster_event.is_job_event
        if time.monotonic() < self._paused_until and not is_of_run:
            return
        try:
            self._store(event, **more)
        except Exception as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            self._warn_once(error)

    def _warn_once(self, error: Exception) -> None:
        with self._lock:
            has_warned, self._has_warned = self._has_warned, True
        if not has_warned:
            say(
                f"warning: Dagster cannot record this run ({cause(error)}). It goes on, but the UI "
                "shows only part of it."
            )


def tolerate_lost_events(instance: dg.DagsterInstance) -> None:
    """Let runs of an instance go on when an event of theirs cannot be stored."""
    if not isinstance(instance.handle_new_event, _TolerantStore):
        instance.handle_new_event = _TolerantStore(instance)  # type: ignore[method-assign]


def cause(error: BaseException) -> str:
    """Return a storage error on one line, without the SQL statement and its values."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__
