"""Measure memory: the peak of this process, and the present sum of a tree of processes."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_PAUSE_PER_COST = 20  # how many times longer than a look at shared pages is the pause after it
_GROWTH = 1.1  # of the resident size since that look, which ends the pause
_LOOK_EVERY = 0.5  # seconds; looking for descendants reads all processes of the machine


def reset_peak() -> None:
    """Start a new measurement of the peak, where the system can (Linux)."""
    with suppress(OSError):
        _CLEAR.write_text("5")


def peak_memory_mb() -> float:
    """Return the highest resident size of this process in MB (10^6 bytes) since the last reset."""
    if _STATUS.exists():
        lines = _STATUS.read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _proportional_bytes(process: psutil.Process) -> int:
    """Return the proportional set size of a process, where the system has it (Linux)."""
    import psutil

    with suppress(psutil.AccessDenied, AttributeError):
        return int(process.memory_full_info().pss)
    return int(process.memory_info().rss)


class ProcessTree:
    """A process with its descendants, whose memory is asked for many times a second."""

    def __init__(self, process_id: int) -> None:
        import psutil

        self._root = psutil.Process(process_id)
        self._descendants: list[psutil.Process] = []
        self._looked_at = 0.0
        self._weighed_again_at = 0.0
        self._weighed_resident = 0

    def uses_more_than(self, limit: float) -> bool:
        """Return whether all use more than `limit` bytes, pages that they share counted once.

        Resident sizes are quickly read and never too small, so only where their sum passes the
        limit are the shared pages looked for. While their sum hardly grows, that is not done so
        often that it costs more than a twentieth of a processor.
        """
        resident = self.resident_bytes()
        if resident <= limit:
            return False
        start = time.monotonic()
        if start < self._weighed_again_at and resident < _GROWTH * self._weighed_resident:
            return False
        self._weighed_resident = resident
        used = self.proportional_bytes()
        now = time.monotonic()
        self._weighed_again_at = now + _PAUSE_PER_COST * (now - start)
        return used > limit

    def proportional_bytes(self) -> int:
        """Return the memory of all, each shared page counted once, or resident if unknown."""
        import psutil

        total = 0
        for process in (self._root, *self._descendants):
            with suppress(psutil.NoSuchProcess):
                total += _proportional_bytes(process)
        return total

    def resident_bytes(self) -> int:
        """Return the resident size of all; pages that they share count for each."""
        import psutil

        if time.monotonic() - self._looked_at > _LOOK_EVERY:
            self.descendants()
        total = 0
        for process in (self._root, *self._descendants):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def descendants(self) -> list[psutil.Process]:
        """Return the descendants that live now; of a process that has ended, the last ones seen."""
        import psutil

        self._looked_at = time.monotonic()
        with suppress(psutil.NoSuchProcess):
            self._descendants = self._root.children(recursive=True)
        return self._descendants

    def kill_descendants(self) -> None:
        """Kill the descendants, even those that left the process group."""
        import psutil

        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                process.kill()
