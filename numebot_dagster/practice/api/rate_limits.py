"""Count calls by the rate limits that Numerai publishes: per operation, IP and sliding interval.

`rate_limits.csv` is the answer of Numerai's own query `graphqlRateLimits` in July 2026. A root
field is an operation: a request with two of them, or with the same under two aliases, counts twice.
"""

from __future__ import annotations

import csv
import math
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any


class Enforcement(StrEnum):
    """How the limits are enforced: as published, at half the rate, or not at all."""

    ON = "on"
    HALF = "half"
    OFF = "off"


@dataclass(frozen=True)
class RateLimit:
    """One row of the published table.

    Attributes:
        scope: What calls are counted by: `ip`, `account`, `email` or several of them.
        interval_ms: The length of the sliding interval in milliseconds.
        condition: When the limit applies, in words; empty for always.
    """

    operation: str
    operation_type: str
    scope: str
    limit_count: int
    interval_ms: int
    condition: str

    @property
    def seconds(self) -> float:
        """The length of the interval in seconds."""
        return self.interval_ms / 1000

    def halved(self) -> RateLimit:
        """Return the limit at half the rate; a single call waits for twice as long."""
        if self.limit_count == 1:
            return replace(self, interval_ms=2 * self.interval_ms)
        return replace(self, limit_count=self.limit_count // 2)


@dataclass(frozen=True)
class Excess:
    """A call that a limit does not allow yet."""

    limit: RateLimit
    retry_after: int

    def __str__(self) -> str:
        """Say which limit it is and when the next call is allowed."""
        limit = self.limit
        return (
            f"Rate limit exceeded for {limit.operation}: {limit.limit_count} calls in "
            f"{limit.seconds:g} seconds; retry in {self.retry_after} seconds"
        )


@cache
def published() -> tuple[RateLimit, ...]:
    """Return the published table."""
    source = resources.files(__package__).joinpath("rate_limits.csv").read_text(encoding="utf-8")
    return tuple(
        RateLimit(
            operation=row["operation"],
            operation_type=row["type"],
            scope=row["scope"],
            limit_count=int(row["limit"]),
            interval_ms=int(row["interval_ms"]),
            condition=row["condition"],
        )
        for row in csv.DictReader(source.splitlines())
    )


def rate_limit_fields(limit: RateLimit) -> dict[str, Any]:
    """Return a limit as the API shows it; a limit without a condition has null there."""
    return {
        "operation": limit.operation,
        "operationType": limit.operation_type,
        "scope": limit.scope,
        "limitCount": limit.limit_count,
        "intervalMs": limit.interval_ms,
        "condition": limit.condition or None,
    }


class Windows:
    """The calls that still count, by IP and operation; safe for several threads.

    Only limits by IP are counted: the others are of log-ins and support requests, which the
    practice tournament does not have.
    """

    def __init__(self, limits: Iterable[RateLimit]) -> None:
        self._limits: dict[str, list[RateLimit]] = defaultdict(list)
        for limit in limits:
            if limit.scope == "ip":
                self._limits[limit.operation].append(limit)
        self._calls: dict[tuple[str, RateLimit], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admit(self, ip: str, names: Iterable[str], now: float) -> Excess | None:
        """Count the calls of one request, or none of them if one is not allowed.

        Returns:
            The first limit that the request exceeds, or None when it was counted.
        """
        counts = Counter(names)
        with self._lock:
            windows = [
                (self._calls[ip, limit], limit, count)
                for name, count in counts.items()
                for limit in self._limits.get(name, ())
            ]
            for calls, limit, count in windows:
                while calls and calls[0] <= now - limit.seconds:
                    calls.popleft()
                surplus = len(calls) + count - limit.limit_count
                if surplus > 0:
                    # A request with more calls than the limit waits for an empty window.
                    frees = calls[min(surplus, len(calls)) - 1] if calls else now
                    return Excess(limit, max(math.ceil(frees + limit.seconds - now), 1))
            for calls, _, count in windows:
                calls.extend([now] * count)
        return None
