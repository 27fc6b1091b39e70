"""The newest score of each model in recent rounds and in the last resolved one."""

from __future__ import annotations

import json
from datetime import date, timedelta

import polars as pl
import pytest

from numebot_dagster.lake import parquet, tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance.newest_scores import (
    LONGEST_ROUND,
    PaidScores,
    Scored,
    newest_scores,
    paid_scores,
)

TODAY = date(2026, 8, 31)
ROWS = [
    # model, round, metric, version, day, days ago, value, resolved
    ("a", 1345, "mmc60", "1", 3, 1, 0.02, False),
    ("a", 1345, "mmc60", "1", 4, 0, 0.03, False),
    ("a", 1345, "corr60", "1", 4, 0, 0.5, False),
    ("b", 1345, "mmc60", "9", 4, 0, 0.4, False),  # an older definition
    ("b", 1345, "mmc60", "10", 3, 1, 0.1, False),
    ("b", 1345, "mmc60", "10", 4, 0, None, False),
    ("a", 1300, "mmc60", "1", 60, 2, -0.01, True),
    ("a", 1299, "mmc60", "1", 60, 3, 0.9, True),
    ("a", 1200, "mmc60", "1", 60, LONGEST_ROUND.days + 1, 0.7, True),
]


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    configs = [
        {"name": name, "is_payout": True, "default_multiplier": multiplier}
        for name, multiplier in (("corr60", 3), ("mmc60", 15), ("never", 20))
    ]
    details = pl.DataFrame(
        [{"round": 1345, "score_configs": json.dumps(configs)}], schema=tables.ROUNDS.schema
    )
    parquet.write(lake.round_details(1345), details)
    rows = [(*row[:5], TODAY - timedelta(days=row[5]), row[6], None, row[7]) for row in ROWS]
    frame = pl.DataFrame(rows, schema=tables.SCORES.schema, orient="row")
    for (day,), scores in frame.group_by("date"):
        parquet.write(lake.day_file("scores", day), scores)
    return lake


def test_the_score_that_is_paid_most(lake):
    scores = paid_scores(lake, [1345, 1346], TODAY)
    assert (scores.metric, scores.last_resolved) == ("mmc60", 1300)
    assert scores.of_round(1345) == {
        "a": Scored("mmc60", "1", 4, 0.03, False),
        "b": Scored("mmc60", "10", 3, 0.1, False),
    }
    assert scores.of_round(1300) == {"a": Scored("mmc60", "1", 60, -0.01, True)}
    assert set(scores.by_place) == {("a", 1345), ("b", 1345), ("a", 1300)}


def test_all_scores_of_some_rounds(lake):
    rows = newest_scores(lake, [1345]).select("model", "metric", "version", "value").rows()
    assert rows == [  # always in this order, so that a page made of them stays the same
        ("a", "corr60", "1", 0.5),
        ("a", "mmc60", "1", 0.03),
        ("b", "mmc60", "10", 0.1),
    ]


def test_without_scores_or_rounds_there_are_none(lake, tmp_path):
    assert paid_scores(lake, [], TODAY) == PaidScores()
    assert paid_scores(Lake(tmp_path / "none"), [1345], TODAY) == PaidScores()
    assert paid_scores(lake, [1345], TODAY + 2 * LONGEST_ROUND) == PaidScores()
