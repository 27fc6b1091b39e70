from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.practice.rules.clock import (
    Clock,
    Refused,
    Round,
    RoundStatus,
    last_publication,
    newest_opened,
    next_publication,
    round_on,
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "opened"),
    [
        (1175, date(2026, 1, 6)),
        (1280, date(2026, 6, 2)),
        (1329, date(2026, 8, 8)),
        (1343, date(2026, 8, 28)),
        (1345, date(2026, 9, 1)),
        (1404, date(2026, 11, 21)),
        (1405, date(2026, 11, 24)),
    ],
)
def test_round_numbers(number: int, opened: date) -> None:
    assert Round(number).opened == opened
    assert round_on(opened) == Round(number)


def test_round_1343() -> None:
    round_ = Round(1343)
    assert round_.opened.strftime("%A") == "Friday"
    assert round_.open_time == utc("2026-08-28T12:00")
    assert round_.close_staking_time == utc("2026-08-28T13:00")
    assert round_.close_time == utc("2026-08-29T12:00")
    assert round_.publication(1).date() == date(2026, 9, 3)
    assert round_.resolve_time.date() == date(2026, 11, 25)
    assert round_.data_datestamp == 20260827


@pytest.mark.parametrize(
    ("opened", "closes", "first_score", "resolves", "days"),
    [
        ("2026-09-01", "2026-09-01T13:00", ("Sat", "2026-09-05"), ("Fri", "2026-11-27"), 87),
        ("2026-09-02", "2026-09-02T13:00", ("Tue", "2026-09-08"), ("Mon", "2026-11-30"), 89),
        ("2026-09-03", "2026-09-03T13:00", ("Wed", "2026-09-09"), ("Tue", "2026-12-01"), 89),
        ("2026-09-04", "2026-09-04T13:00", ("Thu", "2026-09-10"), ("Wed", "2026-12-02"), 89),
        ("2026-09-05", "2026-09-06T14:00", ("Fri", "2026-09-11"), ("Thu", "2026-12-03"), 89),
    ],
)
def test_each_weekday(
    opened: str, closes: str, first_score: tuple[str, str], resolves: tuple[str, str], days: int
) -> None:
    round_ = round_on(date.fromisoformat(opened))
    assert round_ is not None
    assert round_.close_staking_time == utc(closes)
    assert round_.publication(1).strftime("%a %F") == " ".join(first_score)
    assert round_.resolve_time.strftime("%a %F") == " ".join(resolves)
    assert (round_.resolve_time.date() - round_.opened).days == days


@pytest.mark.parametrize("day", ["2026-08-30", "2026-08-31"])
def test_no_round_opens_on_sunday_and_monday(day: str) -> None:
    assert round_on(date.fromisoformat(day)) is None


@pytest.mark.parametrize(
    ("now", "status", "days"),
    [
        ("2026-08-28T11:59:59", RoundStatus.UPCOMING, 0),
        ("2026-08-28T12:00", RoundStatus.OPEN, 0),
        ("2026-08-28T12:59:59", RoundStatus.OPEN, 0),
        ("2026-08-28T13:00", RoundStatus.RESOLVING, 0),
        ("2026-09-03T09:59:59", RoundStatus.RESOLVING, 0),
        ("2026-09-03T10:00", RoundStatus.RESOLVING, 1),
        ("2026-09-04T10:00", RoundStatus.RESOLVING, 2),
        ("2026-09-07T23:00", RoundStatus.RESOLVING, 3),
        ("2026-11-25T10:00", RoundStatus.RESOLVING, 60),
        ("2026-11-25T20:00", RoundStatus.RESOLVED, 60),
        ("2027-11-25T20:00", RoundStatus.RESOLVED, 60),
    ],
)
def test_life_of_round_1343(now: str, status: RoundStatus, days: int) -> None:
    assert Round(1343).status(utc(now)) is status
    assert Round(1343).scored_days(utc(now)) == days


@pytest.mark.parametrize(
    ("now", "newest", "last", "following"),
    [
        ("2026-06-02T12:00", 1280, "2026-06-02T10:00", "2026-06-03T10:00"),
        ("2026-06-02T11:59", 1279, "2026-06-02T10:00", "2026-06-03T10:00"),
        ("2026-06-02T09:59", 1279, "2026-05-30T10:00", "2026-06-02T10:00"),
        ("2026-06-07T23:00", 1284, "2026-06-06T10:00", "2026-06-09T10:00"),
        ("2026-06-09T11:00", 1284, "2026-06-09T10:00", "2026-06-10T10:00"),
    ],
)
def test_newest_round_and_publications(now: str, newest: int, last: str, following: str) -> None:
    assert newest_opened(utc(now)) == Round(newest)
    assert last_publication(utc(now)) == utc(last)
    assert next_publication(utc(now)) == utc(following)


@given(st.integers(1, 5000), st.integers(1, 60))
def test_calendar_is_consistent(number: int, day: int) -> None:
    round_ = Round(number)
    assert round_on(round_.opened) == round_
    assert round_.open_time < round_.close_staking_time < round_.close_time
    assert round_.close_time == Round(number + 1).open_time
    assert round_.scored_days(round_.publication(day)) == day
    assert round_.scored_days(round_.publication(day) - timedelta(seconds=1)) == day - 1
    assert round_.publication(60) < round_.resolve_time
    assert newest_opened(round_.open_time) == round_
    # 60 days of returns, 2 of lag and 1 until they are known: 63 business days, 89 days at most.
    assert 87 <= (round_.resolve_time.date() - round_.opened).days <= 89
    assert round_.resolve_time.weekday() < 5


@pytest.fixture
def still() -> Clock:
    return Clock({"clock": "still", "now": "2026-06-01T00:00:00+00:00"})


def test_a_still_clock_moves_forward_only(still: Clock) -> None:
    assert still.now() == utc("2026-06-01")
    assert still.advance_to(utc("2026-06-02T12:00")) == utc("2026-06-02T12:00")
    assert still.advance_to(still.now()) == utc("2026-06-02T12:00")
    with pytest.raises(Refused, match="stands at 2026-06-02T12:00:00Z and cannot go back"):
        still.advance_to(utc("2026-06-02T11:59:59"))
    with pytest.raises(Refused, match="no time zone"):
        still.advance_to(datetime(2026, 6, 3))  # noqa: DTZ001


def test_a_real_clock_follows_the_wall_clock() -> None:
    clock = Clock({"clock": "real", "now": "2026-06-01T00:00:00+00:00"})
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    with pytest.raises(Refused, match="moves by itself and cannot be advanced"):
        clock.advance_to(before + timedelta(days=1))
