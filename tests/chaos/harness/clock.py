"""Move the practice tournament's clock where the participant would wait.

Back-offs, retry pauses and the deadlines of a call all follow one clock in a run of the chaos run:
who sleeps moves that clock, and the tournament's with it, and waits for a small part of the time
only, so that what happens by wall time at the tournament still has its turn. Two that sleep at the
same time move it once. While the tournament does not answer, its clock cannot be moved: then the
wait is a real one.
"""

from __future__ import annotations

import importlib
import threading
import time
from typing import Any

# Where the product waits, or measures how long it has waited. Budgets of workers are not among
# them: a model computes in real time. Nor is the wait for a registration whose answer was lost: the
# request of a killed run is still with the tournament, for real seconds.
CLOCKED = (
    "tenacity",
    "tenacity.nap",
    "numebot_dagster.numerai.http.deadline",
    "numebot_dagster.numerai.http.pacing",
    "numebot_dagster.numerai.http.transport",
    "numebot_dagster.operations.rounds.playing",
    "numebot_dagster.operations.rounds.acceptance",
)
SPEED = 40.0


class MovedTime:
    """The module `time`, except that sleeping moves the clock."""

    def __init__(self, url: str) -> None:
        from numebot_dagster.practice.controls import Controls

        self._controls = Controls(url)
        self._ahead = 0.0
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """Return what the module has."""
        return getattr(time, name)

    def monotonic(self) -> float:
        """Return the seconds on the moved clock."""
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Move the clock by so many seconds, unless another sleeper has moved it meanwhile."""
        end = self.monotonic() + seconds
        time.sleep(seconds / SPEED)
        with self._lock:
            left = end - self.monotonic()
            is_moved = left <= 0 or self._move(left)
        if not is_moved:
            time.sleep(left)

    def _move(self, seconds: float) -> bool:
        import requests

        from numebot_dagster.practice.rules.clock import Refused

        try:
            self._controls.advance(hours=seconds / 3600)
        except (Refused, requests.RequestException):
            return False
        self._ahead += seconds
        return True


def install(url: str) -> None:
    """Let the product of this process wait by the clock of the tournament at an address."""
    moved = MovedTime(url)
    for name in CLOCKED:
        importlib.import_module(name).time = moved  # type: ignore[attr-defined]
