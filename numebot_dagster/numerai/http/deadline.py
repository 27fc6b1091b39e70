"""Bound work by a moment of the monotonic clock, however often it is tried again."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A moment by which work must have ended.

    Attributes:
        at: the moment, in seconds of the monotonic clock.
        seconds: how much time was given in all.
        purpose: what the time was given for, as errors name it.
    """

    at: float
    seconds: float
    purpose: str = "this call"

    @classmethod
    def after(cls, seconds: float, purpose: str = "this call") -> Deadline:
        """Return the deadline that is `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds, purpose)

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(self.at - time.monotonic(), 0.0)

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return self.left == 0.0

    def earlier(self, other: Deadline | None) -> Deadline:
        """Return the one of two deadlines that comes first."""
        return other if other is not None and other.at < self.at else self

    def __str__(self) -> str:
        return f"{self.purpose} may take {self.seconds:.3g} s"
