"""Paths of open stakes: payouts by hand, quantiles against theory, what moves together."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from numebot_dagster.scoring.luck.curves import LEVELS
from numebot_dagster.scoring.luck.redrawn_days import MEAN_SHARE
from numebot_dagster.scoring.luck.stake_paths import (
    OpenStakes,
    PastDays,
    longest_burn,
    simulate_paths,
)
from tests.support.luck_cases import series_of

H = 4


def stakes(ends_in: list[int], opens_in: list[int] | None = None, **changes: object) -> OpenStakes:
    """Stakes of 1 NMR of the first model, on one metric that is paid once."""
    n = len(ends_in)
    usual = OpenStakes(
        models=np.zeros(n, dtype=int),
        opens_in=np.array(opens_in or [0] * n),
        ends_in=np.array(ends_in),
        heights=np.zeros((n, 1)),
        horizons=np.full(n, H),
        positions=np.ones(n),
        multipliers=np.ones((n, 1)),
        payout_factors=np.ones(n),
        clips=np.full(n, math.inf),
    )
    return replace(usual, **changes)


def steady(*means: float) -> PastDays:
    """Models that earn the same each day."""
    return PastDays.of([[series_of([mean] * 20)] for mean in means])


@pytest.mark.parametrize(
    ("open_stakes", "expected"),
    [
        (stakes([3]), [0, 0, 0, 3 / 2]),  # three days to come over sqrt(4)
        (stakes([3], heights=np.array([[5.0]])), [0, 0, 0, 4]),
        (stakes([6], opens_in=[2]), [0, 0, 0, 0, 0, 0, 2]),
        (stakes([0, 1], heights=np.array([[1.0], [0.0]])), [0.5, 1.0]),
        (stakes([2], positions=np.array([10.0])), [0, 0, 10]),
        (stakes([2], positions=np.array([10.0]), clips=np.array([0.25])), [0, 0, 2.5]),
        (
            stakes([2], multipliers=np.array([[3.0]]), payout_factors=np.array([0.5])),
            [0, 0, 1.5],
        ),
        (stakes([2, 2], models=np.array([0, 1])), [0, 0, 1 - 2]),
    ],
)
def test_what_steady_models_are_paid(open_stakes, expected):
    paths = simulate_paths(steady(1.0, -2.0), open_stakes, draws=5, mean_share=1.0)
    np.testing.assert_array_equal(paths.days, np.arange(len(expected)))
    np.testing.assert_allclose(paths.quantiles, np.tile(expected, (len(LEVELS), 1)))
    assert paths.tail_loss == pytest.approx(expected[-1])
    assert paths.burn_probability == (expected[-1] < 0)


def test_several_metrics_are_paid_together():
    past = PastDays.of([[series_of([1.0] * 9), series_of([-0.5] * 9)]])
    assert past.values.shape == (9, 1, 2)
    open_stakes = stakes([4], heights=np.zeros((1, 2)), multipliers=np.array([[3.0, 15.0]]))
    paths = simulate_paths(past, open_stakes, draws=3, mean_share=1.0)
    assert paths.totals == pytest.approx(2 * (3 - 7.5))


def test_the_mean_is_shrunk_and_says_by_how_much():
    open_stakes = stakes([H])
    usual = simulate_paths(steady(1.0), open_stakes, draws=3)
    assert (usual.mean_share, usual.totals[0]) == (MEAN_SHARE, pytest.approx(MEAN_SHARE * H / 2))
    none = simulate_paths(steady(1.0), open_stakes, draws=3, mean_share=0.0)
    assert none.totals == pytest.approx(0)


def test_rounds_that_overlap_widen_the_band():
    """Sixty rounds of sixty days in a row: the variance of a sum of overlapping sums."""
    pieces = np.random.default_rng(0).normal(size=1000)
    past = PastDays.of([[series_of(pieces)]])
    ends = np.arange(1, 61)
    open_stakes = stakes(list(ends), horizons=np.full(60, 60))
    paths = simulate_paths(past, open_stakes, mean_share=0.0, draws=4000)
    # Day k from today counts in the 61 - k rounds that have not ended.
    std = pieces.std() * math.sqrt((ends**2).sum() / 60)
    assert paths.totals.std() == pytest.approx(std, rel=0.08)
    for level, quantile in zip(LEVELS, paths.quantiles[:, -1], strict=True):
        assert quantile == pytest.approx(std * stats.norm.ppf(level), abs=0.12 * std)
    shortfall = -std * stats.norm.pdf(stats.norm.ppf(0.05)) / 0.05
    assert paths.tail_loss == pytest.approx(shortfall, rel=0.12)
    apart = std / math.sqrt((ends**2).sum() / ends.sum())  # were the rounds drawn one by one
    assert paths.totals.std() > 5 * apart


def test_models_that_move_together_stay_so():
    random = np.random.default_rng(0)
    market, other = random.normal(size=(2, 500))
    alike = PastDays.of([[series_of(market)], [series_of(market)]])
    apart = PastDays.of([[series_of(market)], [series_of(other)]])
    open_stakes = stakes([H, H], models=np.array([0, 1]))
    spreads = [simulate_paths(past, open_stakes).totals.std() for past in (alike, apart)]
    assert spreads[0] / spreads[1] == pytest.approx(math.sqrt(2), rel=0.1)


def test_a_model_that_joined_later_borrows_dates_of_its_own():
    past = PastDays.of([[series_of(np.arange(10.0))], [series_of([7.0, 8.0], first=8)]])
    np.testing.assert_array_equal(past.values[:, 0, 0], np.arange(10))
    assert set(past.values[:8, 1, 0]) == {7.0, 8.0}
    np.testing.assert_allclose(past.borrowed, [[0.0], [0.8]])


def test_a_model_without_a_past_is_refused():
    with pytest.raises(ValueError, match="leave it out"):
        PastDays.of([[series_of([1.0])], [series_of([])]])


def test_chance_is_seeded_and_the_number_of_draws_kept():
    past = PastDays.of([[series_of(np.random.default_rng(0).normal(size=50))]])
    first, again, other = (
        simulate_paths(past, stakes([5]), draws=250, seed=seed).totals for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert len(first) == 250
    assert (first != other).any()


def test_burn_streaks_are_runs_of_days_on_which_rounds_end():
    alternating = PastDays.of([[series_of([1.0, -1.0] * 10)]])
    streaks = simulate_paths(alternating, stakes([1, 2, 3, 4, 5]), draws=9).burn_streaks
    assert set(streaks) == {0, 1}  # every other round ends at 0, which is no burn
    paths = simulate_paths(steady(-1.0), stakes([2, 5, 9]), draws=2, mean_share=1.0)
    np.testing.assert_array_equal(paths.burn_streaks, [3, 3])


@pytest.mark.parametrize(
    ("payouts", "expected"), [([], 0), ([1, 2], 0), ([-1, 1, -1, -2, 0, -1], 2), ([-1, -1], 2)]
)
def test_the_longest_burn_of_the_past(payouts, expected):
    assert longest_burn(np.array(payouts)) == expected
