"""Scores on the practice market are as high, as noisy and as dependent as real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest
from numerai_tools.scoring import correlation_contribution, numerai_corr

from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import BEST_CORRELATION, SMALL, Market
from numebot_dagster.practice.scoring.scores import corr, gaussianised

pytestmark = pytest.mark.heavy

SCORED_ERAS = range(SMALL.train_eras + 17, SMALL.train_eras + 121, 3)  # after a purge of 16
RIVALS = 8


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=0)


def by_stock(market: Market, opened: date, values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=market.stock_of(opened))


def correlation(first: pd.Series, second: pd.Series) -> float:
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    return float(np.corrcoef(both.to_numpy().T)[0, 1])


# An honest model


@dataclass(frozen=True)
class Track:
    """What an honest model did on the eras after its train eras."""

    corr: pd.Series
    mmc: pd.Series
    with_crowd: pd.Series


SETTINGS = {
    "max_depth": 5, "max_bin": 7, "num_threads": 1, "verbose": -1, "seed": 0,
    "deterministic": True, "force_col_wise": True,
}  # fmt: skip


def trained(
    market: Market, feature_set: str, days: int, trees: int, **settings: float
) -> Callable[[date], np.ndarray]:
    """Train LightGBM on every fourth train era, and return what predicts a day."""
    import lightgbm

    chosen = set(market.features_json()["feature_sets"][feature_set])
    columns = [i for i, name in enumerate(market.feature_names) if name in chosen]
    train = [market.saturday_of(era) for era in range(1, SMALL.train_eras + 1, 4)]
    features = np.concatenate([market.live_features(day)[:, columns] for day in train])
    target = np.concatenate([market.realised_target(day, days) for day in train])
    data = lightgbm.Dataset(features.astype(np.float32), target)
    model = lightgbm.train({**SETTINGS, **settings}, data, num_boost_round=trees)

    def predict(day: date) -> np.ndarray:
        return np.asarray(model.predict(market.live_features(day)[:, columns], num_threads=1))

    return predict


@pytest.fixture(scope="module")
def honest(market: Market) -> Track:
    predict = trained(
        market, "medium", 60, 120, learning_rate=0.03, num_leaves=16, feature_fraction=0.2
    )
    days = [market.saturday_of(era) for era in SCORED_ERAS]
    scores = [score(market, day, predict(day)) for day in days]
    return Track(*(pd.Series(row) for row in zip(*scores, strict=True)))


@pytest.mark.heavy
def test_a_small_model_is_as_close_to_the_benchmark_as_expected(market: Market) -> None:
    """The bounds are those of Numerai's own integration test of such a model."""
    predict = trained(
        market, "small", 20, 200, learning_rate=0.05, num_leaves=31, feature_fraction=0.1
    )
    scores = []
    for era in SCORED_ERAS[::3]:
        day = market.saturday_of(era)
        frame = pd.DataFrame({"own": predict(day), **market.benchmarks(day)})
        target = pd.Series(market.realised_target(day, 20), name="target")
        benchmark = frame["v53_lgbm_ender20"]
        corr = numerai_corr(frame, target)["own"]
        bmc = correlation_contribution(frame, benchmark, target)["own"]
        scores.append((corr, bmc, frame["own"].corr(benchmark, method="spearman")))
    corr, bmc, likeness = np.mean(scores, axis=0)
    assert 0.005 < corr < 0.03
    assert abs(bmc) < 0.005
    assert 0.4 < likeness < 0.8


def score(market: Market, day: date, predicted: np.ndarray) -> tuple[float, float, float]:
    """Return CORR, MMC and the rank correlation with the meta model, by numerai-tools."""
    prediction = pd.DataFrame({"honest": predicted})
    target = pd.Series(market.realised_target(day, 60), name="target")
    meta_model = pd.Series(Crowd(market).meta_model(day), name="meta")
    return (
        float(numerai_corr(prediction, target)["honest"]),
        float(correlation_contribution(prediction, meta_model, target)["honest"]),
        float(prediction["honest"].corr(meta_model, method="spearman")),
    )


@pytest.mark.heavy
def test_an_honest_model_scores_as_in_reality(honest: Track) -> None:
    assert 0.01 < honest.corr.mean() < 0.04
    assert 0.011 < honest.corr.std() < 0.022
    assert 0.5 < honest.with_crowd.mean() < 0.8
    assert abs(honest.mmc.mean()) < 0.01  # what the best participants reach


# Dependence of scores, on many participants at once because one alone says too little


def rivals(market: Market, opened: date) -> np.ndarray:
    """Return the (rows, rivals) predictions of participants of equal skill."""
    return np.column_stack(
        [market.rival_predictions(opened, 0.3, number) for number in range(RIVALS)]
    )


def rival_scores(market: Market, opened: date, days: int) -> np.ndarray:
    """Return their CORR, which test_scores.py compares with numerai-tools'."""
    target = market.realised_target(opened, days)
    return corr(gaussianised(rivals(market, opened)), target[:, None])[:, 0]


@pytest.mark.heavy
def test_scores_are_as_dependent_as_their_windows_overlap(market: Market) -> None:
    """Two eras' CORR correlate by (correlation of targets) x (correlation of predictions)."""
    saturdays = [market.saturday_of(era) for era in range(80, 190)]
    scores = np.array([rival_scores(market, day, 60) for day in saturdays])
    scores -= scores.mean()
    lags = [1, 2, 4, 6, 8, 10, 13, 16, 26]
    actual = np.array([(scores[lag:] * scores[:-lag]).mean() for lag in lags]) / scores.var()

    def overlap(lag: int) -> float:
        products = []
        for first, second in zip(saturdays[::20], saturdays[lag::20], strict=False):
            targets = correlation(
                by_stock(market, first, market.realised_target(first, 60)),
                by_stock(market, second, market.realised_target(second, 60)),
            )
            predictions = correlation(
                by_stock(market, first, market.rival_predictions(first, 0.3, 0)),
                by_stock(market, second, market.rival_predictions(second, 0.3, 0)),
            )
            products.append(targets * predictions)
        return float(np.mean(products))

    expected = np.array([overlap(lag) for lag in lags])
    assert expected[0] > 0.65
    assert (np.diff(expected[:6]) < 0).all()
    assert np.abs(expected[lags.index(13) :]).max() < 0.1
    assert scores.std() == pytest.approx(0.0145, abs=0.0015)
    assert np.abs(actual - expected).max() < 0.15  # eight windows do not overlap


@pytest.mark.heavy
def test_early_scores_become_the_final_one(market: Market) -> None:
    """A day's score correlates with the last one as the returns realised by then do."""
    days = [1, 10, 20, 40, 60]
    saturdays = [market.saturday_of(era) for era in range(80, 200, 5)]
    scores = np.array([[rival_scores(market, day, k) for day in saturdays] for k in days])
    with_final = np.corrcoef(scores.reshape(len(days), -1))[-1]
    realised = [
        np.mean(
            [
                np.corrcoef(market.realised_target(day, k), market.realised_target(day, 60))[0, 1]
                for day in saturdays
            ]
        )
        for k in days
    ]
    assert (np.diff(with_final) > 0).all()
    np.testing.assert_allclose(with_final, realised, atol=0.12)
    assert with_final[0] < 0.25 < with_final[1] < with_final[2] < 0.6 < with_final[3] < 0.85


def test_features_have_not_seen_later_returns(market: Market) -> None:
    """A fit on the very returns of half of the stocks finds no more than the intended signal.

    Had features seen the returns that follow, the fit would find that in the other half as well.
    """
    gram = np.zeros((SMALL.features, SMALL.features))
    moment = np.zeros(SMALL.features)
    held_out = []
    for era in range(20, 400, 12):
        day = market.saturday_of(era)
        features = market.live_features(day).astype(np.float64) - 2
        returns = market.realised_return(day, 60)
        returns = (returns - returns.mean()) / returns.std()
        fitted = market.stock_of(day) % 2 == 0
        gram += features[fitted].T @ features[fitted]
        moment += features[fitted].T @ returns[fitted]
        held_out.append((features[~fitted], returns[~fitted]))
    weights = np.linalg.solve(gram, moment)
    correlation = np.mean([np.corrcoef(x @ weights, y)[0, 1] for x, y in held_out])
    assert 0.5 * BEST_CORRELATION < correlation < 1.2 * BEST_CORRELATION
