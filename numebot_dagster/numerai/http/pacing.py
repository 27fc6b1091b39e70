"""Try a call to Numerai again, with pauses, until its deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.error_translation import PassingFault

if TYPE_CHECKING:
    from tenacity import RetryCallState

_T = TypeVar("_T")

_FIRST_WAIT = 0.5  # seconds; doubles with each try
_LONGEST_WAIT = 20.0


OnRetry = Callable[[NumeraiUnavailable, float], None]


def _silently(fault: NumeraiUnavailable, left: float) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Patience:
    """How long one call with all its retries may take, in seconds.

    Attributes:
        deadline: seconds from the first try to the last answer.
        on_retry: gets, before each further try, the fault of the last one and the seconds that
            are left.
    """

    deadline: float
    on_retry: OnRetry = _silently

    def persist(
        self,
        attempt: Callable[[Deadline], _T],
        *,
        until: Deadline | None = None,
        repeatable: bool = True,
    ) -> _T:
        """Call `attempt` until it ends without a passing fault, or the deadline has come.

        Args:
            attempt: is given the deadline of all tries together.
            until: the deadline of what this call is a part of, if that has one.
            repeatable: whether doing it twice is harmless; if not, only those faults are retried
                after which the server cannot have acted.

        Raises:
            NumeraiUnavailable: the last fault, with the name of the deadline that ended it.
        """
        from tenacity import Retrying, retry_if_exception

        if until is not None and until.has_passed:
            raise NumeraiUnavailable(f"Numerai was not asked: {until}, and that time is over")
        tries = _Tries(Deadline.after(self.deadline).earlier(until), self.on_retry, repeatable)
        retrying = Retrying(
            stop=lambda _: tries.are_over,
            wait=tries.wait,
            retry=retry_if_exception(tries.may_retry),
            before_sleep=tries.tell,
            reraise=True,
        )
        try:
            return retrying(lambda: attempt(tries.deadline))
        except PassingFault as fault:
            if until is None or tries.deadline is not until:
                raise
            raise fault.explained(f"{until}") from None


class _Tries:
    """The tries of one call."""

    def __init__(self, deadline: Deadline, on_retry: OnRetry, repeatable: bool) -> None:
        self.deadline, self._on_retry, self._repeatable = deadline, on_retry, repeatable
        # What the last try needs: no wait eats it up.
        self._margin = min(1.0, deadline.left / 10)

    @property
    def are_over(self) -> bool:
        return self.deadline.left <= self._margin

    def may_retry(self, error: BaseException) -> bool:
        if not isinstance(error, PassingFault):
            return False
        if error.throttled and (error.retry_after or 0.0) >= self.deadline.left:
            return False  # it would only be refused again
        return self._repeatable or not error.arrived

    def tell(self, state: RetryCallState) -> None:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingFault):
            self._on_retry(fault, self.deadline.left)

    def wait(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        # Full jitter: fifty models that failed together do not come back together.
        pause = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)(state)
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingFault) and fault.retry_after is not None:
            pause = max(pause, fault.retry_after)
        return max(min(pause, self.deadline.left - self._margin), 0.0)
