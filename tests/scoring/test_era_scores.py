"""Scores of all eras at once, each compared with what numerai-tools says of that era alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numerai_tools import scoring as tools
from scipy.special import ndtri

from numebot_dagster.scoring.era_scores import (
    correlation_with,
    feature_exposure,
    feature_neutral_corr,
    score_eras,
)

EXACT = 1e-12
BINS = np.array([0, 0.25, 0.5, 0.75, 1])


def official(score: Callable[..., float]) -> float:
    """Return what numerai-tools answers, NaN where it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(score())
        except (AssertionError, ZeroDivisionError):
            return np.nan


def official_corr(prediction, target):
    frame, series = pd.DataFrame({"p": prediction}), pd.Series(target, name="t")
    return official(lambda: tools.numerai_corr(frame, series)["p"])


def official_contribution(prediction, reference, target):
    frame, series = pd.DataFrame({"p": prediction}), pd.Series(target, name="t")
    meta = pd.Series(reference, name="m")
    return official(lambda: tools.correlation_contribution(frame, meta, series)["p"])


def official_likeness(prediction, other):
    def cwmm():
        kept, frame = tools.filter_sort_index(
            pd.Series(other, name="o"), pd.DataFrame({"p": prediction})
        )
        ranked = tools.tie_kept_rank__gaussianize__pow_1_5(frame)["p"]
        return tools.pearson_correlation(kept, ranked)

    return official(cwmm)


def assert_same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT, equal_nan=True)


# Columns of every kind that has rules of its own.
def column(rows: int) -> st.SearchStrategy[np.ndarray]:
    seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
    kinds = st.sampled_from(
        [
            lambda random: random.normal(size=rows),
            lambda random: random.normal(size=rows).astype(np.float32),
            lambda random: random.integers(-3, 3, rows) / 4.0,
            lambda random: random.choice([0.5, 0.5, 0.5, 1.0], rows),
            lambda random: random.choice([0.0, -0.0, 1.0], rows),
            lambda random: np.full(rows, 0.1),
            lambda random: np.full(rows, 2.0),
            # Differ in their last bits only, in either sign.
            lambda random: -0.3 + random.integers(0, 4000, rows) * 2.0**-54,
            lambda random: 0.3 + random.integers(0, 3, rows) * 2.0**-54,
            lambda random: random.choice([-np.inf, np.inf, 1.0, 2.0, 5e-324, 1e308], rows),
            lambda random: np.full(rows, np.nan),
        ]
    )
    holes = st.sampled_from([0, 0, 0, 0.05, 0.19, 0.2, 0.21, 0.5])

    def make(kind, random, share) -> np.ndarray:
        values = np.array(kind(random), dtype=np.float64)
        values[random.permutation(rows)[: int(share * rows)]] = np.nan
        return values

    return st.builds(make, kinds, seeds, holes)


def labels(rows: int) -> st.SearchStrategy[np.ndarray]:
    seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
    kinds = st.sampled_from(
        [
            lambda random: random.choice(BINS, rows),
            lambda random: random.choice(BINS, rows),
            lambda random: random.normal(size=rows),
            lambda random: random.uniform(size=rows),
            lambda random: 4 * random.choice(BINS, rows) - 2,
            lambda random: np.exp(6 * random.normal(size=rows)),  # the 1.5 power changes it much
            lambda random: np.full(rows, 0.1),
            lambda random: np.full(rows, 0.5),
            lambda random: np.full(rows, np.nan),
        ]
    )
    holes = st.sampled_from([0, 0, 0, 0.1, 0.2, 0.3])

    def make(kind, random, share) -> np.ndarray:
        values = np.array(kind(random), dtype=np.float64)
        values[random.permutation(rows)[: int(share * rows)]] = np.nan
        return values

    return st.builds(make, kinds, seeds, holes)


SIZES = st.one_of(st.integers(1, 6), st.integers(7, 60), st.sampled_from([100, 257]))


@st.composite
def an_era(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    rows = draw(SIZES)
    columns = draw(st.lists(column(rows), min_size=1, max_size=4))
    return (
        np.column_stack(columns),
        draw(labels(rows)),
        draw(column(rows)),
        draw(column(rows)),
    )


@pytest.mark.heavy
@settings(max_examples=100, deadline=None)
@given(an_era())
def test_scores_of_an_era_are_those_of_numerai_tools(era):
    predictions, target, meta, benchmark = era
    scores = score_eras(
        np.full(len(target), 7),
        predictions,
        target,
        meta_model=meta,
        benchmark=benchmark,
    )
    assert scores.eras.tolist() == [7]
    # Beside huge targets, rounding is measured by the score's own size.
    size = max(1, np.nanmax(np.abs(target), initial=0))
    for model, prediction in enumerate(predictions.T):
        assert_same(scores.corr[0, model], official_corr(prediction, target))
        for contributions, reference in ((scores.mmc, meta), (scores.bmc, benchmark)):
            expected = official_contribution(prediction, reference, target)
            assert_same(contributions[0, model] / size, expected / size)


@settings(max_examples=60, deadline=None)
@given(an_era())
def test_likeness_is_what_numerai_tools_makes_of_the_formula_of_cwmm(era):
    predictions, _, other, _ = era
    # Pearson's correlation of the values as they are: of last bits, it would be rounding alone.
    other = np.where(np.isinf(other), 3.0, other).clip(-9, 9).round(6)
    correlations = correlation_with(np.full(len(other), 1), predictions, other)
    # Of 0.1 over and over, numerai-tools answers the correlation of the rounding of its mean.
    constant = len(set(other[~np.isnan(other)])) < 2
    for model, prediction in enumerate(predictions.T):
        assert_same(
            correlations[0, model], np.nan if constant else official_likeness(prediction, other)
        )


def test_infinity_ranks_last_even_where_all_else_differs():
    predictions = np.array([[1e308, 2, 2, np.inf], [3, -np.inf, 2, np.inf], [1, 2, 3, 4]]).T
    target = np.array([1, 0.75, 0.5, 0.25])
    corr = score_eras(np.ones(4), predictions, target).corr[0]
    assert_same(corr, [official_corr(values, target) for values in predictions.T])


def make_eras(seed: int, sizes: list[int]) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    eras = np.repeat(np.arange(len(sizes)) + 3, sizes)
    rows = len(eras)
    predictions = random.normal(size=(rows, 3))
    predictions[:, 1] = predictions[:, 1].round(1)
    target = random.choice(BINS, rows, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    return eras, predictions, target, random.normal(size=rows), random.normal(size=rows)


def test_eras_are_scored_by_themselves_in_any_order_of_rows_and_layout():
    eras, predictions, target, meta, benchmark = make_eras(1, [40, 55, 1, 40])
    meta[eras == 4] = np.nan  # the meta model began later
    in_order = score_eras(eras, predictions, target, meta_model=meta, benchmark=benchmark)
    mixed = np.random.default_rng(2).permutation(len(eras))
    mixed_up = score_eras(
        eras[mixed].astype(np.int16),
        np.asfortranarray(predictions[mixed]),
        target[mixed],
        meta_model=meta[mixed],
        benchmark=benchmark[mixed],
    )
    assert in_order.eras.tolist() == mixed_up.eras.tolist() == [3, 4, 5, 6]
    assert in_order.eras.dtype == np.int16
    for name in ("corr", "mmc", "bmc"):
        assert getattr(in_order, name).shape == (4, 3)
        assert_same(getattr(in_order, name), getattr(mixed_up, name))
    assert np.isnan(in_order.mmc[[1, 2]]).all()
    assert np.isfinite(in_order.mmc[[0, 3]]).all()
    for line, era in enumerate(in_order.eras):
        of = eras == era
        expected = [official_corr(values, target[of]) for values in predictions[of].T]
        assert_same(in_order.corr[line], expected)


def test_one_model_may_be_given_as_a_vector_and_nothing_to_contribute_to():
    eras, predictions, target, *_ = make_eras(4, [30, 30])
    scores = score_eras(eras, predictions[:, 0], target)
    assert scores.mmc is None
    assert scores.bmc is None
    assert_same(scores.corr, score_eras(eras, predictions, target).corr[:, :1])
    only_benchmark = score_eras(eras, predictions, target, benchmark=predictions[:, 0])
    assert only_benchmark.mmc is None
    assert_same(only_benchmark.bmc[:, 0], 0)


def test_no_rows_make_no_scores():
    nothing = np.empty(0)
    scores = score_eras(nothing, np.empty((0, 2)), nothing, meta_model=nothing)
    assert scores.corr.shape == scores.mmc.shape == (0, 2)
    assert correlation_with(nothing, np.empty((0, 2)), nothing).shape == (0, 2)


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="4 eras for a column of 3 rows"):
        score_eras(np.ones(4), np.ones(4), np.ones(3))


def test_a_model_without_predictions_for_many_rows_does_not_touch_the_others():
    eras, predictions, target, meta, _ = make_eras(5, [100])
    whole = score_eras(eras, predictions, target, meta_model=meta)
    predictions[:20, 0] = np.nan
    predictions[:21, 1] = np.nan
    holed = score_eras(eras, predictions, target, meta_model=meta)
    assert np.isfinite(holed.corr[0, 0])
    assert np.isnan(holed.corr[0, 1])
    assert_same(holed.corr[0, 2], whole.corr[0, 2])
    assert_same(holed.mmc[0, 2], whole.mmc[0, 2])


def test_corr_of_four_rows_by_hand():
    gaussian = ndtri([0.125, 0.375, 0.625, 0.875])
    powered = np.sign(gaussian) * np.abs(gaussian) ** 1.5
    target = np.array([-1.0, 0, 0, 1])
    expected = powered @ target / np.linalg.norm(powered) / np.sqrt(2)
    scores = score_eras(np.ones(4), np.array([3.0, 10, 11, 12]), np.array([0, 0.5, 0.5, 1]))
    assert_same(scores.corr, [[expected]])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 6))
@example(0, 30, 5)
def test_exposure_is_pearsons_correlation_with_each_feature(seed, rows, width):
    random = np.random.default_rng(seed)
    eras = np.repeat([1, 2], rows)
    predictions = random.normal(size=(2 * rows, 2))
    features = random.integers(0, 5, (2 * rows, width), dtype=np.int8)
    features[:rows, 0] = 2  # not there in the first era
    exposure = feature_exposure(eras, predictions, np.asfortranarray(features))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.stack(
            [
                [
                    pd.DataFrame(features[eras == era]).corrwith(pd.Series(values))
                    for values in columns.T
                ]
                for era, columns in ((1, predictions[:rows]), (2, predictions[rows:]))
            ]
        )
        assert_same(exposure.mean_by_feature, np.nanmean(expected, axis=0))
        assert_same(exposure.maximum, np.nanmax(np.abs(expected), axis=2))
        assert_same(exposure.root_mean_square, np.sqrt(np.nanmean(expected**2, axis=2)))
    assert exposure.eras.tolist() == [1, 2]


def test_the_largest_exposure_is_that_of_numerai_tools():
    eras, predictions, *_ = make_eras(6, [80])
    features = np.random.default_rng(6).integers(0, 5, (80, 70), dtype=np.int8)
    exposure = feature_exposure(eras, predictions, features)
    for model, prediction in enumerate(predictions.T):
        _, largest = tools.max_feature_correlation(pd.Series(prediction), pd.DataFrame(features))
        assert_same(exposure.maximum[0, model], largest)


def test_no_exposure_of_what_is_constant_or_missing():
    predictions = np.random.default_rng(0).normal(size=(20, 3))
    predictions[:, 0] = 0.1
    predictions[3, 1] = np.nan
    features = np.random.default_rng(1).integers(0, 5, (20, 4), dtype=np.int8)
    exposure = feature_exposure(np.ones(20), predictions, features)
    assert np.isnan(exposure.maximum[0, :2]).all()
    assert np.isnan(exposure.root_mean_square[0, :2]).all()
    assert np.isnan(exposure.mean_by_feature[:2]).all()
    assert np.isfinite(exposure.mean_by_feature[2]).all()


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(40, 120),
    st.integers(9, 20),
    st.sampled_from([0, 0.1, 0.3]),
)
def test_fnc_is_that_of_numerai_tools(seed, rows, width, unlabelled):
    random = np.random.default_rng(seed)
    predictions = random.normal(size=(rows, 3))
    predictions[:, 1] = predictions[:, 1].round(1)
    predictions[:, 2] = 0.5
    features = random.integers(0, 5, (rows, width), dtype=np.int8)
    target = random.choice(BINS, rows)
    target[: int(unlabelled * rows)] = np.nan
    corr = feature_neutral_corr(np.ones(rows), predictions, features, target)
    frame, labels = pd.DataFrame(features), pd.Series(target, name="t")
    for model, prediction in enumerate(predictions.T):
        column = pd.DataFrame({"p": prediction})
        expected = official(lambda c=column: tools.feature_neutral_corr(c, frame, labels)["p"])
        assert_same(corr[0, model], expected)


def test_no_fnc_where_features_explain_everything_or_predictions_are_missing():
    random = np.random.default_rng(3)
    features = random.integers(0, 5, (30, 40), dtype=np.int8)
    predictions = random.normal(size=(30, 2))
    target = random.choice(BINS, 30)
    assert np.isnan(feature_neutral_corr(np.ones(30), predictions, features, target)).all()
    predictions[0, 0] = np.nan
    few = feature_neutral_corr(np.ones(30), predictions, features[:, :5], target)
    assert np.isnan(few[0, 0])
    assert np.isfinite(few[0, 1])


def test_float32_columns_are_scored_as_the_same_numbers_in_float64():
    eras, *columns = make_eras(8, [40, 50])
    predictions, target, meta, _ = (values.astype(np.float32) for values in columns)
    features = np.random.default_rng(8).integers(0, 5, (90, 12), dtype=np.int8)

    def everything(predictions, target, meta):
        scores = score_eras(eras, predictions, target, meta_model=meta)
        return [
            scores.corr,
            scores.mmc,
            correlation_with(eras, predictions, meta),
            feature_exposure(eras, predictions, features).maximum,
            feature_neutral_corr(eras, predictions, features, target),
        ]

    exact = everything(*(values.astype(np.float64) for values in (predictions, target, meta)))
    for ours, expected in zip(everything(predictions, target, meta), exact, strict=True):
        np.testing.assert_array_equal(ours, expected)
