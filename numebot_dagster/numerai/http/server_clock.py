"""Tell Numerai's time from the `Date` headers of its answers, without believing each of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from numebot_dagster.numerai.parsing import parse_http_time
from numebot_dagster.numerai.records import Round

# Clocks that agree within this are the same clock, with the way between them.
TOLERANCE = timedelta(seconds=60)
# How long after its close the server may still call a round open.
LIST_LAG = timedelta(minutes=30)
DOUBT_PAUSE = 10.0  # seconds without a question after one about a time in doubt failed
# What no server can mean: the program is younger, or will be long gone.
FIRST_YEAR, LAST_YEAR = 2020, 2100


class ServerClock:
    """The server's time, from the `Date` header of its newest answer; exact to about a second.

    Between answers it runs by the monotonic clock, so that a local clock that is set does not
    move it. Before the first answer it is the local clock.

    A `Date` that is more than a minute off what the clock shows so far is in doubt: the local clock
    may be wrong, a practice tournament may have moved its clock, or a proxy may have put its own
    wrong time into the header. What decides is which time lies in a round that the server calls
    open: the `Date`, unless only the clock so far, or only the local clock, does. Safe to share
    between threads.
    """

    def __init__(self) -> None:
        self._believed: tuple[datetime, float] | None = None
        self._claimed: tuple[datetime, float] | None = None
        self._refused_skew: timedelta | None = None
        self._not_asked_until = 0.0  # on the monotonic clock
        self._lock = threading.RLock()

    def observe(self, date_header: str | None) -> None:
        """Take the `Date` of an answer that has just arrived; one that is no date is ignored."""
        moment = parse_http_time(date_header)
        if moment is None or not FIRST_YEAR <= moment.year < LAST_YEAR:
            return
        with self._lock:
            if abs(moment - self._so_far()) <= TOLERANCE:
                self._believed, self._claimed = (moment, time.monotonic()), None
            elif not self._is_refused(moment):
                self._claimed = (moment, time.monotonic())

    @property
    def asks(self) -> bool:
        """Whether the newest `Date` is far off what the clock showed, and it is time to ask.

        What is to be asked is which rounds are open; the answer goes to `judge`.
        """
        return self._claimed is not None and time.monotonic() >= self._not_asked_until

    def was_not_answered(self) -> None:
        """Note that the question about open rounds failed: the `Date` remains in doubt."""
        self._not_asked_until = time.monotonic() + DOUBT_PAUSE

    def judge(self, open_rounds: Sequence[Round]) -> None:
        """Decide whether a `Date` in doubt is believed.

        Args:
            open_rounds: what the server calls open; without any, the `Date` is believed.
        """
        with self._lock:
            if self._claimed is not None:
                self._decide(self._claimed, open_rounds)

    def _decide(self, claimed: tuple[datetime, float], open_rounds: Sequence[Round]) -> None:
        claim, local = _since(claimed), datetime.now(UTC)
        # What the clock said so far is the server's own time; the local clock may be slow.
        others = [] if self._believed is None else [(_since(self._believed), timedelta())]
        others.append((local, LIST_LAG))
        fitting = [
            moment
            for moment, lag in others
            if _is_in_any(moment, open_rounds) and not _is_in_any(claim, open_rounds, lag)
        ]
        if fitting:
            self._refused_skew = claim - local
            self._believed = (fitting[0], time.monotonic())
            logging.getLogger(__name__).warning(
                "Numerai's answers carry the time %s, which lies in none of the rounds that it "
                "calls open; %s, which does, is used instead",
                *(f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (claim, fitting[0])),
            )
        else:
            self._believed = claimed
        self._claimed = None

    def now(self) -> datetime:
        """Return the server's time as aware UTC."""
        with self._lock:
            return self._so_far() if self._claimed is None else _since(self._claimed)

    @property
    def skew(self) -> timedelta | None:
        """How far the server is ahead of the local clock; unknown before the first answer."""
        if self._believed is None and self._claimed is None:
            return None
        return self.now() - datetime.now(UTC)

    @property
    def offset(self) -> float | None:
        """The server's time minus the monotonic clock, in seconds, as far as it is believed."""
        with self._lock:
            believed = self._believed
        return None if believed is None else believed[0].timestamp() - believed[1]

    def _so_far(self) -> datetime:
        return datetime.now(UTC) if self._believed is None else _since(self._believed)

    def _is_refused(self, moment: datetime) -> bool:
        skew = moment - datetime.now(UTC)
        return self._refused_skew is not None and abs(skew - self._refused_skew) <= TOLERANCE


def _since(measured: tuple[datetime, float]) -> datetime:
    moment, at = measured
    return moment + timedelta(seconds=time.monotonic() - at)


def _is_in_any(moment: datetime, rounds: Sequence[Round], lag: timedelta = timedelta()) -> bool:
    return any(round_.open_time <= moment < round_.close_staking_time + lag for round_ in rounds)
