"""How alike predictions are, by hand and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from numebot_dagster.scoring.likeness import Likeness, rank_correlations

NAN = math.nan
# Two that are nearly one, one that is like both, and one that is another bet.
FOUR = Likeness(
    np.array(
        [[1.0, 0.0, 0.97, 0.8], [0.0, 1.0, 0.1, NAN], [0.97, 0.1, 1.0, 0.75], [0.8, NAN, 0.75, 1.0]]
    )
)


def test_correlations_are_spearmans_on_the_rows_that_all_have():
    values = np.random.default_rng(3).integers(0, 40, (200, 4)).astype(float)
    values[:20, 2] = NAN
    expected = spearmanr(values[20:]).statistic
    np.testing.assert_allclose(rank_correlations(values), expected)


@pytest.mark.parametrize(
    "values", [[[1.0, NAN], [2.0, NAN]], [[0.5, 0.1]], [[0.5, 1.0], [0.5, 2.0], [0.5, 3.0]]]
)
def test_what_cannot_be_correlated_is_not_a_number(values):
    assert math.isnan(rank_correlations(np.array(values))[0, 1])


def test_models_that_are_alike_stand_together():
    assert {frozenset(group) for group in FOUR.groups()} == {frozenset({0, 2, 3}), frozenset({1})}
    assert sorted(FOUR.order()) == [0, 1, 2, 3]
    assert abs(FOUR.order().index(0) - FOUR.order().index(2)) == 1
    assert FOUR.duplicates() == [(0, 2, 0.97)]


@pytest.mark.parametrize(
    ("stakes", "bets"),
    [((1, 0, 0, 0), 1.0), ((2, 2, 0, 0), 2.0), ((1, 0, 1, 0), 4 / 3.94), ((0, 0, 0, 0), 0.0)],
)
def test_stakes_on_the_same_bet_count_as_few(stakes, bets):
    assert FOUR.bets(stakes) == pytest.approx(bets)


def test_each_model_is_compared_with_what_the_stake_is_on():
    shared = FOUR.with_the_stake((1, 1, 0, 0))
    assert shared[0] == shared[1] == pytest.approx(math.sqrt(0.5))
    assert shared[2] == pytest.approx((0.97 + 0.1) / math.sqrt(2))
    assert np.isnan(FOUR.with_the_stake((0, 0, 0, 0))).all()


@pytest.mark.parametrize("count", [1, 2])
def test_few_models_have_an_order(count):
    alone = Likeness(np.eye(count))
    assert alone.order() == list(range(count))
    assert alone.groups() == [[place] for place in range(count)]


@given(st.lists(st.floats(0, 1e4), min_size=5, max_size=5), st.integers(0, 99))
def test_a_stake_is_at_least_one_bet_where_no_model_opposes_another(stakes, seed):
    factors = np.random.default_rng(seed).random((5, 30))
    alike = Likeness(np.clip(rank_correlations(factors.T), 0, 1))
    count = alike.bets(stakes)
    assert count == 0 or 1 - 1e-9 <= count <= 5 + 1e-9
