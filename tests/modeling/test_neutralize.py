"""Neutralisation, against the least squares of numerai-tools."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerai_tools import scoring as tools

from numebot_dagster.modeling.neutralize import Neutralizer, neutralize, neutralize_eras

EXACT = 1e-10


def official(predictions, features, proportion=1.0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tools.neutralize(
            pd.DataFrame(predictions), pd.DataFrame(features), proportion
        ).to_numpy()


def assert_same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT, equal_nan=True)


def make_features(seed: int, rows: int, width: int) -> np.ndarray:
    """Return column-major int8 bins that share a few factors, as Numerai's do."""
    random = np.random.default_rng(seed)
    factors = random.normal(size=(rows, 3)) @ random.normal(size=(3, width))
    mixed = factors + random.normal(size=(rows, width))
    return np.asfortranarray(np.digitize(mixed, [-2, -0.7, 0.7, 2]).astype(np.int8))


@st.composite
def an_era(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows, width = draw(st.integers(2, 150)), draw(st.integers(1, 100))
    seed = draw(st.integers(0, 2**32 - 1))
    features = make_features(seed, rows, width)
    change = draw(st.sampled_from(["none", "none", "missing", "twice", "sum", "floats", "rows"]))
    if change == "missing":
        features[:, :: draw(st.integers(1, 3))] = 2
    elif change == "twice":
        features[:, -1] = features[:, 0]
    elif change == "sum":
        features = features.astype(np.int16)
        features[:, -1] = features.sum(axis=1)
    elif change == "floats":
        features = features * 0.25 + 1
    elif change == "rows":
        features = np.ascontiguousarray(features)
    predictions = np.random.default_rng(seed).normal(size=(rows, 3))
    predictions[:, 1] = predictions[:, 1].round(1)
    predictions[:, 2] = 0.5
    return predictions, features


@pytest.mark.heavy
@settings(max_examples=150, deadline=None)
@given(an_era(), st.sampled_from([0, 0.25, 0.5, 1]))
def test_the_answer_is_that_of_numerai_tools(era, proportion):
    predictions, features = era
    neutral = neutralize(predictions, features, proportion)
    assert_same(neutral, official(predictions, features, proportion))


def test_one_factorisation_serves_columns_and_proportions():
    predictions, features = (
        np.random.default_rng(0).normal(size=(300, 5)),
        make_features(0, 300, 80),
    )
    neutralizer = Neutralizer(features)
    assert neutralizer.method == "cholesky"
    for proportion in (0.3, 1):
        expected = official(predictions, features, proportion)
        assert_same(neutralizer.neutralize(predictions, proportion), expected)
        assert_same(neutralizer.neutralize(predictions[:, 2], proportion), expected[:, 2])
    assert_same(neutralizer.explained(predictions), predictions - official(predictions, features))


def test_neutral_predictions_correlate_with_no_feature():
    predictions, features = np.random.default_rng(1).normal(size=500), make_features(1, 500, 60)
    neutral = neutralize(predictions, features)
    assert neutral.shape == (500,)
    correlations = np.corrcoef(neutral, features, rowvar=False)[0, 1:]
    assert np.abs(correlations).max() < EXACT
    assert np.abs(np.corrcoef(predictions, features, rowvar=False)[0, 1:]).max() > 0.05


@pytest.mark.parametrize(
    ("rows", "width", "left"), [(40, 40, 0), (40, 60, 0), (41, 40, 0), (42, 40, None)]
)
def test_with_no_more_rows_than_features_nothing_is_left(rows, width, left):
    predictions, features = (
        np.random.default_rng(2).normal(size=rows),
        make_features(2, rows, width),
    )
    neutral = neutralize(predictions, features)
    assert_same(neutral, official(predictions, features)[:, 0])
    if left == 0:
        assert np.abs(neutral).max() < 1e-8
    else:
        assert np.abs(neutral).max() > 1e-3
    assert (Neutralizer(features).method == "least squares") == (rows <= width)


def test_the_method_says_where_the_factor_does_not_do():
    features = make_features(3, 100, 20)
    assert Neutralizer(features).method == "cholesky"
    features[:, 7] = features[:, 3]
    assert Neutralizer(features).method == "least squares"


@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_features_that_are_nearly_each_other_lose_no_digits(noise):
    random = np.random.default_rng(4)
    features = random.normal(size=(200, 30))
    features[:, 1] = features[:, 0] + noise * random.normal(size=200)
    predictions = random.normal(size=(200, 2))
    assert_same(neutralize(predictions, features), official(predictions, features))


def test_whole_numbers_too_large_for_float32_are_summed_in_float64():
    random = np.random.default_rng(5)
    features = random.integers(-30000, 30000, (400, 30)).astype(np.int16)
    predictions = random.normal(size=(400, 2))
    assert_same(neutralize(predictions, features), official(predictions, features))


def test_each_era_is_neutralised_by_itself_in_any_order_of_rows():
    eras = np.repeat([5, 6, 9], [100, 120, 90])
    features, predictions = (
        make_features(6, 310, 20),
        np.random.default_rng(6).normal(size=(310, 2)),
    )
    expected = np.concatenate(
        [official(predictions[eras == era], features[eras == era], 0.5) for era in (5, 6, 9)]
    )
    assert_same(neutralize_eras(eras, predictions, features, 0.5), expected)
    assert_same(neutralize_eras(eras, predictions[:, 1], features, 0.5), expected[:, 1])
    mixed = np.random.default_rng(7).permutation(310)
    neutral = neutralize_eras(eras[mixed], predictions[mixed], features[mixed], 0.5)
    assert_same(neutral, expected[mixed])


def test_what_cannot_be_neutralised_is_refused_by_name():
    features, predictions = make_features(8, 60, 5), np.random.default_rng(8).normal(size=60)
    with pytest.raises(ValueError, match="59 predictions for 60 rows"):
        neutralize(predictions[1:], features)
    with pytest.raises(ValueError, match="60 predictions and 59 rows of features for 60 rows"):
        neutralize_eras(np.ones(60), predictions, features[1:])
    holed = predictions.copy()
    holed[33] = np.nan
    with pytest.raises(ValueError, match="era 2: 1 predictions are NaN"):
        neutralize_eras(np.repeat([1, 2], 30), holed, features)
    with pytest.raises(ValueError, match="features to neutralise by hold NaN"):
        neutralize(predictions, np.where(features == 4, np.nan, features))


def test_int8_at_both_ends_does_not_overflow():
    random = np.random.default_rng(9)
    features = random.choice(np.array([-128, 127], dtype=np.int8), (80, 6))
    predictions = random.normal(size=(80, 1))
    assert_same(neutralize(predictions, features), official(predictions, features))


def test_constant_features_explain_the_mean_alone():
    predictions = np.random.default_rng(10).normal(size=(50, 2))
    features = np.full((50, 4), 2, dtype=np.int8)
    assert_same(neutralize(predictions, features), predictions - predictions.mean(axis=0))
    with pytest.raises(ValueError, match="no features to neutralise by"):
        neutralize(predictions, features[:, :0])
