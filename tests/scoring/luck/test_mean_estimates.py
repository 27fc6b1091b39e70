"""Estimates of means by hand, against scipy, and as they are compared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.overlapping_rounds import with_mean
from numebot_dagster.scoring.luck.daily_series import RoundScores, balanced_series
from numebot_dagster.scoring.luck.mean_estimates import (
    MeanEstimate,
    Method,
    Promise,
    compare_with_promise,
    estimate_by_date,
    estimate_by_independent_round,
    estimate_mean,
    independent_rounds,
)
from numebot_dagster.scoring.summaries import summarise
from tests.support.luck_cases import NAN, from_pieces, scores_of


def estimate(value: float = 0.01, error: float = 0.005, **changes: object) -> MeanEstimate:
    fields = {
        "value": value, "standard_error": error, "freedom": 99.0, "dates": 100,
        "independent_rounds": 1.5, "method": Method.BY_DATE, "reason": "",
    }  # fmt: skip
    return MeanEstimate(**{**fields, **changes})


def test_by_date_it_is_the_t_test_of_the_pieces():
    pieces = np.random.default_rng(0).normal(0.1, 1, size=200)
    scores = from_pieces(pieces, 25, 200)
    used = pieces[19:]
    expected = stats.ttest_1samp(used, 0)
    low, high = expected.confidence_interval()
    result = estimate_by_date(scores)
    assert result.value == pytest.approx(5 * used.mean())
    assert (result.low, result.high) == pytest.approx((5 * low, 5 * high))
    assert result.p_value == pytest.approx(expected.pvalue)
    assert (result.dates, result.freedom) == (181, pytest.approx(180))
    assert result.independent_rounds == pytest.approx(176 / 25)


def test_the_first_dates_say_less_than_their_number():
    scores = from_pieces(np.random.default_rng(0).normal(size=50), 60, 50)
    result = estimate_by_date(scores)
    assert result.freedom + 1 == pytest.approx(balanced_series(scores).size)
    assert result.freedom + 1 < result.dates == 31
    assert "averaged by day of the round first" in result.reason


def test_by_independent_round_n_rounds_count_as_n_over_h():
    finals = np.random.default_rng(0).normal(size=30)
    scores = scores_of(np.column_stack([np.full((30, 4), NAN), finals]))
    result = estimate_by_independent_round(scores)
    assert result.independent_rounds == 30 / 5
    error = finals.std(ddof=1) / math.sqrt(6)
    assert result.value == pytest.approx(finals.mean())
    assert result.high == pytest.approx(finals.mean() + stats.t.ppf(0.975, 5) * error)


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        ([0], 0.2),
        ([0, 1, 2, 3, 4], 1),
        ([0, 4, 8], 9 / 5),
        ([0, 20, 40], 3),  # never more than there are
    ],
)
def test_independent_rounds(opened, expected):
    daily = scores_of(np.full((41, 5), 0.3))
    played = (daily.values[opened], daily.date_of[opened])
    rarely = RoundScores(daily.rounds[opened], daily.dates, *played)
    assert independent_rounds(rarely) == pytest.approx(expected)


def test_the_conservative_estimate_stands_where_days_depend_on_each_other():
    random = np.random.default_rng(0)
    shocks = random.normal(size=400)
    sound, dependent = shocks[1:], shocks[1:] + shocks[:-1]
    assert estimate_mean(from_pieces(sound, 60, 399)).method is Method.BY_DATE
    result = estimate_mean(from_pieces(dependent, 60, 399))
    assert result.method is Method.BY_INDEPENDENT_ROUND
    assert "days 1 apart are correlated" in result.reason


@pytest.mark.parametrize("table", [np.empty((0, 5)), [[0.1, NAN]]])
def test_too_little_makes_no_interval(table):
    for make in (estimate_mean, estimate_by_date, estimate_by_independent_round):
        result = make(scores_of(table))
        for figure in (result.low, result.p_value, result.smallest_visible):
            assert math.isnan(figure)


def test_the_smallest_visible_mean_is_seen_with_its_power():
    result = estimate(freedom=99.0, error=0.005)
    shift = result.smallest_visible / 0.005
    power = stats.nct.sf(stats.t.ppf(0.975, 99), 99, shift)
    assert power == pytest.approx(0.8, abs=0.005)


def test_against_the_promise_both_are_uncertain():
    compared = compare_with_promise(
        estimate(0.01, 0.004, freedom=99.0), Promise(0.02, 0.003, freedom=9.0)
    )
    assert compared.value == pytest.approx(-0.01)
    assert compared.standard_error == pytest.approx(0.005)
    assert compared.freedom == pytest.approx(0.005**4 / (0.004**4 / 99 + 0.003**4 / 9))


def test_a_promise_is_the_mean_of_validation_with_its_error():
    eras = np.random.default_rng(0).normal(0.02, 0.015, size=100)
    summary = summarise(eras, horizon_days=60)
    promise = Promise.of(summary)
    assert promise.value == pytest.approx(eras.mean())
    assert promise.freedom == summary.effective_n - 1
    error = eras.std() / math.sqrt(summary.effective_n - 1)
    assert promise.standard_error == pytest.approx(error)


@given(st.floats(-0.05, 0.05))
def test_a_mean_that_is_added_is_estimated(mean):
    pieces = np.random.default_rng(0).normal(0, 0.01, size=90)
    table = from_pieces(pieces, 30, 90)
    shifted = scores_of(with_mean(table.values, mean))
    before, after = estimate_by_date(table), estimate_by_date(shifted)
    assert after.value - before.value == pytest.approx(mean)
    assert after.standard_error == pytest.approx(before.standard_error)
