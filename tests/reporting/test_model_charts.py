"""The charts of one model, from literal scores."""

from __future__ import annotations

import math
from datetime import date

import altair as alt
import numpy as np
import pytest

from numebot_dagster.reporting import model_charts
from numebot_dagster.reporting.model_charts import Change, Foretold
from numebot_dagster.reporting.numbers import score
from numebot_dagster.reporting.theme import LIGHT
from numebot_dagster.scoring.luck.curves import drawdown
from tests.support.luck_cases import MONDAY, NAN, scores_of, series_of
from tests.support.pictures import Drawing

FORETOLD = Foretold(mean=0.01, error=0.002, daily_error=0.02, quantile=2.0)
CHANGES = [
    Change(date(2026, 1, 1), 1200),  # before the first date
    Change(date(2026, 1, 7), 1210),
    Change(date(2026, 1, 8), 1220, "aaaa1111"),
    Change(date(2026, 1, 9), 1230, "bbbb2222"),
]


def rounds(past: int, *running: list[float]):
    """Return past rounds of three days and some that run."""
    resolved = [[number / 1e5] * 3 for number in range(past)]
    return scores_of([*resolved, *(row + [NAN] * (3 - len(row)) for row in running)])


def rows_of(picture, *columns):
    """Return the rows of a chart that have all of these columns."""
    datasets = picture.specification()["datasets"].values()
    return [row for rows in datasets for row in rows if row.keys() >= set(columns)]


def test_running_rounds_stand_in_the_band_of_the_past_ones():
    picture = model_charts.day_by_day(rounds(60, *[[0.0003, 0.0003]] * 19, [0.1]), "mmc60")
    drawn = Drawing(picture.svg())
    assert drawn.colours[LIGHT.accent] == 3  # two bands and the median
    assert picture.subtitle == (
        "Bands: half and nine tenths of 60 past rounds, which say as much as 20.0 that do not "
        "overlap. Lines: 6 running rounds."
    )
    assert picture.result == (
        "19 of 20 running rounds stand within nine tenths of the past ones; round 179 is the "
        "furthest: +0.1000 on day 1, above 100 % of them."
    )
    assert {row["round"] for row in rows_of(picture, "round")} == {160, 163, 167, 171, 175, 179}


@pytest.mark.parametrize(("past", "bands"), [(0, 0), (4, 0), (5, 3)])
def test_a_band_needs_some_rounds(past, bands):
    picture = model_charts.day_by_day(rounds(past, [0.0]), "mmc60")
    assert Drawing(picture.svg()).colours[LIGHT.accent] == bands
    assert picture.result.startswith("1 of 1 running" if bands else "There are no running rounds")


def test_numbers_are_chosen_evenly_from_first_to_last():
    assert model_charts._spread([1, 2, 3], 6) == [1, 2, 3]
    assert model_charts._spread(list(range(100)), 6) == [0, 19, 39, 59, 79, 99]


def test_the_sum_is_drawn_beside_what_was_foretold_with_marks_where_weights_changed():
    series = series_of([0.01, -0.02, 0.03, 0.0, 0.01])  # of four days
    picture = model_charts.cumulated(series, "mmc60", CHANGES, FORETOLD)
    sums = [row["sum"] for row in rows_of(picture, "sum")]
    assert sums == pytest.approx([0.02, -0.02, 0.04, 0.04, 0.06])
    last = rows_of(picture, "low", "middle", "high")[-1]
    half = 2 * math.hypot(5 * 0.002, math.sqrt(5) * 0.02)
    assert last["middle"] == pytest.approx(0.05)
    assert (last["low"], last["high"]) == pytest.approx((0.05 - half, 0.05 + half), abs=1e-6)
    texts = {row["text"]: row["day"] for row in rows_of(picture, "text", "code")}
    assert texts == {
        "weights 1210": "2026-01-07",
        "weights 1220, code aaaa1111": "2026-01-08",
        "weights 1230, code bbbb2222": "2026-01-09",
    }
    named = [text for text in Drawing(picture.svg()).texts if text in ("aaaa1111", "bbbb2222")]
    assert named == ["aaaa1111", "bbbb2222"]
    assert picture.result == "The sum is +0.0600 after 5 days; 3 changes of weights."
    plain = model_charts.cumulated(series, "mmc60", [])
    assert rows_of(plain, "middle") == rows_of(plain, "text") == []
    assert plain.subtitle == "As if a round a day had been played."


def test_the_corridor_ends_where_the_difference_to_the_promise_can_be_seen():
    """On the last day the sum leaves it exactly when the mean leaves its interval."""
    series = series_of([0.05] * 10, horizon=1)
    ends = model_charts._corridor(series, FORETOLD)
    error = math.hypot(0.002, 0.02 / math.sqrt(10))
    assert ends["high"][-1] / 10 == pytest.approx(0.01 + 2 * error)


def test_falls_stand_beside_what_chance_makes_of_the_same_days():
    series = series_of(np.random.default_rng(0).normal(size=60))
    fall = drawdown(series)
    picture = model_charts.falls(series, fall, "mmc60")
    drawn = [row["fall"] for row in rows_of(picture, "fall", "day")]
    assert drawn == pytest.approx((-fall.falls).tolist(), abs=1e-6)
    levels = [row["fall"] for row in rows_of(picture, "fall", "text")]
    assert levels == pytest.approx([-fall.expected] * 2 + [-fall.high] * 2, abs=1e-6)
    assert f"deepest {score(-fall.deepest)}" in picture.result
    assert "30 % of its past mean" in picture.subtitle


def test_every_chart_is_valid_vega_lite():
    """Charts are written without Altair's own check, which takes longer than all else."""
    series = series_of([0.01, -0.02, 0.03, 0.0, 0.01])
    drawn = [
        model_charts.day_by_day(rounds(6, [0.1, 0.2]), "mmc60"),
        model_charts.cumulated(series, "mmc60", CHANGES, FORETOLD),
        model_charts.falls(series, drawdown(series), "mmc60"),
    ]
    with alt.data_transformers.enable("default", max_rows=None):
        for picture in drawn:
            picture.chart.to_dict(validate=True)
    assert drawn[1].specification()["datasets"]["rows-0"][0]["day"] >= str(MONDAY)
