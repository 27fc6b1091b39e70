"""Over many models whose skill is known, what is said of them is true as often as promised."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from benchmarks.luck import ever_alarmed
from benchmarks.overlapping_rounds import Field, round_scores, with_mean
from benchmarks.practice_rounds import practice_scores
from numebot_dagster.scoring.luck.daily_series import daily_series
from numebot_dagster.scoring.luck.mean_estimates import Method, estimate_by_date, estimate_mean
from numebot_dagster.scoring.luck.sequential import mixing_scale, observations_needed
from numebot_dagster.scoring.luck.verdicts import Skill, judge

pytestmark = pytest.mark.heavy

YEAR = 250
FIRST_LOOK = 49  # dates until thirty count
TOLD = (Skill.BETTER, Skill.WORSE)


def may_be(share: float, count: int) -> tuple[float, float]:
    """Return between what the share of `count` cases is likely (99.9 %) when `share` is true."""
    low, high = stats.binom.interval(0.999, count, share)
    return low / count, high / count


def coverage(models: np.ndarray, dates: int) -> float:
    """Return the share of 95 % intervals that hold the mean, which is zero."""
    estimates = [estimate_mean(round_scores(model, dates)) for model in models]
    return float(np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates]))


@pytest.fixture(scope="module")
def unskilled() -> np.ndarray:
    """Models of many markets: those of one market share its luck."""
    return Field(markets=200, models=2, rounds=YEAR + FIRST_LOOK, stocks=60, seed=1).scores()


@pytest.mark.parametrize("dates", [60, 120, YEAR])
def test_intervals_cover_as_often_as_they_say(unskilled, dates):
    low, high = may_be(0.95, len(unskilled))
    assert low <= coverage(unskilled, dates) <= high


def test_daily_looks_for_a_year_seldom_raise_an_alarm(unskilled):
    alarms = [ever_alarmed(round_scores(model)) for model in unskilled]
    assert np.mean(alarms) <= 0.05


@pytest.mark.parametrize("dates", [120, YEAR])
def test_a_mean_is_seen_as_often_as_said(unskilled, dates):
    is_seen = []
    for model in unskilled:
        mean = estimate_by_date(round_scores(model, dates)).smallest_visible
        skilled = round_scores(with_mean(model, mean), dates)
        is_seen.append(estimate_by_date(skilled).p_value < 0.05)
    assert np.mean(is_seen) == pytest.approx(0.8, abs=0.08)


def just_enough(std: float, dates: int) -> float:
    """Return the mean a day for which so many dates are said to be needed."""
    low, high = 0.0, std
    for _ in range(30):
        mean = (low + high) / 2
        scale = mixing_scale(std**2 + mean**2, YEAR)
        is_more = observations_needed(mean, std, scale, 0.8416) > dates
        low, high = (mean, high) if is_more else (low, mean)
    return high


def test_a_verdict_comes_as_often_as_said(unskilled):
    is_told = []
    for model in unskilled[::2]:
        series = daily_series(round_scores(model))
        mean = just_enough(series.std, len(series.dates)) * np.sqrt(series.horizon)
        is_told.append(judge(round_scores(with_mean(model, mean))).skill is Skill.BETTER)
    assert np.mean(is_told) == pytest.approx(0.8, abs=0.1)


def days_looked_at(models: np.ndarray) -> Iterator[list[Skill]]:
    for model in models:
        looks = range(FIRST_LOOK, model.shape[0] + 1)
        yield [judge(round_scores(model, dates)).skill for dates in looks]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whole_verdicts_each_day_for_a_year_seldom_raise_an_alarm():
    """Preconditions, their failures and the conservative verdicts included."""
    models = Field(markets=100, models=1, rounds=YEAR + FIRST_LOOK, stocks=60, seed=2).scores()
    alarms = [any(skill in TOLD for skill in skills) for skills in days_looked_at(models)]
    assert np.mean(alarms) <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dates", [60, 120, YEAR, 500])
def test_coverage_is_within_two_percent(dates):
    models = Field(markets=1500, models=1, rounds=dates, stocks=60, seed=dates).scores()
    assert coverage(models, dates) == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_on_the_practice_market():
    scores = practice_scores(YEAR, 60)
    assert np.mean([ever_alarmed(round_scores(model)) for model in scores.without_skill]) <= 0.05
    # Targets of five values add noise from day to day that is taken back: intervals are wider.
    assert coverage(scores.without_skill, YEAR) >= may_be(0.95, len(scores.without_skill))[0]
    estimates = [estimate_mean(round_scores(model)) for model in scores.participants]
    assert np.mean([estimate.method is Method.BY_DATE for estimate in estimates]) > 0.8
    assert 0.01 < np.median([estimate.smallest_visible for estimate in estimates]) < 0.02
