"""Splits in time, by literal calendars and by what must hold for any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numebot_dagster.modeling.splits import HELD_OUT_ERAS, EraSplit, WalkForward, purge_eras


def spans(walk: WalkForward, eras: range) -> list[tuple[int, int, int, int]]:
    return [
        (step.train[0], step.train[-1], step.test[0], step.test[-1])
        for step in walk.split_eras(eras)
    ]


def test_numerais_own_calendar() -> None:
    walk = WalkForward(test_eras=156, purge_eras=8, first_test_era=157)
    assert spans(walk, range(1, 601)) == [
        (1, 148, 157, 312),
        (1, 304, 313, 468),
        (1, 460, 469, 600),
    ]


def test_a_rolling_calendar() -> None:
    walk = WalkForward(test_eras=156, purge_eras=8, train_eras=100)
    assert spans(walk, range(1, 601)) == [
        (1, 100, 109, 264),
        (157, 256, 265, 420),
        (313, 412, 421, 576),
        (469, 568, 577, 600),
    ]


def test_an_expanding_training_starts_as_long_as_a_test_window() -> None:
    assert list(WalkForward(test_eras=3, purge_eras=2).split_eras(range(11, 22))) == [
        EraSplit(train=(11, 12, 13), test=(16, 17, 18)),
        EraSplit(train=(11, 12, 13, 14, 15, 16), test=(19, 20, 21)),
    ]


def test_lengths_are_weeks_whatever_eras_are_there() -> None:
    thinned = range(1, 41, 4)
    assert list(WalkForward(test_eras=12, purge_eras=8, train_eras=10).split_eras(thinned)) == [
        EraSplit(train=(1, 5, 9), test=(21, 25, 29)),  # 19 to 30
        EraSplit(train=(13, 17, 21), test=(33, 37)),  # 31 to 42
    ]


def test_a_window_without_eras_is_passed_over() -> None:
    eras = [1, 2, 3, 4, 5, 12, 13]
    assert list(WalkForward(test_eras=2, purge_eras=1).split_eras(eras)) == [
        EraSplit(train=(1, 2), test=(4, 5)),
        EraSplit(train=(1, 2, 3, 4, 5), test=(12, 13)),
    ]


@pytest.mark.parametrize(
    ("walk", "eras", "message"),
    [
        (WalkForward(4, 2), range(1, 6), "hold no test window, which would start at 7"),
        (WalkForward(4, 2, first_test_era=3), range(1, 9), "nothing is left to train on"),
        (WalkForward(4, 2), [], "there are no eras"),
    ],
)
def test_too_few_eras_are_refused(walk: WalkForward, eras: range, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(walk.split_eras(eras))


@pytest.mark.parametrize("wrong", [(0, 8), (4, -1), (4, 8, 0)])
def test_impossible_lengths_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a window has at least one era"):
        WalkForward(*wrong)


@given(
    eras=st.sets(st.integers(1, 120), min_size=1),
    test=st.integers(1, 30),
    purge=st.integers(0, 20),
    train=st.none() | st.integers(1, 40),
)
def test_nothing_within_the_purge_is_trained_on_and_tests_follow_in_order(
    eras: set[int], test: int, purge: int, train: int | None
) -> None:
    walk = WalkForward(test_eras=test, purge_eras=purge, train_eras=train)
    try:
        steps = list(walk.split_eras(sorted(eras)))
    except ValueError:
        assume(False)
    for step in steps:
        assert max(step.train) + purge < min(step.test)
        assert train is None or max(step.train) - min(step.train) < train
        assert max(step.test) - min(step.test) < test
        if train is None:
            last = max(step.train)
            assert set(step.train) == {era for era in eras if era <= last}
    tested = [era for step in steps for era in step.test]
    assert tested == sorted(era for era in eras if era >= tested[0])


def test_rows_for_scikit_learn() -> None:
    groups = np.array(["0001", "0003", "0001", "0002", "0004", "0004", "0002"])
    walk = WalkForward(test_eras=1, purge_eras=1)
    positions = [(train.tolist(), test.tolist()) for train, test in walk.split(groups=groups)]
    assert positions == [([0, 2], [1]), ([0, 2, 3, 6], [4, 5])]
    assert walk.get_n_splits(groups=groups) == 2
    with pytest.raises(ValueError, match=r"groups=data\.eras"):
        next(walk.split(np.zeros((3, 1))))


def test_scikit_learn_takes_it_as_a_cross_validator() -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    eras = np.repeat(np.arange(1, 41), 10)
    features = np.random.default_rng(0).normal(size=(400, 3))
    target = features @ [1.0, 2.0, 3.0] + 1
    walk = WalkForward(test_eras=8, purge_eras=4)
    scores = cross_val_score(LinearRegression(), features, target, groups=eras, cv=walk)
    np.testing.assert_allclose(scores, 1)
    assert len(scores) == walk.get_n_splits(groups=eras) == 4
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True, False]}, cv=walk)
    search.fit(features, target, groups=eras)
    assert search.best_params_ == {"fit_intercept": True}


@pytest.mark.parametrize(
    ("targets", "eras"),
    [
        (["target_ender_20"], 8),
        (["target_ender_60"], 16),
        (["target_agnes_20", "target_ender_60", "target_cyrus_20"], 16),
        (["target"], 16),  # what it equals is not known here
        (["target_ender_20", "target"], 16),
        (["target_new_90"], 22),
    ],
)
def test_the_purge_is_that_of_the_longest_target(targets: list[str], eras: int) -> None:
    assert purge_eras(targets) == eras


def test_no_target_has_no_purge() -> None:
    with pytest.raises(ValueError, match="no target"):
        purge_eras([])


def test_two_years_are_held_out() -> None:
    assert HELD_OUT_ERAS == 2 * 52
