from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import polars as pl
import pytest
from rich.console import Console

from numebot_dagster.reporting.tables import (
    independent_rounds,
    markdown_table,
    model_summary,
    rich_table,
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


def rendered(frame: pl.DataFrame, title: str = "Title", **console) -> str:
    out = StringIO()
    Console(file=out, width=100, **console).print(rich_table(frame, title))
    return out.getvalue()


def test_markdown_table_in_full():
    frame = pl.DataFrame(
        {
            "model": ["a|b", None],
            "mean_corr": [0.012345, None],
            "rounds": [12, 3],
            "resolved": [True, False],
            "nmr": [Decimal("-1.23456"), Decimal("0E-18")],
            "date": [date(2026, 9, 3), None],
            "at": [datetime(2026, 9, 3, 12, 5, 59, tzinfo=UTC), None],
        }
    )
    assert markdown_table(frame) == "\n".join(
        [
            "| model | mean corr | rounds | resolved | nmr | date | at |",
            "| :--- | ---: | ---: | :--- | ---: | :--- | :--- |",
            "| a\\|b | 0.0123 | 12 | yes | -1.2346 | 2026-09-03 | 2026-09-03 12:05 |",
            "| – | – | 3 | no | 0.0000 | – | – |",  # noqa: RUF001
        ]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.00001, "0.0000"),
        (float("nan"), "\N{EN DASH}"),
        (-0.00006, "-0.0001"),
        (1e6, "1000000.0000"),
    ],
)
def test_floats(value, text):
    assert markdown_table(pl.DataFrame({"x": [value]})).splitlines()[-1] == f"| {text} |"


def test_markdown_table_without_rows():
    assert markdown_table(pl.DataFrame(schema={"a": pl.Int64})) == "| a |\n| ---: |"


def test_rich_table_is_plain_when_piped_and_coloured_in_a_terminal():
    frame = pl.DataFrame(
        {"model": ["m[red]"], "outcome": ["failed"], "state": ["accepted"], "corr": [-0.5]}
    )
    plain = rendered(frame, title="Rounds [x]")
    assert "\x1b" not in plain
    assert plain.splitlines()[0].rstrip() == "Rounds [x]"
    assert plain.splitlines()[4].split() == ["m[red]", "failed", "accepted", "-0.5000"]
    coloured = rendered(frame, force_terminal=True, color_system="standard")
    assert "\x1b[1;31mfailed" in coloured
    assert "\x1b[36maccepted" in coloured
    assert "\x1b[31m-0.5000" in coloured


def test_rich_table_does_not_cut_numbers_in_eighty_columns():
    row = {"model": "a_rather_long_model_name", "rounds": 12, "x": -0.12345, "percentile": 0.5}
    out = StringIO()
    Console(file=out, width=40).print(rich_table(pl.DataFrame([row]), "T"))
    assert all(text in out.getvalue() for text in ("12", "-0.1235", "0.5000"))


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


def test_rounds_summary_of_other_scores(score_frame):
    scores = score_frame(("a", 9, "v2_corr20", 20, 0.1), ("a", 9, "mmc", 20, 0.2))
    nothing = pl.DataFrame(schema=SUBMISSIONS)
    summary = rounds_summary(scores, nothing, corr="v2_corr20", mmc="mmc")
    assert summary.rows() == [(9, "a", None, None, 20, 0.1, 0.2, False)]


def test_model_summary(score_frame):
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
    by_model = {row.pop("model"): row for row in model_summary(scores, payouts).to_dicts()}
    assert list(by_model) == ["a", "b", "c", "d"]
    assert by_model["a"] == pytest.approx(
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
    one_resolved = by_model["b"]
    assert (one_resolved["resolved"], one_resolved["mean_corr"]) == (1, 0.02)
    assert one_resolved["std_corr"] is one_resolved["sharpe"] is None
    assert (by_model["c"]["rounds"], by_model["c"]["resolved"]) == (1, 0)
    assert by_model["c"]["percentile"] == 0.3
    assert (by_model["d"]["rounds"], by_model["d"]["pending_nmr"]) == (0, 2.0)
    assert by_model["d"]["settled_nmr"] is None  # unknown, which is not zero


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
