"""The openings that `numebot doctor` expects, by the number of past rounds."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.operations.health import outlook

TUESDAY = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rounds", "start", "end"),
    [
        (1, "only 1 round opened so far, at 12:00 UTC: ", "to know the days of the next ones"),
        (2, "only 2 rounds opened so far, at 12:00 UTC: ", "to know the days of the next ones"),
        (25, "the next rounds are expected on ", "judged by the last 25 rounds"),
    ],
)
def test_how_far_the_estimate_of_openings_reaches(rounds: int, start: str, end: str) -> None:
    opened = [TUESDAY - timedelta(days=day) for day in range(rounds)]
    finding = outlook.expected_openings(opened, TUESDAY + timedelta(hours=3))
    assert finding.text.startswith(start)
    assert finding.text.endswith(end)


@pytest.mark.parametrize(
    ("answer", "following"),
    [
        ([TUESDAY - timedelta(days=day) for day in range(25)], TUESDAY + timedelta(days=1)),
        ([TUESDAY], None),
        (NumeraiUnavailable("the connection failed"), None),
    ],
)
def test_the_following_opening_is_the_doctors(answer, following) -> None:
    def rounds(limit: int) -> list[SimpleNamespace]:
        if isinstance(answer, Exception):
            raise answer
        return [SimpleNamespace(open_time=opened) for opened in answer[-limit:]]

    client = SimpleNamespace(rounds=rounds)
    platform = SimpleNamespace(client=client, log=logging.getLogger("test"))
    assert outlook.following_opening(platform, TUESDAY + timedelta(hours=3)) == following
