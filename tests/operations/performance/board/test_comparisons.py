"""Models beside zero and each other, recomputed by other means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from numebot_dagster.operations.performance.board import comparisons
from numebot_dagster.scoring.luck.daily_series import daily_series
from tests.support.luck_cases import NAN, scores_of

HORIZON = 4


def scores(mean: float, seed: int, rounds: int = 150):
    """Return rounds whose days are independent of each other's."""
    pieces = np.random.default_rng(seed).normal(mean, 0.01, (rounds, HORIZON))
    table = np.cumsum(pieces, axis=1) / np.sqrt(np.arange(1, HORIZON + 1))
    for row in range(rounds - HORIZON + 1, rounds):
        table[row, rounds - row :] = NAN
    return scores_of(table)


@pytest.fixture
def models():
    return {"good": scores(0.02, 1), "bad": scores(-0.02, 2), "even": scores(0.0, 3)}


def test_the_newest_rounds_are_looked_at_alone(models, monkeypatch):
    monkeypatch.setattr(comparisons, "NEWEST", (200, 60))
    every, newest = comparisons.windows({**models, "late": scores(0.0, 4, rounds=40)})
    assert (len(every.rounds), len(newest.rounds)) == (150, 60)
    assert newest.rounds[0] == 190
    assert set(every.models) == {"good", "bad", "even", "late"}
    assert set(newest.models) == {"good", "bad", "even"}  # no round of the other is so new
    alone = comparisons.judged_rounds({"good": models["good"].since(190)})["good"]
    assert newest.judged["good"].estimate == alone.estimate


def test_a_difference_is_that_of_a_paired_t_test(models):
    window = next(comparisons.windows(models))
    shown = comparisons.shown(window, ["good", "even", "bad"])
    itself, even, bad = shown.estimates["good"]
    assert (itself.mean, itself.skill) == (None, "")
    series = {name: daily_series(each) for name, each in models.items()}
    values = 2 * (series["even"].values - series["good"].values)  # sqrt of four days
    test = stats.ttest_1samp(values, 0)
    assert even.mean == pytest.approx(values.mean())
    interval = test.confidence_interval(0.95)
    assert even.half_width == pytest.approx((interval.high - interval.low) / 2)
    assert even.days == len(values)
    assert (even.skill, bad.skill) == ("worse", "worse")
    assert shown.estimates["bad"][0].skill == "better"
    p_values = [test.pvalue, stats.ttest_rel(series["bad"].values, series["good"].values).pvalue]
    q_values = stats.false_discovery_control(p_values)
    assert [even.q_value, bad.q_value] == pytest.approx(q_values.tolist(), abs=1e-12)
    assert shown.groups == (("good",), ("even",), ("bad",))
    assert shown.unplaced == []


def test_a_model_whose_days_depend_on_each_other_is_in_no_group(models):
    slow = np.repeat(np.random.default_rng(5).normal(0, 0.02, (15, 1)), 10, axis=0)
    models["slow"] = scores_of(np.repeat(slow, HORIZON, axis=1))
    window = next(comparisons.windows(models))
    shown = comparisons.shown(window, sorted(models))
    assert shown.unplaced == ["slow"]
    assert "slow" not in shown.estimates
    assert shown.estimates[""][-1].skill != ""
    assert shown.estimates["good"][-1].mean is None


def test_a_model_named_zero_is_not_zero(models):
    window = next(comparisons.windows({"zero": models["good"], "bad": models["bad"]}))
    shown = comparisons.shown(window, ["zero", "bad"])
    assert list(shown.estimates) == ["", "zero", "bad"]
    assert [each.skill for each in shown.estimates[""]] == ["better", "worse"]


def test_no_scores_and_one_model():
    window = next(comparisons.windows({}))
    shown = comparisons.shown(window, ["new"])
    assert (shown.rounds, shown.groups, shown.estimates[""][0].skill) == (0, (), "")
    window = next(comparisons.windows({"alone": scores(0.02, 1)}))
    assert list(comparisons.shown(window, ["alone"]).estimates) == [""]
