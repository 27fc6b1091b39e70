"""Corrections for many models, by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from numebot_dagster.scoring.luck.many_models import (
    difference,
    group_models,
    q_values,
)
from numebot_dagster.scoring.luck.verdicts import Skill
from tests.support.luck_cases import NAN, series_of


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.04, 0.04]),
        ([0.01, NAN, 0.2], [0.02, NAN, 0.2]),
        ([NAN], [NAN]),
        ([], []),
    ],
)
def test_q_values(p_values, expected):
    np.testing.assert_allclose(q_values(np.array(p_values)), expected)


def groups_of(*values):
    """Return the groups of models, which are named by their places."""
    series = {f"{place}": series_of(each) for place, each in enumerate(values)}
    pairs = {
        (name, other): difference(series[name], series[other])
        for name in series
        for other in series
        if name != other
    }
    return group_models(series, pairs)


def test_groups_are_those_that_cannot_be_told_apart_from_their_best():
    random = np.random.default_rng(0)
    market = random.normal(size=200)
    own = random.normal(0, 0.1, size=(5, 200))
    means = (0.5, -0.5, 0.51, -0.5, 0.0)
    values = [market + noise + mean for noise, mean in zip(own, means, strict=True)]
    groups = groups_of(*values, market[:29])
    assert [set(group) for group in groups.groups] == [{"0", "2"}, {"4"}, {"1", "3"}]
    assert groups.unplaced == ("5",)
    best = [values[int(group[0])].mean() for group in groups.groups]
    assert best == sorted(best, reverse=True)


def test_models_without_skill_are_split_rarely_however_often_one_looks():
    """A test made for one look splits as many as one pair in five in a year of looks."""
    split = 0
    for seed in range(100):
        values = np.random.default_rng(seed).standard_t(4, size=(2, 250))
        split += any(len(groups_of(*values[:, :days]).groups) > 1 for days in range(30, 251, 20))
    assert split <= 5


def test_differences_whose_days_depend_on_each_other_split_no_models():
    slow = np.cumsum(np.random.default_rng(3).normal(size=200))
    fast = np.random.default_rng(4).normal(size=200)
    assert len(groups_of(fast + slow - slow.min(), fast).groups) == 1
    assert len(groups_of(fast + 3 + slow * 0, fast + fast[::-1]).groups) == 2


def test_no_models_make_no_groups():
    assert groups_of().groups == ()


def test_two_models_are_compared_on_the_dates_that_both_have():
    random = np.random.default_rng(2)
    market = random.normal(0, 5, size=120)  # what both share cannot be seen in the difference
    first = market + random.normal(0.5, 1, size=120)
    second = market[20:] + random.normal(0, 1, size=100)
    compared = difference(series_of(first), series_of(second, first=20))
    test = stats.ttest_rel(first[20:], second)
    interval = test.confidence_interval(0.95)
    assert compared.dates == 100
    assert compared.p_value == pytest.approx(test.pvalue)
    assert compared.value - compared.half_width == pytest.approx(2 * interval.low)
    assert compared.value + compared.half_width == pytest.approx(2 * interval.high)
    assert compared.skill is Skill.BETTER
    turned = difference(series_of(second, first=20), series_of(first))
    assert turned == compared.reversed()


@pytest.mark.parametrize(
    ("values", "others", "skill", "p_value"),
    [
        ([1.0] * 29, [0.0] * 29, Skill.TOO_EARLY, NAN),
        ([1.0, 0.0] * 20, [1.0, 0.0] * 20, Skill.NOT_TOLD_APART, 1.0),
        ([1.0] * 20 + [0.0] * 20, [0.5] * 40, Skill.NOT_TOLD_APART, NAN),  # days that depend
    ],
)
def test_differences_of_which_little_can_be_said(values, others, skill, p_value):
    compared = difference(series_of(values), series_of(others))
    assert compared.skill is skill
    assert compared.p_value == pytest.approx(p_value, nan_ok=True)
