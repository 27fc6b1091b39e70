"""How fast and how stubbornly Numerai is asked, and what time it is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.numerai.faults import PassingFault

if TYPE_CHECKING:
    from tenacity import RetryCallState

_T = TypeVar("_T")

_FIRST_WAIT = 0.5  # seconds; doubles with each try
_LONGEST_WAIT = 20.0


class TokenBucket:
    """At most `rate` calls a second on average and `burst` at once, over all threads."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._filled_at = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Waits until a call may be made; who comes first goes first."""
        with self._lock:
            now = time.monotonic()
            refilled = self._tokens + (now - self._filled_at) * self._rate
            # Below zero the bucket is in debt: each further caller waits for its own token.
            self._tokens, self._filled_at = min(self._burst, refilled) - 1, now
            wait = -self._tokens / self._rate
        if wait > 0:
            time.sleep(wait)


_buckets: dict[tuple[str, float, int], TokenBucket] = {}
_buckets_lock = threading.Lock()


def shared_bucket(endpoint: str, rate: float, burst: int) -> TokenBucket:
    """The one bucket of this process for an endpoint."""
    with _buckets_lock:
        return _buckets.setdefault((endpoint, rate, burst), TokenBucket(rate, burst))


class ServerClock:
    """The server's time, from the `Date` header of its newest answer; exact to about a second.

    Between answers it runs by the monotonic clock, so that a local clock that is set does not
    move it. Before the first answer it is the local clock.
    """

    def __init__(self) -> None:
        self._reference: tuple[datetime, float] | None = None

    def observe(self, date_header: str | None) -> None:
        """Takes the `Date` of an answer that has just arrived; one that is no date is ignored."""
        try:
            moment = parsedate_to_datetime(date_header or "")
        except ValueError:
            return
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self._reference = (aware.astimezone(UTC), time.monotonic())

    def now(self) -> datetime:
        """The server's time as aware UTC."""
        if self._reference is None:
            return datetime.now(UTC)
        moment, measured_at = self._reference
        return moment + timedelta(seconds=time.monotonic() - measured_at)

    @property
    def skew(self) -> timedelta | None:
        """How far the server is ahead of the local clock; unknown before the first answer."""
        return None if self._reference is None else self.now() - datetime.now(UTC)


OnRetry = Callable[[NumeraiUnavailable, float], None]


def _silently(fault: NumeraiUnavailable, left: float) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Patience:
    """How long one call with all its retries may take, in seconds.

    Attributes:
        deadline: seconds from the first try to the last answer.
        on_retry: is told before each further try what the last one failed with, and how many
            seconds are left.
    """

    deadline: float
    on_retry: OnRetry = _silently

    def persist(self, attempt: Callable[[float], _T], *, repeatable: bool = True) -> _T:
        """Calls `attempt` until it ends without a passing fault, or the deadline has come.

        Args:
            attempt: is given the seconds that are left.
            repeatable: whether doing it twice is harmless; if not, only those faults are retried
                after which the server cannot have acted.

        Raises:
            NumeraiUnavailable: the last fault.
        """
        from tenacity import Retrying, retry_if_exception

        started = time.monotonic()

        def may_retry(error: BaseException) -> bool:
            return isinstance(error, PassingFault) and (repeatable or not error.arrived)

        retrying = Retrying(
            stop=lambda state: self._left(state) <= self._margin,
            wait=self._wait,
            retry=retry_if_exception(may_retry),
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(lambda: attempt(max(started + self.deadline - time.monotonic(), 0.05)))

    @property
    def _margin(self) -> float:
        """What the last try needs: no wait eats it up."""
        return min(1.0, self.deadline / 10)

    def _tell(self, state: RetryCallState) -> None:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingFault):
            self.on_retry(fault, self._left(state))

    def _left(self, state: RetryCallState) -> float:
        return self.deadline - (state.seconds_since_start or 0.0)

    def _wait(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        # Full jitter: fifty models that failed together do not come back together.
        wanted = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)(state)
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingFault) and fault.retry_after is not None:
            wanted = max(wanted, fault.retry_after)
        return max(min(wanted, self._left(state) - self._margin), 0.0)
