"""The live mean against what a diagnosis foretold."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from numebot_dagster.operations.performance.board import validation
from numebot_dagster.operations.performance.board.skill import JudgedModel
from numebot_dagster.reporting.numbers import score
from numebot_dagster.scoring.luck.mean_estimates import (
    MeanEstimate,
    Method,
    Promise,
    compare_with_promise,
)
from numebot_dagster.scoring.summaries import summarise

ERAS = np.random.default_rng(1).normal(0.006, 0.02, 104)
SUMMARY = summarise(ERAS, 60)


def live(value: float, freedom: float = 240.0) -> JudgedModel:
    estimate = MeanEstimate(
        value, 0.003, freedom, 241, 4.0, Method.BY_DATE, "nothing speaks against it"
    )
    return JudgedModel(estimate, None, 0.5, 1287)


def diagnosis(target="target_ender_60", held_out=("mmc",), everything=("mmc", "corr")):
    return SimpleNamespace(
        vintage=1287,
        target=target,
        held_out=dict.fromkeys(held_out, SUMMARY),
        summaries=dict.fromkeys(everything, SUMMARY),
    )


MEAN = score(float(ERAS.mean()))
HELD_OUT = f"Validation foretold {MEAN} (104 held-out eras of vintage 1287, target_ender_60)"


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("mmc60", 0.004, f"{HELD_OUT}: the live mean since round 1287 is inside what that allows."),
        (
            "mmc60",
            -0.2,
            f"{HELD_OUT}: the live mean since round 1287 is outside what that allows, below it by",
        ),
        (
            "mmc60",
            0.2,
            f"{HELD_OUT}: the live mean since round 1287 is outside what that allows, above it by",
        ),
        (
            "v2_corr60",
            0.004,
            "(104 eras of vintage 1287, target_ender_60): the live mean since round 1287 is inside",
        ),
        ("v2_corr20", 0.004, "Validation was scored by target_ender_60: V2_CORR20 is not compared"),
    ],
)
def test_the_live_mean_is_inside_or_outside(metric, value, words):
    promise = validation.foretold(diagnosis(), metric, live(value))
    assert words in promise.in_words


def test_the_difference_is_that_of_two_uncertain_means():
    promise = validation.foretold(diagnosis(), "mmc60", live(-0.2))
    expected = compare_with_promise(live(-0.2).estimate, Promise.of(SUMMARY))
    assert promise.difference == expected
    ends = f"between {-expected.high:.4f} and {-expected.low:.4f}."
    assert promise.in_words.endswith(ends)


@pytest.mark.parametrize("metric", ["fnc_v3", "season_score", "bmc60"])
def test_what_was_not_scored_is_not_compared(metric):
    assert validation.foretold(diagnosis(), metric, live(0.0)) is None


def test_a_bare_target_or_few_days_cannot_be_compared():
    bare = validation.foretold(diagnosis("target"), "mmc60", live(0.0))
    assert bare.promise is None
    early = validation.foretold(diagnosis(), "mmc60", live(0.0, freedom=0.5))
    assert early.in_words == f"{HELD_OUT}: too early to compare with the rounds since 1287."
    unplayed = validation.foretold(diagnosis(), "mmc60", None)
    assert unplayed.in_words == early.in_words
