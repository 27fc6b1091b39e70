"""Verdicts in words, and what they rest on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.overlapping_rounds import Field, round_scores, with_mean
from numebot_dagster.scoring.luck.mean_estimates import Method
from numebot_dagster.scoring.luck.verdicts import Skill, SkillVerdict, judge, rounds_apart
from tests.support.luck_cases import NAN, from_pieces, scores_of

NOISE = np.random.default_rng(3).normal(size=300)


@pytest.fixture(scope="module")
def model() -> np.ndarray:
    return Field(markets=1, models=1, rounds=300, stocks=100).scores()[0]


@pytest.mark.parametrize(
    ("mean", "skill", "words"),
    [
        (0.9, Skill.BETTER, "better than zero"),
        (-0.9, Skill.WORSE, "worse"),
    ],
)
def test_a_large_difference_is_told(model, mean, skill, words):
    verdict = judge(round_scores(with_mean(model, mean)))
    assert (verdict.skill, verdict.words) == (skill, words)
    assert verdict.low < mean < verdict.high
    assert verdict.more_days == 0


def test_a_small_difference_needs_days(model):
    verdict = judge(round_scores(model))
    assert verdict.skill is Skill.NOT_TOLD_APART
    assert verdict.words == (
        f"cannot be told apart (would need {verdict.more_days:,.0f} more days "
        "for the difference seen so far)"
    )
    assert verdict.low < 0 < verdict.high


def verdict_of(skill: Skill, more_days: float = NAN, method: Method = Method.BY_DATE) -> str:
    return SkillVerdict(skill, NAN, NAN, more_days, method, "").words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (verdict_of(Skill.TOO_EARLY), "too early (fewer than 30 dates)"),
        (
            verdict_of(Skill.TOO_EARLY, method=Method.BY_INDEPENDENT_ROUND),
            "too early (fewer than 4 rounds that do not overlap)",
        ),
        (
            verdict_of(Skill.NOT_TOLD_APART, 1234.0),
            "cannot be told apart (would need 1,234 more days for the difference seen so far)",
        ),
        (
            verdict_of(Skill.NOT_TOLD_APART, 523_917.0),
            "cannot be told apart (would need over 20 more years for the difference seen so far)",
        ),
        (
            verdict_of(Skill.NOT_TOLD_APART, math.inf),
            "cannot be told apart (no difference so far)",
        ),
    ],
)
def test_words(words, expected):
    assert words == expected


@pytest.mark.parametrize("dates", [1, 48, 49])
def test_it_is_too_early_before_thirty_dates_count(dates):
    # The first date on which twenty rounds run is the twentieth.
    verdict = judge(from_pieces(NOISE[:dates], 60, dates))
    assert (verdict.skill is Skill.TOO_EARLY) == (dates < 49)


def test_days_to_come_are_enough_when_the_difference_stays():
    """The same pieces again and again reach the bound about when it was said."""
    pieces = NOISE[:100] + 0.2
    seen = judge(from_pieces(pieces, 30, 100))
    assert seen.skill is Skill.NOT_TOLD_APART
    dates = 100 + int(seen.more_days)
    repeated = np.resize(np.concatenate([pieces[:19], pieces[19:]]), dates)
    assert judge(from_pieces(repeated, 30, dates)).skill is Skill.BETTER


def test_rounds_that_do_not_overlap():
    table = np.column_stack([np.full((25, 9), NAN), np.arange(25.0)])
    np.testing.assert_array_equal(rounds_apart(scores_of(table)).values, [0, 10, 20])


def test_dependent_days_leave_rounds_that_do_not_overlap():
    dependent = np.convolve(NOISE, np.ones(3), mode="valid")
    early = judge(from_pieces(dependent, 100, 298))
    assert (early.skill, early.method) == (Skill.TOO_EARLY, Method.BY_INDEPENDENT_ROUND)
    later = judge(from_pieces(dependent + 9, 20, 298))
    assert later.method is Method.BY_INDEPENDENT_ROUND
    assert "days 1 apart are correlated" in later.reason
    assert later.words == "better than zero"
    small = judge(from_pieces(dependent, 20, 298))
    assert small.skill is Skill.NOT_TOLD_APART
    assert small.more_days % 20 == 0


def test_scores_of_zero_are_no_difference():
    verdict = judge(from_pieces(np.zeros(300), 60, 300))
    assert verdict.words == "cannot be told apart (no difference so far)"
