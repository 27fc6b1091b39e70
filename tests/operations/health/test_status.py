"""The state of rounds as `numebot status` shows it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from numebot_dagster.cli import status_grid
from numebot_dagster.lake import parquet
from numebot_dagster.operations.health.status import (
    Standing,
    days_without_leaderboard,
    standing_of,
)
from numebot_dagster.submissions.receipts import Outcome, Receipt, State

NOW = datetime(2026, 6, 2, 12, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("receipt", "standing"),
    [
        ({}, Standing.SENDING),
        (
            {
                "state": State.ACCEPTED,
                "outcome": Outcome.ON_TIME,
                "predictions_sha256": "0" * 64,
            },
            Standing.ACCEPTED,
        ),
        ({"state": State.ACCEPTED, "outcome": Outcome.ON_TIME}, Standing.ELSEWHERE),
        ({"state": State.CONFIRMED, "outcome": Outcome.ON_TIME}, Standing.CONFIRMED),
        ({"state": State.CONFIRMED, "outcome": Outcome.LATE}, Standing.LATE),
        ({"state": State.ACCEPTED, "outcome": Outcome.QUEUED}, Standing.QUEUED),
        ({"state": State.INVALID, "outcome": Outcome.ON_TIME}, Standing.INVALID),
        ({"outcome": Outcome.FAILED}, Standing.FAILED),
        ({"outcome": Outcome.MISSED}, Standing.MISSED),
    ],
)
def test_one_word_for_a_receipt(receipt, standing):
    assert standing_of(Receipt("a", 1280, **receipt)) is standing
    assert standing in status_grid.LOOKS


def test_days_without_leaderboard_end_yesterday(world):
    lake = world.platform.lake
    for day in lake.stored_days("leaderboard"):
        lake.day_file("leaderboard", day).unlink()
    assert days_without_leaderboard(world.platform, NOW) == []
    for day in (date(2026, 5, 29), date(2026, 6, 1)):
        parquet.write(lake.day_file("leaderboard", day), pl.DataFrame({"rank": [1]}))
    missing = days_without_leaderboard(world.platform, NOW)
    assert missing == [date(2026, 5, 30), date(2026, 5, 31)]
