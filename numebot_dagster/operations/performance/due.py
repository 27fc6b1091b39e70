"""Say when scores are due."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

READ_AT = (time(14, 30), time(22, 30))
"""When `numebot up` reads scores (UTC): they are published in the morning, or late."""
_WITHOUT_SCORES = (6, 0)  # Sunday and Monday
_READING = timedelta(hours=1)


def next_day(newest: date) -> date:
    """Return the day on which the scores are published that follow those of the newest day."""
    day = newest + timedelta(days=1)
    while day.weekday() in _WITHOUT_SCORES:
        day += timedelta(days=1)
    return day


def last_publication(now: datetime) -> date:
    """Return the newest day whose scores should have been published by now (aware UTC)."""
    day = now.date()
    while day.weekday() in _WITHOUT_SCORES or now < datetime.combine(day, READ_AT[0], UTC):
        day -= timedelta(days=1)
    return day


def are_overdue(newest: date, now: datetime) -> bool:
    """Return whether the scores that follow should have been read by now (aware UTC)."""
    return now >= datetime.combine(next_day(newest), READ_AT[-1], UTC) + _READING


def first_scores(round_number: int | None, score_time: datetime | None) -> str:
    """Return when a round's first scores are due, as a sentence; nothing where it is not known."""
    if round_number is None or score_time is None:
        return ""
    when = in_words(score_time.date())
    return f"First scores of round {round_number} are due on {when}."


def in_words(day: date) -> str:
    """Return a day with the hour at which scores are read, as `Tue 1 Dec, about 14:30 UTC`."""
    return f"{day:%a} {day.day} {day:%b}, about {READ_AT[0]:%H:%M} UTC"
