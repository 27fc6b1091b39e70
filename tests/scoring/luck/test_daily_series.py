"""The daily series by hand: pieces, gaps, dates that count, and averages by day first."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.scoring.luck.daily_series import (
    LEAST_RUNNING,
    RoundScores,
    aligned,
    balanced_series,
    daily_series,
)
from tests.support.luck_cases import MONDAY, NAN, from_pieces, scores_of, series_of

ROOT2, ROOT3 = math.sqrt(2), math.sqrt(3)


def test_columns_become_a_table_in_any_order():
    scores = RoundScores.from_columns(
        [8, 7, 7, 8], [1, 2, 1, 2], MONDAY + np.array([1, 1, 0, 2]), [0.3, 0.2, 0.1, NAN], 3
    )
    np.testing.assert_array_equal(scores.rounds, [7, 8])
    np.testing.assert_array_equal(scores.values, [[0.1, 0.2, NAN], [0.3, NAN, NAN]])
    np.testing.assert_array_equal(scores.dates, MONDAY + np.arange(2))
    np.testing.assert_array_equal(scores.date_of[:, :1], [[0], [1]])
    assert scores.horizon == 3


@pytest.mark.parametrize(
    ("rounds", "days", "message"),
    [([1, 1], [1, 1], "two scores of one day"), ([1, 1], [1, 4], "1 to 3"), ([1, 1], [0, 1], "0")],
)
def test_columns_that_cannot_be(rounds, days, message):
    with pytest.raises(ValueError, match=message):
        RoundScores.from_columns(rounds, days, MONDAY + np.arange(2), [0.1, 0.2], 3)


# Rounds by day, the mean pieces by date, and the days that they span.
SERIES_CASES = [
    ([[1.0, 2.0]], [1, 2 * ROOT2 - 1], [1, 1]),
    ([[1.0, NAN, 2.0]], [1, 2 * ROOT3 - 1], [1, 2]),  # a gap belongs to its last day
    ([[NAN, 2.0]], [2 * ROOT2], [2]),
    ([[1.0, 2.0], [3.0, NAN]], [1, (2 * ROOT2 - 1 + 3) / 2], [1, 1]),
    ([[1.0, 1.0], [NAN, 2.0]], [1, ROOT2 - 1, 2 * ROOT2], [1, 1, 2]),
]


@pytest.mark.parametrize(("table", "values", "spans"), SERIES_CASES)
def test_a_daily_series(table, values, spans):
    series = daily_series(scores_of(table))
    np.testing.assert_allclose(series.values, values)
    np.testing.assert_allclose(series.spans, spans)
    np.testing.assert_allclose(series.weights, 1 / sum(spans))
    assert series.mean == pytest.approx(sum(values) / sum(spans))


def test_no_scores_make_no_dates():
    scores = scores_of(np.empty((0, 4)))
    for series in (daily_series(scores), balanced_series(scores)):
        assert len(series.dates) == 0
        assert math.isnan(series.std)
    assert len(scores.finals) == 0


@given(st.lists(st.floats(-1, 1), min_size=30, max_size=60), st.integers(2, 12))
def test_what_all_rounds_earn_is_the_series(pieces, horizon):
    series = daily_series(from_pieces(np.array(pieces), horizon, len(pieces)))
    np.testing.assert_allclose(series.values, pieces, atol=1e-12)


def test_dates_with_few_rounds_count_only_when_there_are_no_others():
    pieces = np.arange(40.0)
    few = daily_series(from_pieces(pieces, LEAST_RUNNING - 1, 40))
    assert len(few.dates) == 40
    enough = daily_series(from_pieces(pieces, LEAST_RUNNING, 40))
    np.testing.assert_allclose(enough.values, pieces[LEAST_RUNNING - 1 :])
    assert enough.running.min() == LEAST_RUNNING


def test_a_series_does_not_change_when_days_follow():
    pieces = np.random.default_rng(0).normal(size=80)
    whole = daily_series(from_pieces(pieces, 25, 80))
    before = daily_series(from_pieces(pieces[:50], 25, 50))
    np.testing.assert_allclose(whole.values[: len(before.values)], before.values)


def decaying(dates: int, horizon: int) -> RoundScores:
    """Each round earns 1 on day 1, 1/2 on day 2, 1/3 on day 3."""
    earned = np.cumsum(1 / np.arange(1, horizon + 1)) / np.sqrt(np.arange(1, horizon + 1))
    age = np.arange(dates)[::-1, np.newaxis]
    return scores_of(np.where(np.arange(horizon) <= age, earned, NAN))


def test_early_pieces_do_not_outweigh_late_ones_in_the_first_dates():
    horizon = 30
    right = np.mean(1 / np.arange(1, horizon + 1))
    plain, balanced = daily_series(decaying(30, horizon)), balanced_series(decaying(30, horizon))
    assert plain.mean > 1.15 * right
    assert balanced.mean == pytest.approx(right)
    assert balanced.by_day_first
    assert balanced.size < len(balanced.dates)
    assert balanced.weights @ balanced.spans == pytest.approx(1)
    later = balanced_series(decaying(300, horizon))
    assert not later.by_day_first
    assert later.size == len(later.dates)


def test_the_spread_of_a_day_allows_for_gaps():
    random = np.random.default_rng(0)
    pieces = random.normal(0.2, 1.0, size=4000)
    values = np.concatenate([pieces[:2000], pieces[2000:].reshape(-1, 2).sum(axis=1)])
    spans = np.repeat([1.0, 2.0], [2000, 1000])
    series = series_of(values)
    gaps = type(series)(
        **{**vars(series), "spans": spans, "weights": np.full(3000, 1 / spans.sum())}
    )
    assert gaps.mean == pytest.approx(0.2, abs=0.04)
    assert gaps.std == pytest.approx(1.0, abs=0.03)


def test_series_are_aligned_by_date():
    dates, values = aligned([series_of([1, 2]), series_of([3, 4], first=1)])
    np.testing.assert_array_equal(dates, MONDAY + np.arange(3))
    np.testing.assert_array_equal(values, [[1, NAN], [2, 3], [NAN, 4]])
    assert aligned([])[1].size == 0
