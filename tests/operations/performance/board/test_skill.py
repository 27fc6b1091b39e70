"""What the board says of a model's skill: the statistics of luck on the rows of the view."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import false_discovery_control

from numebot_dagster.lake import tables
from numebot_dagster.operations.performance import round_scores
from numebot_dagster.operations.performance.board import skill
from numebot_dagster.reporting.numbers import score
from numebot_dagster.scoring.luck.daily_series import RoundScores
from numebot_dagster.scoring.luck.mean_estimates import Method, estimate_mean
from numebot_dagster.scoring.luck.verdicts import Skill

FIRST = date(2026, 1, 1)


def scores(mean: float, rounds: int = 120, model: str = "a") -> pl.DataFrame:
    """Return rounds that open daily and share their days, as in the tournament."""
    daily = np.random.default_rng(5).normal(mean, 0.01, rounds + 60)
    rows = []
    for number in range(rounds):
        path = np.cumsum(daily[number : number + 60]) / np.sqrt(np.arange(1, 61))
        for day in range(1, min(60, rounds - number) + 1):
            published = FIRST + timedelta(days=number + day)
            value = float(path[day - 1])
            rows.append((model, 1000 + number, "mmc60", "1", day, published, value, None, False))
    return pl.DataFrame(rows, schema=tables.SCORES.schema, orient="row")


def independent(mean: float, rounds: int = 200, model: str = "a") -> pl.DataFrame:
    """Return rounds whose days are independent of each other's, so that days may be counted."""
    random = np.random.default_rng(7)
    rows = []
    for number in range(rounds):
        path = np.cumsum(random.normal(mean, 0.01, 60)) / np.sqrt(np.arange(1, 61))
        for day in range(1, min(60, rounds - number) + 1):
            published = FIRST + timedelta(days=number + day)
            value = float(path[day - 1])
            rows.append((model, 1000 + number, "mmc60", "1", day, published, value, None, False))
    return pl.DataFrame(rows, schema=tables.SCORES.schema, orient="row")


def test_it_is_the_estimate_of_the_model_by_itself():
    frame = independent(0.001)
    judged = skill.judged(frame, "mmc60")["a"]
    columns = (frame[name].to_numpy() for name in ("round", "day", "date", "value"))
    assert judged.estimate == estimate_mean(RoundScores.from_columns(*columns, 60))
    assert judged.has_interval
    assert judged.q_value == pytest.approx(judged.estimate.p_value)
    words = " ".join(judged.sentences("mmc60"))
    assert words.startswith(f"Mean MMC60 {score(judged.estimate.value)} a round over")
    assert judged.verdict.words in words


def test_the_claims_of_a_fleet_are_corrected_for_its_size():
    fleet = [independent(mean, model=f"m{mean}") for mean in (0.003, 0.0002, 0.0001, 0.0)]
    judged = skill.judged(pl.concat(fleet), "mmc60")
    expected = false_discovery_control([model.estimate.p_value for model in judged.values()])
    assert [model.q_value for model in judged.values()] == pytest.approx(expected.tolist())


def test_less_than_two_observations_have_no_interval():
    """Student's t of a small part of a degree of freedom reaches beyond all numbers."""
    judged = skill.judged(scores(0.001), "mmc60")["a"]
    hardly = replace(judged, estimate=replace(judged.estimate, freedom=0.04))
    assert not hardly.has_interval
    assert hardly.sentences("mmc60") == [f"MMC60: {judged.verdict.words}."]


def test_a_model_of_some_days_is_too_early():
    judged = skill.judged(scores(0.0, rounds=3), "mmc60")["a"]
    assert math.isnan(judged.q_value) or judged.verdict.words.startswith("too early")
    assert "oo early" in judged.sentences("mmc60")[0]


def test_only_the_newest_version_counts():
    """An earlier one measured something else: a mean over both would be of neither."""
    early, late = independent(0.003), independent(-0.003, rounds=80)
    late = late.with_columns(pl.col("round") + 200, pl.col("date") + timedelta(days=200))
    late = late.with_columns(version=pl.lit("10"))
    both = pl.concat([early.with_columns(version=pl.lit("9")), late])
    judged, alone = (skill.judged(frame, "mmc60")["a"] for frame in (both, late))
    assert judged == alone
    assert judged.since == 1200
    assert "days since round 1200, between" in judged.sentences("mmc60")[0]
    gone = pl.concat([early.with_columns(version=pl.lit("9"), model=pl.lit("gone")), late])
    assert set(skill.judged(gone, "mmc60")) == {"a"}


def test_the_rounds_from_one_on():
    by_round = round_scores.by_model(independent(0.001), "mmc60")["a"]
    assert skill.judged_since(by_round, 1120).estimate == estimate_mean(by_round.since(1120))
    assert skill.judged_since(by_round, 1200) is None


def test_no_scores_and_other_metrics():
    assert skill.judged(scores(0.0), "corr60") == {}


def test_the_interval_of_a_daily_look_and_the_method_are_named_where_they_differ():
    judged = skill.judged(independent(0.001), "mmc60")["a"]
    estimate = replace(judged.estimate, value=0.02, standard_error=0.009)
    undecided = replace(judged.verdict, skill=Skill.NOT_TOLD_APART, low=-0.004, high=0.044)
    [_, wider, visible] = replace(judged, estimate=estimate, verdict=undecided).sentences("mmc60")
    assert wider == (
        "Looking every day takes a wider interval: between \N{MINUS SIGN}0.0040 and +0.0440."
    )
    assert (
        visible
        == f"So far only a mean beyond ±{estimate.smallest_visible:.4f} could have been seen."
    )
    apart = replace(estimate, method=Method.BY_INDEPENDENT_ROUND, reason="days are correlated")
    [_, _, why, _] = replace(judged, estimate=apart, verdict=undecided).sentences("mmc60")
    assert why == "Only rounds that do not overlap are counted, because days are correlated."
