from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from numebot_dagster.scoring.allocation import (
    Evidence,
    clusters,
    correlations,
    equal_by_cluster,
    ramp,
    shrunk_covariance,
)


def drawn(eras, models, seed=0, common=0.0):
    """Return independent returns, or with a part that all models share."""
    random = np.random.default_rng(seed)
    return random.normal(size=(eras, models)) + common * random.normal(size=(eras, 1))


def test_the_covariance_is_that_of_ledoit_and_wolf():
    """By the formulas of their paper (2004), section 3.3, with divisions by n."""
    returns = drawn(60, 4, common=1.0) * [1.0, 2.0, 0.5, 1.5]
    centred = returns - returns.mean(axis=0)
    n, p = centred.shape
    sample = centred.T @ centred / n
    mean = np.trace(sample) / p
    target = mean * np.eye(p)
    d2 = np.sum((sample - target) ** 2) / p
    b2 = sum(np.sum((np.outer(row, row) - sample) ** 2) / p for row in centred) / n**2
    share = min(b2, d2) / d2
    assert 0 < share < 1
    assert shrunk_covariance(returns) == pytest.approx(share * target + (1 - share) * sample)


@pytest.mark.parametrize(
    ("pairs", "alike", "labels"),
    [
        ({}, 0.7, [0, 1, 2, 3]),
        ({(0, 2): 0.9}, 0.7, [0, 1, 0, 2]),
        ({(0, 2): 0.9}, 0.95, [0, 1, 2, 3]),
        ({(0, 1): 0.9, (2, 3): 0.8}, 0.7, [0, 0, 1, 1]),
        # 0 and 3 are alike, 3 and 1 too, but not all three on average.
        ({(0, 3): 0.9, (1, 3): 0.8, (0, 1): 0.1}, 0.7, [0, 1, 2, 0]),
        ({(0, 1): -1.0}, 0.7, [0, 1, 2, 3]),
    ],
)
def test_clusters(pairs, alike, labels):
    matrix = np.eye(4)
    for (left, right), value in pairs.items():
        matrix[left, right] = matrix[right, left] = value
    assert clusters(matrix, alike) == labels


def test_fewer_models_than_a_cluster_needs():
    assert clusters(np.eye(1)) == [0]
    assert clusters(np.eye(0)) == []


@pytest.mark.parametrize(
    ("labels", "weights"),
    [([0], [1]), ([0, 1], [0.5, 0.5]), ([0, 0, 1], [0.25, 0.25, 0.5]), ([0, 1, 2, 1], None)],
)
def test_weights_are_equal_by_cluster(labels, weights):
    expected = weights or [1 / 3, 1 / 6, 1 / 3, 1 / 6]
    assert equal_by_cluster(labels).tolist() == pytest.approx(expected)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50))
def test_weights_sum_to_one(labels):
    weights = equal_by_cluster(labels)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()


def test_correlations_are_numpys():
    returns = drawn(50, 3, common=0.5)
    expected = np.corrcoef(returns.T)
    assert correlations(np.cov(returns.T)) == pytest.approx(expected)
    constant = correlations(np.diag([1.0, 0.0]))
    assert constant.tolist() == [[1, 0], [0, 1]]


def test_a_mean_has_students_interval():
    returns = drawn(200, 2)
    evidence = Evidence(returns, overlap=1)
    assert evidence.effective_eras == 200
    for column, mean in zip(returns.T, evidence.means, strict=True):
        low, high = stats.t.interval(0.95, 199, column.mean(), column.std(ddof=1) / np.sqrt(200))
        assert (mean.value, mean.low, mean.high) == pytest.approx((column.mean(), low, high))
    overlapping = Evidence(returns, overlap=12)
    assert overlapping.effective_eras < 20
    assert overlapping.means[0].low < evidence.means[0].low


def test_a_difference_is_seen_only_where_there_is_evidence():
    returns = drawn(400, 5)
    returns[:, 3] += 0.5
    assert Evidence(returns, 1).differences()[3]
    assert not any(Evidence(returns, 400).differences())
    assert not any(Evidence(returns[:, :1], 1).differences())


def test_models_without_a_difference_are_seldom_told_apart():
    apart = [any(Evidence(drawn(120, 6, seed), 1).differences()) for seed in range(200)]
    assert np.mean(apart) < 0.1


def test_the_spread_of_a_shared_stake():
    returns = drawn(300, 4)
    weights = np.full(4, 0.25)
    spread = Evidence(returns, 4).spread_of(weights)
    assert spread.value == pytest.approx((returns @ weights).std(), rel=0.1)
    assert spread.low < spread.value < spread.high
    alone = Evidence(returns, 4).spread_of(np.array([1.0, 0, 0, 0]))
    assert spread.value < alone.value


def test_the_ramp():
    assert ramp(64.0, 64, 64) == [(1, 1.0), (16, 16.0), (32, 32.0), (48, 48.0), (64, 64.0)]
    assert ramp(10.0, 2, 4) == [(1, 2.5), (2, 5.0)]
