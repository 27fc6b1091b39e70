"""Compute the tournament's calendar from dates, and keep the clock that it runs by.

Five rounds a week: Tuesday to Friday 12:00 to 13:00 UTC, Saturday 12:00 to Sunday 14:00 UTC. Scores
are published on the same five days, so that one round opens on every publication day and the days
of the calendar can be counted in rounds: day `k` of round `n` is published on the day on which
round `n + 3 + k` opens. There are no holidays in this calendar.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from time import monotonic
from time import time as wall_time

PRACTICE_START = datetime(2026, 6, 1, tzinfo=UTC)
SCORE_DAYS = 60
# Day 1 appears 4 business days after the close: 2 days of lag, 2 until the data are known.
DAYS_BEFORE_FIRST_SCORE = 4

# Round 1343 opened on Friday 2026-08-28; numbers run on by five a week without holiday gaps.
_ANCHOR_MONDAY = date(2026, 8, 24)
_ANCHOR_TUESDAY_NUMBER = 1340
_OPENING = time(12, tzinfo=UTC)
_WEEKDAY_CLOSE = time(13, tzinfo=UTC)
_SUNDAY_CLOSE = time(14, tzinfo=UTC)
_PUBLICATION = time(10, tzinfo=UTC)
_RESOLUTION = time(20, tzinfo=UTC)
_SATURDAY = 5


class Refused(Exception):
    """The tournament refuses what was asked; the text says why and what to do instead."""


class RoundStatus(StrEnum):
    """Where a round is in its life, as the API names it."""

    UPCOMING = "UPCOMING"
    OPEN = "OPEN"
    RESOLVING = "RESOLVING"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, order=True)
class Round:
    """One round of the calendar, known by its number alone; all instants are UTC.

    Attributes:
        score_days: For how many business days it is scored, as its rules say.
        closes: The on-time deadline when it is not that of the calendar.
        opens: The opening when it is not that of the calendar.
    """

    number: int
    score_days: int = field(default=SCORE_DAYS, compare=False)
    closes: datetime | None = field(default=None, compare=False)
    opens: datetime | None = field(default=None, compare=False)

    @property
    def opened(self) -> date:
        """The UTC day on which the round opens."""
        weeks, weekday = divmod(self.number - _ANCHOR_TUESDAY_NUMBER, 5)
        return _ANCHOR_MONDAY + timedelta(days=7 * weeks + weekday + 1)

    @property
    def open_time(self) -> datetime:
        """The instant from which predictions are on time."""
        return self.opens or datetime.combine(self.opened, _OPENING)

    @property
    def close_staking_time(self) -> datetime:
        """The on-time deadline, the first instant that is too late."""
        if self.closes is not None:
            return self.closes
        if self.opened.weekday() == _SATURDAY:
            return datetime.combine(self.opened + timedelta(days=1), _SUNDAY_CLOSE)
        return datetime.combine(self.opened, _WEEKDAY_CLOSE)

    @property
    def close_time(self) -> datetime:
        """The end of late submissions: the next round's opening."""
        return Round(self.number + 1).open_time

    @property
    def resolve_time(self) -> datetime:
        """When the final score counts: `score_days` + 3 business days after the round."""
        last = self.publication(self.score_days).date()
        monday = last + timedelta(days=2) if last.weekday() == _SATURDAY else last
        return datetime.combine(monday, _RESOLUTION)

    @property
    def data_datestamp(self) -> int:
        """The business day before the round opens, whose data it uses, as YYYYMMDD."""
        return int((self.opened - timedelta(days=1)).strftime("%Y%m%d"))

    def publication(self, day: int) -> datetime:
        """Return when the scores of `day` (from 1) are published."""
        later = Round(self.number + DAYS_BEFORE_FIRST_SCORE - 1 + day)
        return datetime.combine(later.opened, _PUBLICATION)

    def scored_days(self, now: datetime) -> int:
        """Return how many scoring days are published by `now`, 0 to all."""
        newest = newest_published(now).number - self.number - (DAYS_BEFORE_FIRST_SCORE - 1)
        return min(max(newest, 0), self.score_days)

    def status(self, now: datetime) -> RoundStatus:
        """Return the round's status at `now`."""
        if now < self.open_time:
            return RoundStatus.UPCOMING
        if now < self.close_staking_time:
            return RoundStatus.OPEN
        return RoundStatus.RESOLVING if now < self.resolve_time else RoundStatus.RESOLVED


def round_on(day: date) -> Round | None:
    """Return the round that opens on `day`, or None on Sundays and Mondays."""
    weeks, weekday = divmod((day - _ANCHOR_MONDAY).days, 7)
    if not 1 <= weekday <= _SATURDAY:
        return None
    return Round(_ANCHOR_TUESDAY_NUMBER + 5 * weeks + weekday - 1)


def _newest_by(now: datetime, hour: time) -> Round:
    """Return the newest round on whose opening day `hour` has come."""
    for days in range(4):
        day = (now - timedelta(days=days)).date()
        round_ = round_on(day)
        if round_ is not None and datetime.combine(day, hour) <= now:
            return round_
    raise AssertionError(f"no round in the four days before {now}")


def newest_opened(now: datetime) -> Round:
    """Return the newest round that has opened by `now`."""
    return _newest_by(now, _OPENING)


def newest_published(now: datetime) -> Round:
    """Return the round that opens on the newest publication day; the day may be today."""
    return _newest_by(now, _PUBLICATION)


def next_publication(now: datetime) -> datetime:
    """Return the first instant after `now` at which scores are published."""
    return datetime.combine(Round(newest_published(now).number + 1).opened, _PUBLICATION)


def last_publication(now: datetime) -> datetime:
    """Return the newest instant up to `now` at which scores were published."""
    return datetime.combine(newest_published(now).opened, _PUBLICATION)


@dataclass(frozen=True)
class Pace:
    """A round every few minutes: wall time while its window is open, fast forward afterwards.

    Attributes:
        first: The round that is open when the pace begins.
        began: When that was, in seconds of wall time.
        seconds: Between two openings, of which the window is open for the first three fifths.
    """

    first: int
    began: float
    seconds: float

    @property
    def window(self) -> timedelta:
        """How long the window of a round is open."""
        return timedelta(seconds=0.6 * self.seconds)

    def at(self, wall: float) -> datetime:
        """Return the tournament's instant at a second of wall time."""
        opened, passed = divmod(max(wall - self.began, 0.0), self.seconds)
        start = Round(self.first + int(opened))
        window = self.window.total_seconds()
        if passed < window:
            return start.open_time + timedelta(seconds=passed)
        closed = start.open_time + self.window
        share = (passed - window) / (self.seconds - window)
        return closed + share * (Round(start.number + 1).open_time - closed)


class Clock:
    """The tournament's time: the wall clock, or one that stands still until it is advanced.

    Args:
        store: Where the clock is kept between runs; the keys `clock`, `now` and `pace` are
            its own.
    """

    def __init__(self, store: MutableMapping[str, str]) -> None:
        self._store = store
        self._moved = timedelta()

    @cached_property
    def is_real(self) -> bool:
        """Whether the clock moves by itself, which never changes."""
        return self._store["clock"] in ("real", "paced")

    @cached_property
    def pace(self) -> Pace | None:
        """How fast rounds follow each other when the calendar is played in minutes."""
        if self._store["clock"] != "paced":
            return None
        first, began, seconds = self._store["pace"].split()
        return Pace(int(first), float(began), float(seconds))

    def deadline(self, round_: Round) -> datetime | None:
        """Return the on-time deadline that the pace gives a round; None for the calendar's."""
        return None if self.pace is None else round_.open_time + self.pace.window

    def now(self) -> datetime:
        """Return the tournament's present instant, in UTC."""
        if self.pace is not None:
            return self.pace.at(wall_time())
        if self.is_real:
            return datetime.now(UTC)
        return datetime.fromisoformat(self._store["now"])

    def seconds(self) -> float:
        """Return seconds that never go back: real ones, and those by which the clock was moved."""
        if self.pace is not None:  # moves itself forward between two windows
            return self.now().timestamp()
        return monotonic() + self._moved.total_seconds()

    def advance_to(self, instant: datetime) -> datetime:
        """Move a clock that stands still forward.

        Raises:
            Refused: The clock is real, or `instant` lies in the past or has no time zone.
        """
        if self.is_real:
            raise Refused("this practice tournament's clock moves by itself and cannot be advanced")
        if instant.tzinfo is None:
            raise Refused(f"{instant.isoformat()} has no time zone; write it with a trailing Z")
        now = self.now()
        if instant < now:
            raise Refused(
                f"the clock stands at {now:%Y-%m-%dT%H:%M:%SZ} and cannot go back to "
                f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}; serve a new folder instead"
            )
        self._store["now"] = instant.astimezone(UTC).isoformat()
        self._moved += instant - now
        return self.now()


def midnight(instant: datetime) -> datetime:
    """Return the start of an instant's UTC day, as the API dates scores."""
    return datetime.combine(instant.date(), time(0, tzinfo=UTC))
