"""Expected curves, running rounds and drawdowns, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numebot_dagster.scoring.luck.curves import drawdown, expected_curve, running_rounds
from tests.support.luck_cases import NAN, scores_of, series_of

PAST = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.1], [0.2, NAN, 0.2]]


def test_the_curve_is_that_of_resolved_rounds():
    curve = expected_curve(scores_of([*PAST, [9.0, 9.0, NAN]]))
    np.testing.assert_array_equal(curve.days, [1, 2, 3])
    np.testing.assert_allclose(curve.quantiles[:, 0], [0.11, 0.15, 0.2, 0.25, 0.29])
    assert (curve.rounds, curve.independent_rounds) == (3, 1)


def test_without_a_resolved_round_there_is_no_curve():
    assert expected_curve(scores_of([[0.1, NAN, NAN]])) is None
    assert expected_curve(scores_of(np.empty((0, 3)))) is None


@pytest.mark.parametrize(
    ("running", "day", "share", "is_in_band"),
    [
        ([0.25], 1, 2 / 3, True),
        ([0.2], 1, 0.5, True),
        ([0.2, 0.1], 2, 0.0, False),
        ([NAN, 0.35], 2, 0.5, True),
        ([0.2, 0.5], 2, 1.0, False),
    ],
)
def test_where_a_running_round_stands(running, day, share, is_in_band):
    scores = scores_of([*PAST, running + [NAN] * (3 - len(running))])
    (standing,) = running_rounds(scores, expected_curve(scores))
    assert (standing.round_number, standing.day, standing.score) == (103, day, running[-1])
    assert standing.share_below == pytest.approx(share)
    assert standing.is_in_band is is_in_band


def test_a_day_that_no_past_round_has_compares_with_nothing():
    scores = scores_of([[0.1, NAN, 0.3], [0.2, 0.3, NAN]])
    curve = expected_curve(scores)
    assert math.isnan(curve.quantiles[0, 1])
    (standing,) = running_rounds(scores, curve)
    assert math.isnan(standing.share_below)
    assert not standing.is_in_band


@pytest.mark.parametrize(
    ("values", "now", "deepest"),
    [([1.0, 2.0], 0, 0), ([-1.0, 0.5], 0.5, 1), ([2.0, -3.0, 1.0, 3.0, -1.0], 1, 3)],
)
def test_falls_are_counted_from_the_start_and_every_peak(values, now, deepest):
    fall = drawdown(series_of(values, horizon=4))
    assert (fall.now, fall.deepest) == (2 * now, 2 * deepest)  # in final scores: sqrt(4)


def test_the_expected_drawdown_is_that_of_random_walks():
    """Without drift it nears sqrt(pi / 2) sqrt(n) (Magdon-Ismail et al., 2004), from below."""
    steps = np.random.default_rng(0).normal(size=2000)
    fall = drawdown(series_of(steps, horizon=1), mean_share=0.0)
    assert fall.expected == pytest.approx(math.sqrt(math.pi / 2 * 2000), rel=0.08)
    assert fall.expected < fall.high
    assert fall.mean_share == 0
    assert drawdown(series_of(steps + 0.1, horizon=1), mean_share=1.0).expected < fall.expected


def test_chance_is_seeded():
    steps = series_of(np.random.default_rng(0).normal(size=50))
    first, again, other = (drawdown(steps, seed=seed).high for seed in (1, 1, 2))
    assert first == again != other
    assert drawdown(series_of([])) is None
