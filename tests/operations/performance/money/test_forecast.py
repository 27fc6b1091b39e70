"""What running rounds may pay, by hand where each day earns the same."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance.money.forecast import forecast
from numebot_dagster.operations.performance.money.ledger import Ledger
from numebot_dagster.operations.performance.money.ledger_lines import Line, Score
from numebot_dagster.scoring.luck.redrawn_days import MEAN_SHARE

FIRST, NEWEST = date(2026, 6, 1), date(2026, 8, 31)  # Mondays
DAILY = {("a", "corr60"): 0.001, ("a", "mmc60"): 0.0005, ("b", "corr60"): -0.002, ("b", "mmc60"): 0}
MULTIPLIERS = {"corr60": 3, "mmc60": 15}


@pytest.fixture
def lake(tmp_path):
    """Return a lake in which each model earns the same every day, up to the newest date."""
    lake = Lake(tmp_path)
    rows = []
    dates = np.arange(FIRST, NEWEST + timedelta(days=1)).astype(object)
    weekdays = [day for day in dates if day.weekday() < 5]
    for (model, metric), piece in DAILY.items():
        for opened in range(len(weekdays)):
            for day, published in enumerate(weekdays[opened : opened + 60], 1):
                value = piece * math.sqrt(day)
                rows.append(
                    (model, 1000 + opened, metric, "1", day, published, value, None, day == 60)
                )
    frame = pl.DataFrame(rows, schema=tables.SCORES.schema, orient="row")
    for (day,), scores in frame.group_by("date"):
        parquet.write(lake.day_file("scores", day), scores)
    configs = [{"name": name, "is_payout": True, "total_score_days": 60} for name in MULTIPLIERS]
    row = {"round": 1000, "open_time": datetime(2026, 6, 1, 12, tzinfo=UTC)}
    details = pl.DataFrame(
        [{**row, "score_configs": json.dumps(configs)}], schema=tables.ROUNDS.schema
    )
    parquet.write(lake.round_details(1000), details)
    return lake


def line(model, day, ends_in, **changes):
    """Return a running round on a scoring day; None where it has no score yet."""
    end = np.busday_offset(NEWEST, ends_in).astype(date)
    scores = tuple(
        Score(
            metric,
            "1",
            Decimal(multiplier),
            day,
            None if day is None else Decimal(repr(DAILY.get((model, metric), 0) * math.sqrt(day))),
            None,
        )
        for metric, multiplier in MULTIPLIERS.items()
    )
    usual = Line(
        model, 1000, Decimal(10), Decimal(1), Decimal(1), scores, end, False, Decimal(), None
    )
    return replace(usual, **changes)


def by_hand(open_line, days_seen):
    """Return what a line pays when each day to come earns a share of what a day earned."""
    rate = 0.0
    for metric, multiplier in MULTIPLIERS.items():
        piece = DAILY[open_line.model, metric]
        height = days_seen * piece + (60 - days_seen) * MEAN_SHARE * piece
        rate += multiplier * height / math.sqrt(60)
    clip = float(open_line.clip)
    rate = max(-clip, min(clip, float(open_line.payout_factor) * rate))
    return float(open_line.at_risk) * rate


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ([line("a", 60, 0)], [60]),
        ([line("a", 20, 40)], [20]),
        ([line("a", 20, 40), line("b", 59, 1)], [20, 59]),
        ([line("a", None, 63)], [0]),  # opened three days ago
        ([line("b", 30, 30, clip=Decimal("0.01"))], [30]),
        ([line("b", 30, 30, payout_factor=Decimal("0.5"), at_risk=Decimal(3))], [30]),
    ],
)
def test_what_steady_days_pay(lake, lines, seen):
    outlook = forecast(lake, Ledger(tuple(lines), NEWEST))
    expected = sum(map(by_hand, lines, seen))
    assert outlook.range == pytest.approx((expected, expected))
    assert outlook.paths.tail_loss == pytest.approx(expected)
    assert (outlook.left_out, outlook.borrowed) == ([], 0)
    ends = {each.resolve_date: 60 - days for each, days in zip(lines, seen, strict=True)}
    if 0 not in seen:
        assert dict(outlook.ends) == ends
    assert outlook.ends[-1][1] == len(outlook.paths.days) - 1


def test_each_version_of_a_metric_is_paid_by_its_own_multiplier(lake):
    """Of an ended round, what is foretold is what the book computes."""
    first, second = line("a", 60, 0).scores
    again = replace(second, version="2", multiplier=Decimal("7.5"))
    for (day,), scores in catalog.query(lake, "select * from scores").group_by("date"):
        other = scores.filter(pl.col("metric") == "mmc60").with_columns(version=pl.lit("2"))
        parquet.write(lake.day_file("scores", day), pl.concat([scores, other]))
    ended = line("a", 60, 0, scores=(first, second, again))
    outlook = forecast(lake, Ledger((ended,), NEWEST))
    assert outlook.range == pytest.approx((float(ended.computed),) * 2)
    unscored = replace(again, version="3")
    alone = line("a", 20, 40, round_number=1001, scores=(first, second, unscored))
    outlook = forecast(lake, Ledger((ended, alone), NEWEST))
    assert outlook.left_out == ["a"]
    assert outlook.range == pytest.approx((float(ended.computed),) * 2)


def test_a_model_without_a_past_is_left_out_and_named(lake):
    alone = line("new", None, 60)
    outlook = forecast(lake, Ledger((line("a", 20, 40), alone), NEWEST))
    assert outlook.left_out == ["new"]
    assert outlook.range[0] == pytest.approx(by_hand(line("a", 20, 40), 20))
    assert forecast(lake, Ledger((alone,), NEWEST)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"resolved": True},
        {"at_risk": None},
        {"payout_factor": None},
        {"clip": None},
        {"scores": ()},
    ],
)
def test_nothing_is_foretold_of_what_is_not_known(lake, changes):
    assert forecast(lake, Ledger((line("a", 20, 40, **changes),), NEWEST)) is None


def test_too_few_days_of_a_model_foretell_nothing_of_it(lake):
    """However many days others have."""
    for day in catalog.query(lake, "select distinct date from scores order by date")["date"][:-29]:
        scores = parquet.read(lake.day_file("scores", day))
        parquet.write(lake.day_file("scores", day), scores.filter(pl.col("model") != "b"))
    lines = (line("a", 20, 40), line("b", 20, 40))
    outlook = forecast(lake, Ledger(lines, NEWEST))
    assert outlook.left_out == ["b"]
    assert outlook.range[0] == pytest.approx(by_hand(lines[0], 20))
    assert forecast(lake, Ledger(lines[1:], NEWEST)) is None


def test_burns_in_a_row_are_counted_by_the_day_paid(lake):
    """Two models on one day count as one."""
    amounts = [("a", -1, 1.0), ("b", -1, -3.0), ("a", -2, -1.0), ("a", -3, 2.0), ("a", -5, -1.0)]
    paid = [
        line(name, 60, day, resolved=True, credited=Decimal(repr(amount)))
        for name, day, amount in amounts
    ]
    outlook = forecast(lake, Ledger((line("a", 20, 40), *paid), NEWEST))
    assert outlook.longest_burn == 2
