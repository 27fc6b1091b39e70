"""What a replay shows, by literal predictions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from numebot_dagster.modeling.weights.comparison import compare
from numebot_dagster.modeling.weights.structure import Structure
from numebot_dagster.operations.diagnostics.agreement import Submitted, compared, compared_twice
from numebot_dagster.operations.diagnostics.proof import Outcome, ReplayedRound
from numebot_dagster.submissions import submission_file

ROWS = 2000
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=ROWS)
IDS = [f"n{row:04}" for row in range(ROWS)]
ROUND = ReplayedRound(1300, 1281, Outcome.UNFINISHED)
LIBRARY = ("lightgbm 4.5.0 (now 4.6.0)",)
SAME, OTHER = compare(SCORES, SCORES), compare(SCORES, -SCORES)


def noisy(size: float, seed: int = 1) -> np.ndarray:
    return SCORES + size * np.random.default_rng(seed).normal(size=ROWS)


def sent(scores=SCORES, libraries=()):
    ranks = submission_file.rank_to_unit_interval(scores)
    return Submitted(IDS, ranks, submission_file.prepare(IDS, ranks).sha256, libraries)


def again(scores=SCORES, canary=SAME, structure=None, missing=(), ids=IDS):
    """Return what a worker answers, as far as it is looked at."""
    return SimpleNamespace(
        ids=np.array(ids, dtype=object),
        predictions=scores,
        canary=canary,
        structure=structure,
        missing_features=missing,
    )


@pytest.mark.parametrize(
    ("submitted", "answer", "outcome", "words"),
    [
        (sent(), again(2 * SCORES + 1), Outcome.EQUAL, ""),
        (sent(), again(structure=Structure(0.95, 0.9, 40)), Outcome.EQUAL, ""),
        (sent(), again(structure=Structure(0.01, 0.2, 40)), Outcome.EQUAL, ""),
        (sent(), again(noisy(1e-4)), Outcome.ROUNDED, ""),
        (sent(libraries=LIBRARY), again(noisy(1e-4)), Outcome.ROUNDED, "lightgbm 4.5.0 (now"),
        (sent(libraries=LIBRARY), again(noisy(0.02)), Outcome.LIBRARY, "lightgbm 4.5.0 (now"),
        (sent(), again(noisy(0.02)), Outcome.DIFFERENT, "submitted by 0.9998"),
        (sent(libraries=LIBRARY), again(noisy(1.0)), Outcome.DIFFERENT, "lightgbm 4.5.0 (now"),
        (sent(), again(-SCORES), Outcome.DIFFERENT, "by -1.000"),
        (sent(), again(canary=OTHER), Outcome.DIFFERENT, "canary rows"),
        (sent(), again(structure=Structure(0.01, 0.9, 40)), Outcome.MIXED, "agreement 0.01"),
        (sent(), again(missing=("feature_x",)), Outcome.FAILED, "feature_x"),
        (sent(), again(ids=IDS[::-1]), Outcome.DIFFERENT, "live ids"),
    ],
)
def test_what_a_replay_shows(submitted, answer, outcome, words):
    result = compared(ROUND, submitted, answer)
    assert result.outcome is outcome
    assert words in result.text
    assert bool(words) is bool(result.text)
    assert (result.round_number, result.vintage) == (1300, 1281)


@pytest.mark.parametrize(
    ("submitted", "first", "second", "outcome", "words"),
    [
        (SCORES, -SCORES, -SCORES, Outcome.DIFFERENT, "submitted by -1.000"),
        (noisy(0.1, 3), noisy(0.1, 4), noisy(0.1, 5), Outcome.RANDOM, "two runs on the same data"),
        (-SCORES, noisy(0.1, 4), noisy(0.1, 5), Outcome.DIFFERENT, "submitted by -0.9"),
        (noisy(9, 3), noisy(9, 4), noisy(9, 5), Outcome.DIFFERENT, "predicts is chance"),
    ],
)
def test_a_second_run_tells_chance_from_a_difference(submitted, first, second, outcome, words):
    differs = compared(ROUND, sent(submitted), again(first))
    assert differs.outcome is Outcome.DIFFERENT
    result = compared_twice(differs, again(first), again(second))
    assert result.outcome is outcome
    assert words in result.text
