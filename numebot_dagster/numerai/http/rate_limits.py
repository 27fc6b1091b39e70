"""Keep to Numerai's limits on calls, together with all other processes of a data folder.

Numerai counts calls by operation and IP address in a sliding window and refuses what is beyond its
limit. The calls of the last minutes stand in a small file that all processes share. Where it cannot
be written, as on a full disk, each process keeps to the limits by itself.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from numebot_dagster.lake import json_records
from numebot_dagster.lake.damaged import DamagedFile
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.numerai.http.deadline import Deadline


@dataclass(frozen=True)
class Limit:
    """At most so many `calls` in a sliding window of so many `seconds`."""

    calls: int
    seconds: float


# Numerai's own answer to `graphqlRateLimits` of July 2026, for the operations that are used here.
LIMITS = {
    "account": Limit(1000, 60.0),
    "apiTokenInfo": Limit(100, 60.0),
    "createDiagnostics": Limit(5, 60.0),
    "createSubmission": Limit(500, 60.0),
    "dataset": Limit(200, 60.0),
    "diagnostics": Limit(50, 60.0),
    "diagnosticsUploadAuth": Limit(50, 600.0),
    "latestCurrencyPrice": Limit(100, 60.0),
    "latestNmrPrice": Limit(100, 60.0),
    "listDatasets": Limit(10, 60.0),
    "model": Limit(500, 60.0),
    "pendingModelPayouts": Limit(100, 60.0),
    "pipelineStatus": Limit(20, 60.0),
    "roundDetails": Limit(100, 60.0),
    "rounds": Limit(250, 60.0),
    "submissionDownloadAuth": Limit(100, 60.0),
    "submissionScores": Limit(300, 60.0),
    "submissionUploadAuth": Limit(1000, 60.0),
    "submissions": Limit(100, 60.0),
    "v2Leaderboard": Limit(200, 60.0),
    "v2RoundModelPerformances": Limit(500, 60.0),
    "v3StakeClaim": Limit(120, 60.0),
    "v3UserProfile": Limit(300, 60.0),
}

# The rest is left to the user's other programs at the same address, and to Numerai's site.
SHARE = 0.8
# What has no deadline, such as collecting scores, leaves a part to a round that is being played.
SHARE_WITHOUT_DEADLINE = 0.6
# A limit of fewer calls than this cannot be shared.
FEW_CALLS = 20
WORTH_SAYING = 2.0  # seconds of waiting
DEFAULT_PAUSE = 1.0  # seconds, after a refusal that does not say how long
LONGEST_PAUSE = 120.0  # seconds, whatever the refusal asks for: no header stops us for good
LOCK_PATIENCE = 1.0  # seconds
CLOCK_JUMP = 60.0  # seconds by which a clock must have been moved to count as moved


@dataclass
class _Book:
    """The calls that still count.

    Attributes:
        calls: when each operation was called, in seconds of the machine's monotonic clock.
        closed: until when an operation that Numerai refused is not called, on the same clock.
        offset: Numerai's clock minus that clock, to notice when a practice tournament is moved.
    """

    calls: dict[str, list[float]] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)
    offset: float | None = None

    def wait(self, counts: Counter[str], share: float, now: float) -> tuple[float, str]:
        """Return how long these calls must wait, and which operation makes them wait."""
        waits = [(self._wait_for(name, count, share, now), name) for name, count in counts.items()]
        return max(waits, default=(0.0, ""))

    def _wait_for(self, name: str, count: int, share: float, now: float) -> float:
        closed = max(self.closed.get(name, 0.0) - now, 0.0)
        limit = LIMITS.get(name)
        if limit is None:
            return closed
        recent = sorted(at for at in self.calls.get(name, ()) if at > now - limit.seconds)
        self.calls[name] = recent
        surplus = len(recent) + count - allowed(limit, share)
        if surplus <= 0 or not recent:  # more calls than are allowed wait for an empty window
            return closed
        frees = recent[min(surplus, len(recent)) - 1] + limit.seconds - now
        return max(frees, closed)

    def note(self, counts: Counter[str], now: float) -> None:
        """Count these calls."""
        for name, count in counts.items():
            if name in LIMITS:
                self.calls.setdefault(name, []).extend([now] * count)

    def move(self, offset: float | None) -> None:
        """Let calls grow older by what Numerai's clock was moved ahead."""
        if offset is None:
            return
        jump = 0.0 if self.offset is None else offset - self.offset
        if self.offset is None or jump > CLOCK_JUMP:
            self.offset = offset
        if jump > CLOCK_JUMP:
            self.calls = {name: [at - jump for at in ats] for name, ats in self.calls.items()}
            self.closed = {name: at - jump for name, at in self.closed.items()}

    @classmethod
    def from_json(cls, content: bytes) -> _Book:
        """Read a stored book; one that is damaged, or older than the last boot, is empty."""
        try:
            book: _Book = json_records.parse(content, _Book)
        except DamagedFile:
            return cls()
        newest = max((at for ats in book.calls.values() for at in ats), default=0.0)
        return cls() if newest > time.monotonic() else book


def allowed(limit: Limit, share: float) -> int:
    """Return how many calls of a window are ours."""
    return max(int(limit.calls * (SHARE if limit.calls <= FEW_CALLS else share)), 1)


class Budget:
    """The calls that may still be made. Safe to share between threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Of this process, where no file can be shared, or none can be written, as on a full disk.
        self._own = _Book()
        self._is_unwritten = False
        self._lock = threading.Lock()

    def take(
        self,
        operations: Sequence[str],
        deadline: Deadline,
        *,
        share: float = SHARE,
        offset: float | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        """Wait until these operations may be called, and count them.

        Raises:
            NumeraiUnavailable: when they may not be called before the deadline.
        """
        counts = Counter(operations)
        said = False
        while counts:
            with self._opened() as book:
                now = time.monotonic()
                book.move(offset)
                wait, name = book.wait(counts, share, now)
                if wait <= 0:
                    book.note(counts, now)
                    return
            if wait >= deadline.left:
                raise NumeraiUnavailable(
                    f"Numerai's limit on {name} leaves no call for another {math.ceil(wait)} s"
                )
            if wait >= WORTH_SAYING and log is not None and not said:
                log.info("%s: waiting %d s, to keep to Numerai's limit", name, math.ceil(wait))
                said = True
            time.sleep(wait)

    def close(self, operations: Sequence[str], seconds: float | None) -> None:
        """Keep all processes from calling what Numerai has just refused for being too much."""
        pause = DEFAULT_PAUSE if seconds is None else min(seconds, LONGEST_PAUSE)
        until = time.monotonic() + pause
        with self._opened() as book:
            for name in operations:
                book.closed[name] = max(until, book.closed.get(name, 0.0))

    @contextmanager
    def _opened(self) -> Iterator[_Book]:
        """Yield the shared book, to be written back at the end; our own where it cannot be had."""
        with self._lock:
            descriptor = self._open_locked()
            if descriptor is None:
                yield self._own
                return
            try:
                if not self._is_unwritten:
                    self._own = _Book.from_json(_read(descriptor))
                yield self._own
                self._is_unwritten = not _rewrite(
                    descriptor, json_records.dump(self._own, indent=None)
                )
            finally:
                os.close(descriptor)

    def _open_locked(self) -> int | None:
        try:
            self._path.parent.mkdir(exist_ok=True)  # not the data folder itself
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:
            return None
        until = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except OSError:
                if time.monotonic() > until:  # its holder was stopped: nobody waits for that
                    os.close(descriptor)
                    return None
            time.sleep(0.01)


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _rewrite(descriptor: int, content: bytes) -> bool:
    """Replace what a file holds; return whether all was written. No buffer fails at closing."""
    try:
        os.ftruncate(descriptor, len(content))
        return os.pwrite(descriptor, content, 0) == len(content)
    except OSError:
        return False


_budgets: dict[Path, Budget] = {}
_budgets_lock = threading.Lock()


def shared_budget(path: Path) -> Budget:
    """Return the one budget of this process for a file."""
    with _budgets_lock:
        return _budgets.setdefault(path, Budget(path))
