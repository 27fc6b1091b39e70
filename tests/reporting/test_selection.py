from datetime import date

import polars as pl
import pytest

from numebot_dagster.reporting.selection import final_scores, newest_scores, scores_of

KEYS = ["model", "round", "day", "value"]


def rows(frame: pl.DataFrame) -> list[tuple]:
    return frame.select(KEYS).rows()


def test_other_metrics_and_rows_without_a_day_are_left_out(score_frame):
    frame = score_frame(
        ("a", 1343, "corr60", 1, 0.01),
        ("a", 1343, "mmc60", 1, 0.02),
        ("a", 1343, "corr60", None, 0.03),
    )
    assert rows(scores_of(frame, "corr60")) == [("a", 1343, 1, 0.01)]
    assert rows(scores_of(frame, "bmc")) == []


@pytest.mark.parametrize(
    ("versions", "kept"),
    [(("1", "2"), 0.02), (("10", "9"), 0.01), ((None, "1"), 0.02), (("v2", "v3"), 0.02)],
)
def test_the_newest_version_counts(score_frame, versions, kept):
    frame = score_frame(
        ("a", 1343, "corr60", 1, 0.01, versions[0]),
        ("a", 1343, "corr60", 1, 0.02, versions[1]),
    )
    assert rows(scores_of(frame, "corr60")) == [("a", 1343, 1, kept)]


def test_a_round_scored_by_an_old_version_alone_is_kept(score_frame):
    frame = score_frame(
        ("a", 1342, "corr60", 1, 0.01, "1"),
        ("a", 1343, "corr60", 1, 0.02, "2"),
        ("b", 1343, "corr60", 1, 0.03, None),
    )
    assert rows(scores_of(frame, "corr60")) == [
        ("a", 1342, 1, 0.01),
        ("a", 1343, 1, 0.02),
        ("b", 1343, 1, 0.03),
    ]


def test_of_a_day_stored_twice_the_one_published_last_counts(score_frame):
    early = score_frame(("a", 1343, "corr60", 5, 0.01))
    late = score_frame(("a", 1343, "corr60", 5, 0.02)).with_columns(date=date(2026, 12, 1))
    assert rows(scores_of(pl.concat([late, early]), "corr60")) == [("a", 1343, 5, 0.02)]


def test_newest_is_the_last_known_day(score_frame):
    frame = score_frame(
        ("a", 1343, "corr60", 2, 0.02),
        ("a", 1343, "corr60", 10, None),
        ("a", 1343, "corr60", 9, 0.09),
        ("a", 1343, "corr60", 8, float("nan")),
    )
    assert rows(newest_scores(frame, "corr60")) == [("a", 1343, 9, 0.09)]


def test_final_is_the_last_day_of_resolved_rounds_alone(score_frame):
    frame = score_frame(
        ("a", 1343, "corr60", 59, 0.59),  # stored before the round resolved
        ("a", 1343, "corr60", 60, 0.60, "1", None, True),
        ("a", 1344, "corr60", 59, 0.01),
        ("a", 1345, "corr60", 59, 0.01, "1", None, True),
        ("a", 1345, "corr60", 60, None, "1", None, True),
    )
    assert rows(final_scores(frame, "corr60")) == [("a", 1343, 60, 0.60)]
