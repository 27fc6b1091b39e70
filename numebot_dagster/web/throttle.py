"""Slow down the guessing of a password."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from numebot_dagster.web.addresses import LOOPBACK

SECONDS_REMEMBERED = 60 * 60
MOST_RECOGNIZED = 1000
_MOST_DOUBLINGS = 20


@dataclass(frozen=True)
class Limit:
    """How many attempts may fail at once, and the longest pause after further ones, in seconds."""

    free: int
    longest: float


# An attacker with many addresses must not keep the owner out for long.
BY_ADDRESS = Limit(free=5, longest=900)
IN_ALL = Limit(free=50, longest=30)


@dataclass
class _Failures:
    """Failed attempts, and the moment of the last one."""

    limit: Limit
    count: int = 0
    last: float = -math.inf

    def add(self, now: float) -> None:
        self.count = 1 if self.is_forgotten(now) else self.count + 1
        self.last = now

    def pause(self, now: float) -> float:
        """Return the seconds that are left of the pause, which doubles with each failure."""
        doublings = min(self.count - self.limit.free, _MOST_DOUBLINGS)
        return 0 if doublings < 0 else self.last + min(2.0**doublings, self.limit.longest) - now

    def is_forgotten(self, now: float) -> bool:
        return now - self.last > SECONDS_REMEMBERED


class Throttle:
    """Counts failed attempts by address and in all, and says how long to wait.

    This machine's own address has no part in the limit for all, nor has one from which the right
    password came: the owner comes in through a tunnel, or from where they came in before.

    Args:
        clock: tells seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_all = _Failures(IN_ALL)
        self._by_source: dict[str, _Failures] = {}
        self._recognized: dict[str, None] = {}  # the newest last

    def pause(self, address: str) -> int:
        """Return for how many whole seconds an address has to wait until its next attempt."""
        source, now = _source(address), self._clock()
        failures = self._by_source.get(source, _Failures(BY_ADDRESS))
        pause = failures.pause(now)
        if source != LOOPBACK and source not in self._recognized:
            pause = max(pause, self._in_all.pause(now))
        return max(0, math.ceil(pause))

    def failed(self, address: str) -> None:
        """Note a failed attempt."""
        source, now = _source(address), self._clock()
        self._in_all.add(now)
        self._by_source.setdefault(source, _Failures(BY_ADDRESS)).add(now)
        self._by_source = {
            source: failures
            for source, failures in self._by_source.items()
            if not failures.is_forgotten(now)
        }

    def recognize(self, address: str) -> None:
        """Note that the right password came from an address."""
        source = _source(address)
        self._recognized.pop(source, None)
        self._recognized[source] = None
        if len(self._recognized) > MOST_RECOGNIZED:
            del self._recognized[next(iter(self._recognized))]

    def forgive(self, address: str) -> None:
        """Forget the failed attempts of an address."""
        self._by_source.pop(_source(address), None)


def _source(address: str) -> str:
    """Return what counts as one address: for IPv6 a whole network, as a household has it.

    This machine has many, each of which a header of a proxy may name.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return LOOPBACK
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)
