from datetime import UTC, date, datetime

import pytest

from numebot_dagster.defs.performance import schedules
from numebot_dagster.operations.performance import due


@pytest.mark.parametrize(
    ("newest", "following"),
    [
        (date(2026, 12, 1), date(2026, 12, 2)),  # Tuesday
        (date(2026, 11, 27), date(2026, 11, 28)),  # Friday
        (date(2026, 11, 28), date(2026, 12, 1)),  # Saturday: none on Sunday and Monday
        (date(2026, 11, 29), date(2026, 12, 1)),
    ],
)
def test_scores_are_published_from_tuesday_to_saturday(newest, following):
    assert due.next_day(newest) == following


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 24, 14, 30, tzinfo=UTC), date(2026, 11, 24)),  # Tuesday
        (datetime(2026, 11, 24, 14, 29, tzinfo=UTC), date(2026, 11, 21)),  # that of Saturday
        (datetime(2026, 11, 28, 23, 0, tzinfo=UTC), date(2026, 11, 28)),
        (datetime(2026, 11, 30, 20, 0, tzinfo=UTC), date(2026, 11, 28)),
        (datetime(2026, 11, 27, 0, 10, tzinfo=UTC), date(2026, 11, 26)),
    ],
)
def test_the_last_publication_is_that_of_the_day_before_until_it_is_read(now, day):
    assert due.last_publication(now) == day


@pytest.mark.parametrize(
    ("now", "overdue"),
    [
        (datetime(2026, 11, 30, 23, 45, tzinfo=UTC), False),
        (datetime(2026, 12, 1, 23, 0, tzinfo=UTC), False),  # they may be read at this moment
        (datetime(2026, 12, 1, 23, 30, tzinfo=UTC), True),
    ],
)
def test_scores_are_overdue_after_the_last_reading_of_the_day(now, overdue):
    assert due.are_overdue(date(2026, 11, 28), now) is overdue


def test_first_scores_in_a_sentence():
    assert due.first_scores(1287, datetime(2026, 12, 1, tzinfo=UTC)) == (
        "First scores of round 1287 are due on Tue 1 Dec, about 14:30 UTC."
    )
    assert due.first_scores(1287, None) == due.first_scores(None, None) == ""


def test_the_schedule_reads_when_they_are_due():
    assert schedules.TICKS == ["30 14 * * *", "30 22 * * *"]
