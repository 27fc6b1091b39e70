"""The openings that `numebot doctor` expects, by the number of past rounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.operations.health import outlook

TUESDAY = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rounds", "end"),
    [
        (1, "judged by the only round; more rounds are needed to know the days of the week"),
        (2, "judged by the last 2 rounds; more rounds are needed to know the days of the week"),
        (25, "judged by the last 25 rounds"),
    ],
)
def test_how_far_the_estimate_of_openings_reaches(rounds: int, end: str) -> None:
    opened = [TUESDAY - timedelta(days=day) for day in range(rounds)]
    finding = outlook.expected_openings(opened, TUESDAY + timedelta(hours=3))
    assert finding.text.startswith("the next rounds are expected on ")
    assert finding.text.endswith(end)
