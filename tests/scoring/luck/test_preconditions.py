"""What the daily estimate rests on is found broken where it is, and nowhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.overlapping_rounds import Field, round_scores
from numebot_dagster.scoring.luck.daily_series import daily_series
from numebot_dagster.scoring.luck.preconditions import LAGS, Preconditions, Ratio, examine
from tests.support.luck_cases import from_pieces, scores_of, series_of

DAYS = np.arange(1, 61)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return Field(markets=20, models=1, rounds=250, stocks=100).scores()


def failures(scores: np.ndarray) -> list[str]:
    examined = (round_scores(model) for model in scores)
    return [" ".join(examine(it, daily_series(it)).failures) for it in examined]


def as_sums(scores: np.ndarray) -> np.ndarray:
    return scores * np.sqrt(DAYS)


def as_if_begun_earlier(scores: np.ndarray) -> np.ndarray:
    """The score of day d covers d + 10 days."""
    return scores[:, :, 10:]


def averaged(scores: np.ndarray) -> np.ndarray:
    """The score of a day is the mean of five days'."""
    return np.stack(
        [np.mean(scores[:, :, max(0, day - 4) : day + 1], axis=2) for day in range(60)], axis=2
    )


BROKEN = [
    (as_sums, "the spread of the score"),
    (as_if_begun_earlier, "the first days add too little"),
    (averaged, "days 1 apart are correlated"),
]


@pytest.mark.parametrize(("distortion", "expected"), BROKEN)
def test_scores_of_another_kind_are_noticed(sound, distortion, expected):
    noticed = failures(distortion(sound))
    assert sum(expected in it for it in noticed) >= 0.75 * len(sound)


def test_sound_scores_pass(sound):
    assert sum(bool(it) for it in failures(sound)) <= 2


def test_the_autocorrelation_by_hand():
    values = [2.0, 1.0, -2.0, -1.0] * 3
    residuals = np.array(values)
    preconditions = examine(scores_of(np.empty((0, 60))), series_of(values))
    expected = [residuals[lag:] @ residuals[:-lag] / 30 + 1 / 12 for lag in LAGS]
    np.testing.assert_allclose(preconditions.autocorrelations, expected)
    errors = [math.sqrt(residuals[lag:] ** 2 @ residuals[:-lag] ** 2) / 30 for lag in LAGS]
    np.testing.assert_allclose(preconditions.bands / 2.935, errors)


@pytest.mark.parametrize(
    ("ratio", "is_in_band"),
    [(Ratio(2.0, 2.1), True), (Ratio(0.5, 2.1), True), (Ratio(2.2, 2.1), False)],
)
def test_a_ratio_may_go_up_and_down_by_its_band(ratio, is_in_band):
    assert ratio.is_in_band is is_in_band


def test_what_fails_is_said_with_its_band():
    failing = Preconditions(
        Ratio(3.0, 2.0), Ratio(0.2, 4.0), np.array([0.5, 0.1, -0.4]), np.array([0.3, 0.3, 0.3])
    )
    assert failing.failures == (
        "the spread of the score changes within the round by 3.00 (chance: 0.50 to 2.00)",
        "the first days add too little to the score, by 0.20 (chance: 0.25 to 4.00)",
        "days 1 apart are correlated by 0.50 (chance: up to 0.30)",
        "days 5 apart are correlated by -0.40 (chance: up to 0.30)",
    )
    assert not failing.hold


def test_noise_that_is_taken_back_is_no_failure():
    harmless = Preconditions(Ratio(1.0, 2.0), Ratio(3.0, 2.0), np.zeros(3), np.ones(3))
    assert harmless.hold


@pytest.mark.parametrize(
    "scores",
    [scores_of(np.empty((0, 60))), scores_of([[0.1]]), from_pieces(np.zeros(90), 60, 90)],
    ids=["none", "one", "constant"],
)
def test_too_little_to_test_speaks_against_nothing(scores):
    assert examine(scores, daily_series(scores)).hold


def test_a_skilled_model_has_no_wider_spread_by_that():
    pieces = np.random.default_rng(0).normal(3.0, 1.0, size=250)
    scores = from_pieces(pieces, 60, 250)
    spread = examine(scores, daily_series(scores)).spread
    assert spread.is_in_band
