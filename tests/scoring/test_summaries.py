"""Summaries of era scores: literal values, and what intervals promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.lake import json_records
from numebot_dagster.scoring.summaries import (
    FIGURES,
    Sample,
    Summary,
    autocorrelation_penalty,
    bootstrap_interval,
    effective_sample_size,
    horizon_overlap,
    mean_interval,
    sharpe_interval,
    stds,
    summarise,
)

NAN = math.nan


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
    std = math.sqrt(0.00025)  # squares 1, 4, 4, 1 over 4
    assert summary["std"].value == pytest.approx(std)
    # 3.182446 is Student's 97.5 % quantile with three degrees of freedom.
    half = 3.182446 * std / math.sqrt(3)
    assert summary["mean"] == pytest.approx((0.01, 0.01 - half, 0.01 + half), rel=1e-6)
    assert summary["sharpe"][1:] == sharpe_interval(summary["sharpe"].value, 4)
    # (0.02, -0.01, 0.03) with (-0.01, 0.03, 0.0).
    rho = np.corrcoef([2, -1, 3], [-1, 3, 0])[0, 1]
    assert summary["autocorrelation"].value == pytest.approx(rho)
    penalty = math.sqrt(1 + 2 * (3 / 4 * rho + 2 / 4 * rho**2 + 1 / 4 * rho**3))
    assert summary["smart_sharpe"].value == pytest.approx(0.01 / std / penalty)


FIGURE_CASES = [
    ("mean", [1, 2, 6], 3),
    ("std", [1, 3], 1),
    ("std", [0.1] * 7, 0),  # and not the rounding of the mean
    ("sharpe", [1, 3], 2),
    ("sharpe", [0.1] * 7, NAN),
    ("smart_sharpe", [0.1] * 7, NAN),
    ("smart_sharpe", [1, 3], NAN),
    ("autocorrelation", [1, 3], NAN),
    ("autocorrelation", [1, 2, 3, 4], 1),
    ("autocorrelation", [1, 0.1, 0.1, 0.1], NAN),
    ("max_drawdown", [1, 2, 3], 0),
    ("max_drawdown", [1, -3, 1, -2, 5], 4),
    ("max_drawdown", [-1, -1], 1),  # from the first era on, not from zero
    ("max_drawdown", [-1], 0),
    ("max_drawdown", [0.5, -0.25, 0.5, -0.5], 0.5),
    ("hit_rate", [0.02, -0.01, 0.03, 0.001], 0.75),
    ("hit_rate", [0, -1], 0),  # nothing is earned by zero
    ("hit_rate", [1], 1),
    ("max", [-3, -1, -2], -1),
]


def test_every_figure_has_a_case():
    assert {figure for figure, _, _ in FIGURE_CASES} == FIGURES.keys()


@pytest.mark.parametrize(("figure", "scores", "expected"), FIGURE_CASES)
def test_a_figure_of_scores(figure, scores, expected):
    value = FIGURES[figure].of(np.array(scores, dtype=float))
    assert value == pytest.approx(expected, nan_ok=True)
    assert summarise(scores, 20)[figure].value == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_that_of_each_history(figure):
    histories = np.random.default_rng(1).normal(size=(5, 30))
    together = FIGURES[figure].formula(histories)
    alone = [FIGURES[figure].of(history) for history in histories]
    np.testing.assert_allclose(together, alone)
    assert math.isnan(summarise([np.nan], 20)[figure].value)


@pytest.mark.parametrize(
    ("n", "rho", "expected"),
    [(10, 0, 1), (2, 0.5, math.sqrt(1.5)), (3, 0.5, math.sqrt(1 + 2 * (1 / 3 + 1 / 12)))],
)
def test_autocorrelation_penalty(n, rho, expected):
    assert autocorrelation_penalty(n, np.array([rho])) == pytest.approx(expected)


def test_sharpe_interval_of_lo():
    # At S = 0.5 and 100 observations, Lo's standard error is 0.106.
    low, high = sharpe_interval(0.5, 100)
    assert (high - low) / 2 / 1.96 == pytest.approx(math.sqrt(1.125 / 100), rel=1e-4)
    assert (low + high) / 2 == pytest.approx(0.5)


def test_too_few_scores_make_no_interval():
    assert summarise([np.nan], 20).n == 0
    assert summarise([0.01], 20)["mean"] == pytest.approx((0.01, NAN, NAN), nan_ok=True)
    assert summarise([0.1] * 7, 20)["mean"] == pytest.approx((0.1, 0.1, 0.1))


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
    value, low, high = summary["std"]
    assert low < 0.02 < high < low + 0.008
    value, low, high = summary["smart_sharpe"]
    assert low < value < high
    _, low, high = summary["max_drawdown"]
    assert 0 <= low < high
    # Whatever is drawn of equal scores is the same again; below two stretches nothing is said.
    total = bootstrap_interval(lambda drawn: drawn.sum(axis=1), Sample(np.ones(40), 2))
    assert total == (40, 40)
    assert all(map(math.isnan, bootstrap_interval(stds, Sample(np.ones(15), 4))))


@pytest.mark.parametrize("overlap", [1, 4])
def test_the_spread_lies_in_its_interval_about_as_often_as_promised(overlap):
    random = np.random.default_rng(overlap)
    n, trials, hits = 400, 40, 0
    for _ in range(trials):
        weeks = random.normal(size=n + overlap - 1)
        scores = np.convolve(weeks, np.ones(overlap), mode="valid")
        low, high = bootstrap_interval(stds, Sample(scores, overlap))
        hits += low <= math.sqrt(overlap) <= high
    assert hits / trials > 0.8  # quantile intervals of short histories are somewhat narrow


def test_a_summary_is_stored_with_whole_counts_and_without_nan():
    summary = summarise([0.02, -0.01], 20)
    stored = json_records.as_dict(summary)
    assert (stored["n"], type(stored["n"]), stored["max_low"]) == (2, int, None)
    again = json_records.parse(json_records.dump(summary), Summary)
    assert json_records.as_dict(again) == stored
