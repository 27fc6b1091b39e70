"""Recognise who has logged in by a signed cookie."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable

LIFETIME = 7 * 24 * 60 * 60
"""Seconds for which a session lasts."""


class Sessions:
    """Signs cookies with a key that is kept in memory: a restart ends all sessions.

    Args:
        clock: tells seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._ended: set[str] = set()

    def begin(self) -> str:
        """Return the cookie of a new session."""
        return self._signed(f"{secrets.token_urlsafe(16)}.{self._clock() + LIFETIME:.0f}")

    def is_open(self, cookie: str) -> bool:
        """Return whether a cookie is of a session that has neither expired nor been ended."""
        session = _session_of(cookie)
        if not hmac.compare_digest(cookie.encode(), self._signed(session).encode()):
            return False
        _, _, expiry = session.rpartition(".")
        return session not in self._ended and self._clock() < int(expiry)

    def end(self, cookie: str) -> None:
        """End the session of a cookie, wherever else the cookie may be."""
        if self.is_open(cookie):
            self._ended.add(_session_of(cookie))

    def _signed(self, session: str) -> str:
        return f"{session}.{hmac.digest(self._key, session.encode(), 'sha256').hex()}"


def _session_of(cookie: str) -> str:
    return cookie.rpartition(".")[0]
