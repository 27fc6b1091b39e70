"""The bound of sums: its formula, its best place, and that it is an interval's edge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.scoring.luck.sequential import (
    Observations,
    confidence_interval,
    mixing_scale,
    mixture_bound,
    observations_needed,
)


def observations(values: np.ndarray, warm_up: int = 30) -> Observations:
    return Observations(values, np.ones(len(values)), warm_up, tightest=250)


def test_the_bound_is_where_the_mixture_reaches_one_over_the_level():
    """The mixture of exp(l S - l^2 V / 2) over l ~ N(0, 1 / r), by numerical integration."""
    variation, scale = 7.0, 3.0
    bound = float(mixture_bound(np.array(variation), scale))
    slopes = np.linspace(-12, 12, 200_001)
    density = np.exp(-scale * slopes**2 / 2) * math.sqrt(scale / (2 * math.pi))
    mixture = np.trapezoid(np.exp(slopes * bound - slopes**2 * variation / 2) * density, slopes)
    assert mixture == pytest.approx(1 / 0.05)


def test_no_other_scale_is_tighter_where_it_should_be_tightest():
    tuned = mixing_scale(1.0, 250)
    bounds = [mixture_bound(np.array(250.0), tuned * factor) for factor in (0.8, 1, 1.25)]
    assert min(bounds) == bounds[1]
    assert bounds[1] / math.sqrt(250) == pytest.approx(3.03, abs=0.01)


@given(st.integers(0, 1000), st.floats(-1, 1))
def test_the_interval_holds_the_means_within_the_bound(seed, mean):
    sample = observations(np.random.default_rng(seed).standard_t(3, size=60) + mean)
    low, high = confidence_interval(sample)
    assert low < sample.values.mean() < high
    width = high - low
    for edge, outwards in ((low, -1), (high, 1)):
        assert sample.beyond(edge + outwards * 1e-3 * width) > 0
        assert sample.beyond(edge - outwards * 1e-3 * width) < 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5] * 40, (0.5, 0.5)),
        ([0.0] * 40, (0, 0)),
        ([1.0, -1.0, 2.0, 0.5], (-math.inf, math.inf)),
    ],
)
def test_intervals_of_no_spread_and_of_very_few(values, expected):
    assert confidence_interval(observations(np.array(values), warm_up=4)) == expected


def test_gaps_count_as_the_days_that_they_span():
    pieces = np.random.default_rng(0).normal(0.5, 1, size=400)
    spans = np.repeat([1.0, 2.0], [200, 100])
    values = np.concatenate([pieces[:200], pieces[200:].reshape(-1, 2).sum(axis=1)])
    low, high = confidence_interval(Observations(values, spans, 30, 250))
    assert low < 0.5 < high
    assert (low + high) / 2 == pytest.approx(pieces.mean(), abs=0.02)


@given(st.floats(0.01, 2.0), st.sampled_from([-1, 1]))
def test_the_observations_needed_are_the_fewest_that_do(mean, sign):
    scale = mixing_scale(1 + mean**2, 250)
    n = observations_needed(sign * mean, 1.0, scale, 0.8416)

    def margin(count: float) -> float:
        likely = mean * count - 0.8416 * math.sqrt(count)
        return likely - float(mixture_bound(np.array(count * (1 + mean**2)), scale))

    assert margin(n) >= 0
    assert margin(n - 2) < 0


def test_no_mean_is_never_told():
    assert observations_needed(0.0, 1.0, 1.0, 0.84) == math.inf
