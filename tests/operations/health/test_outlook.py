"""What `numebot doctor` says of the coming openings, by the rounds that it knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.operations.health import outlook

TUESDAY = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (1, "by the only round so far, which is too few to know the days"),
        (2, "by the last 2 rounds, which is too few to know the days"),
        (25, "by the last 25 rounds"),
    ],
)
def test_how_far_the_estimate_of_openings_reaches(known: int, says: str) -> None:
    opened = [TUESDAY - timedelta(days=day) for day in range(known)]
    finding = outlook.expected_openings(opened, TUESDAY + timedelta(hours=3))
    assert finding.text.startswith("the next are expected on ")
    assert finding.text.endswith(says)
