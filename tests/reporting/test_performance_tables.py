from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from numebot_dagster.reporting.performance_tables import (
    independent_rounds,
    model_summary,
    rounds_summary,
)

PAYOUTS = pl.Schema(
    {
        "date": pl.Date,
        "model": pl.String,
        "round": pl.Int64,
        "payout_nmr": pl.Float64,
        "settled": pl.Boolean,
    }
)
SUBMISSIONS = pl.Schema(
    {"model": pl.String, "round": pl.Int64, "outcome": pl.String, "state": pl.String}
)


def test_rounds_summary(score_frame):
    scores = score_frame(
        ("a", 1343, "corr60", 59, 0.59),
        ("a", 1343, "corr60", 60, 0.0151, "1", 0.8, True),
        ("a", 1343, "mmc60", 60, 0.0021, "1", 0.7, True),
        ("a", 1344, "corr60", 1, -0.03),
        ("stranger", 1343, "corr60", 2, 0.02),
    )
    submissions = pl.DataFrame(
        [
            ("a", 1343, "on_time", "confirmed"),
            ("a", 1344, "late", "accepted"),
            ("b", 1344, "failed", "pending"),
        ],
        schema=SUBMISSIONS,
        orient="row",
    )
    summary = rounds_summary(scores, submissions)
    assert summary.columns == [
        "round", "model", "outcome", "state", "day", "corr", "mmc", "resolved",
    ]  # fmt: skip
    assert summary.rows() == [
        (1344, "a", "late", "accepted", 1, -0.03, None, False),
        (1344, "b", "failed", "pending", None, None, None, False),
        (1343, "a", "on_time", "confirmed", 60, 0.0151, 0.0021, True),
        (1343, "stranger", None, None, 2, 0.02, None, False),
    ]


@pytest.fixture
def summaries(score_frame):
    """Summarise four models: one with all figures, the others with some."""
    scores = score_frame(
        ("a", 1343, "corr60", 60, 0.01, "1", 0.6, True),
        ("a", 1344, "corr60", 60, 0.03, "1", 0.9, True),
        ("a", 1345, "corr60", 12, 0.50, "1", 0.1),
        ("a", 1343, "mmc60", 60, 0.004, "1", None, True),
        ("a", 1344, "mmc60", 60, -0.002, "1", None, True),
        ("b", 1344, "corr60", 60, 0.02, "1", None, True),
        ("c", 1345, "corr60", 1, 0.02, "1", 0.3),
    )
    payouts = pl.DataFrame(
        [
            (date(2026, 11, 1), "a", 1343, 0.5, False),  # superseded by the settled one
            (date(2026, 11, 25), "a", 1343, 0.25, True),
            (date(2026, 11, 25), "a", 1344, -0.5, True),
            (date(2026, 11, 24), "a", 1345, 9.0, False),  # superseded the next day
            (date(2026, 11, 25), "a", 1345, 1.5, False),
            (date(2026, 11, 25), "d", 1345, 2.0, False),
        ],
        schema=PAYOUTS,
        orient="row",
    )
    return {row.pop("model"): row for row in model_summary(scores, payouts).to_dicts()}


def test_the_summary_of_a_model_with_all_figures(summaries):
    assert list(summaries) == ["a", "b", "c", "d"]
    assert summaries["a"] == pytest.approx(
        {
            "rounds": 3,
            "resolved": 2,
            "independent": 4 / (2 + 2 * 59 / 60),
            "mean_corr": 0.02,
            "std_corr": 0.01,
            "sharpe": None,  # of two rounds that share 59 of 60 days
            "mean_mmc": 0.001,
            "percentile": 0.9,
            "settled_nmr": -0.25,
            "pending_nmr": 1.5,
        }
    )


def test_the_summary_of_a_model_that_lacks_figures(summaries):
    one_resolved = summaries["b"]
    assert (one_resolved["resolved"], one_resolved["mean_corr"]) == (1, 0.02)
    assert one_resolved["std_corr"] is one_resolved["sharpe"] is None
    assert (summaries["c"]["rounds"], summaries["c"]["resolved"]) == (1, 0)
    assert summaries["c"]["percentile"] == 0.3
    assert (summaries["d"]["rounds"], summaries["d"]["pending_nmr"]) == (0, 2.0)
    assert summaries["d"]["settled_nmr"] is None  # unknown, which is not zero


@pytest.mark.parametrize(
    ("rounds", "independent"),
    [
        ([], 0),
        ([1343], 1),
        ([1343, 1344, 1345], 9 / (3 + 4 * 59 / 60 + 2 * 58 / 60)),
        ([1300, 1360, 1420], 3),  # without a common day
        (list(range(64)), 1.5513192778689562),
    ],
)
def test_rounds_that_share_days_count_less(rounds, independent):
    assert independent_rounds(rounds) == pytest.approx(independent)


def test_a_sharpe_ratio_needs_independent_rounds(score_frame):
    rows = [
        ("a", number, "corr60", 60, 0.01 + 0.01 * (number % 2), "1", None, True)
        for number in range(1000, 1241)
    ]
    payouts = pl.DataFrame(schema=PAYOUTS)
    (row,) = model_summary(score_frame(*rows), payouts).to_dicts()
    assert row["independent"] > 3
    assert row["sharpe"] == pytest.approx(3.0, abs=0.05)


def test_model_summary_takes_decimals_and_equal_scores(score_frame):
    scores = score_frame(
        ("a", 1343, "corr60", 60, 0.5, "1", None, True),
        ("a", 1344, "corr60", 60, 0.5, "1", None, True),
    )
    payouts = pl.DataFrame(
        {
            "date": [date(2026, 11, 25)],
            "model": ["a"],
            "round": [1343],
            "payout_nmr": [Decimal("0.100000000000000001")],
            "settled": [True],
        }
    )
    (row,) = model_summary(scores, payouts).to_dicts()
    assert (row["std_corr"], row["sharpe"], row["settled_nmr"]) == (0.0, None, 0.1)
