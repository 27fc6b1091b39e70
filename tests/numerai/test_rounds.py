from __future__ import annotations

from datetime import UTC, datetime

import pytest

from numebot_dagster.numerai.records import Round
from numebot_dagster.numerai.rounds import is_weekend_round, new_rounds, round_to_play

FRIDAY = Round(1343, datetime(2026, 8, 28, 12, tzinfo=UTC), datetime(2026, 8, 28, 13, tzinfo=UTC))
SATURDAY = Round(1344, datetime(2026, 8, 29, 12, tzinfo=UTC), datetime(2026, 8, 30, 14, tzinfo=UTC))
TUESDAY = Round(1345, datetime(2026, 9, 1, 12, tzinfo=UTC), datetime(2026, 9, 1, 13, tzinfo=UTC))
ALL = [TUESDAY, FRIDAY, SATURDAY]


@pytest.mark.parametrize(
    ("cursor", "numbers"),
    [(None, [1343, 1344, 1345]), (1342, [1343, 1344, 1345]), (1343, [1344, 1345]), (1345, [])],
)
def test_new_rounds_come_oldest_first(cursor, numbers):
    assert [round_.number for round_ in new_rounds([*ALL, FRIDAY], cursor)] == numbers


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 8, 28, 11, 59, 59, tzinfo=UTC), None),
        (datetime(2026, 8, 28, 12, tzinfo=UTC), FRIDAY),
        (datetime(2026, 8, 28, 12, 59, 59, tzinfo=UTC), FRIDAY),
        (datetime(2026, 8, 28, 13, tzinfo=UTC), None),
        (datetime(2026, 8, 30, 13, 59, tzinfo=UTC), SATURDAY),
        (datetime(2026, 8, 30, 14, tzinfo=UTC), None),
    ],
)
def test_the_round_to_play(now, expected):
    assert round_to_play(ALL, now) == expected


def test_the_weekend_round_opens_on_saturday():
    assert [is_weekend_round(round_) for round_ in (FRIDAY, SATURDAY, TUESDAY)] == [
        False,
        True,
        False,
    ]
