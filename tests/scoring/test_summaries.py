"""Summaries of era scores: literal values, and what intervals promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.scoring.summaries import (
    autocorrelation_penalty,
    bootstrap_interval,
    effective_sample_size,
    horizon_overlap,
    max_drawdown,
    mean_interval,
    sharpe_interval,
    summarise,
)


@pytest.mark.parametrize(("days", "eras"), [(20, 4), (60, 12), (5, 1), (1, 1), (21, 5)])
def test_weekly_eras_that_a_target_spans(days, eras):
    assert horizon_overlap(days) == eras


@pytest.mark.parametrize(
    ("n", "overlap", "expected"),
    [
        (100, 1, 100),
        (1, 12, 1),
        (2, 2, 2 / 1.5),  # 1 + 2 (1/2)(1/2)
        (4, 2, 4 / 1.75),  # 1 + 2 (3/4)(1/2)
        (3, 4, 3 / (1 + 2 * (2 / 3 * 3 / 4 + 1 / 3 * 2 / 4))),
    ],
)
def test_effective_sample_size(n, overlap, expected):
    assert effective_sample_size(n, overlap) == pytest.approx(expected)


@given(st.integers(1, 3000), st.integers(1, 30))
def test_overlapping_eras_say_no_more_than_all_and_no_less_than_separate_ones(n, overlap):
    effective = effective_sample_size(n, overlap)
    assert max(1, n / overlap) <= effective + 1e-9 <= n + 2e-9


def test_many_overlapping_eras_say_what_separate_ones_would():
    assert effective_sample_size(100_000, 12) == pytest.approx(100_000 / 12, rel=1e-3)


def test_a_summary_by_hand():
    summary = summarise([0.02, -0.01, np.nan, 0.03, 0.0], horizon_days=5)
    assert summary.n == 4
    assert summary.effective_n == 4
    assert summary.mean == pytest.approx(0.01)
    assert summary.std == pytest.approx(math.sqrt(0.00025))  # squares 1, 4, 4, 1 over 4
    assert summary.sharpe == pytest.approx(0.01 / math.sqrt(0.00025))
    assert summary.max_drawdown == pytest.approx(0.01)  # 0.02 falls to 0.01
    # 3.182446 is Student's 97.5 % quantile with three degrees of freedom.
    half = 3.182446 * math.sqrt(0.00025) / math.sqrt(3)
    assert summary.mean_low == pytest.approx(0.01 - half, rel=1e-6)
    assert summary.mean_high == pytest.approx(0.01 + half, rel=1e-6)
    # (0.02, -0.01, 0.03) with (-0.01, 0.03, 0.0).
    rho = np.corrcoef([2, -1, 3], [-1, 3, 0])[0, 1]
    assert summary.autocorrelation == pytest.approx(rho)
    penalty = math.sqrt(1 + 2 * (3 / 4 * rho + 2 / 4 * rho**2 + 1 / 4 * rho**3))
    assert summary.smart_sharpe == pytest.approx(summary.sharpe / penalty)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1, 2, 3], 0),
        ([1, -3, 1, -2, 5], 4),
        ([-1, -1], 1),  # from the first era on, not from zero
        ([-1], 0),
        ([0.5, -0.25, 0.5, -0.5], 0.5),
    ],
)
def test_max_drawdown(scores, expected):
    assert max_drawdown(np.array(scores, dtype=float)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n", "rho", "expected"),
    [(10, 0, 1), (2, 0.5, math.sqrt(1.5)), (3, 0.5, math.sqrt(1 + 2 * (1 / 3 + 1 / 12)))],
)
def test_autocorrelation_penalty(n, rho, expected):
    assert autocorrelation_penalty(n, rho) == pytest.approx(expected)


def test_sharpe_interval_of_lo():
    # At S = 0.5 and 100 observations, Lo's standard error is 0.106.
    low, high = sharpe_interval(0.5, 100)
    assert (high - low) / 2 / 1.96 == pytest.approx(math.sqrt(1.125 / 100), rel=1e-4)
    assert (low + high) / 2 == pytest.approx(0.5)


def test_too_few_scores_make_no_interval():
    nothing = summarise([np.nan], 20)
    assert nothing.n == 0
    assert math.isnan(nothing.mean)
    single = summarise([0.01], 20)
    assert (single.n, single.mean, single.std, single.max_drawdown) == (1, 0.01, 0, 0)
    assert math.isnan(single.sharpe)
    assert math.isnan(single.mean_low)
    same = summarise([0.1] * 7, 20)
    assert same.std == 0
    assert math.isnan(same.sharpe)
    assert math.isnan(same.smart_sharpe)
    assert same.mean_low == same.mean_high == same.mean


@pytest.mark.parametrize("overlap", [1, 4, 12])
def test_the_mean_lies_in_its_interval_as_often_as_promised(overlap):
    random = np.random.default_rng(overlap)
    n, trials, hits = 150, 2000, 0
    weeks = random.normal(size=(trials, n + overlap - 1))
    weights = np.ones(overlap)
    for returns in weeks:
        scores = np.convolve(returns, weights, mode="valid")  # each era adds up `overlap` weeks
        low, high = mean_interval(scores.mean(), scores.std(), effective_sample_size(n, overlap))
        hits += low <= 0 <= high
    assert hits / trials == pytest.approx(0.95, abs=0.025)


def test_intervals_of_what_has_no_formula():
    random = np.random.default_rng(3)
    summary = summarise(random.normal(0.02, 0.02, size=400), horizon_days=20)
    assert summary.std_low < 0.02 < summary.std_high
    assert summary.std_high - summary.std_low < 0.008
    assert summary.smart_sharpe_low < summary.smart_sharpe < summary.smart_sharpe_high
    assert 0 <= summary.max_drawdown_low < summary.max_drawdown_high
    # Whatever is drawn of equal scores is the same again; below two stretches nothing is said.
    assert bootstrap_interval(np.ones(40), 2, lambda drawn: drawn.sum(axis=1)) == (40, 40)
    assert all(map(math.isnan, bootstrap_interval(np.ones(15), 4, lambda drawn: drawn[:, 0])))


@pytest.mark.parametrize("overlap", [1, 4])
def test_the_spread_lies_in_its_interval_about_as_often_as_promised(overlap):
    random = np.random.default_rng(overlap)
    n, trials, hits = 400, 40, 0
    for _ in range(trials):
        weeks = random.normal(size=n + overlap - 1)
        scores = np.convolve(weeks, np.ones(overlap), mode="valid")
        low, high = bootstrap_interval(scores, overlap, lambda drawn: drawn.std(axis=1))
        hits += low <= math.sqrt(overlap) <= high
    assert hits / trials > 0.8  # quantile intervals of short histories are somewhat narrow
