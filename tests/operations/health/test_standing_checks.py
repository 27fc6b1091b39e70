"""What has to hold on every day, case by case."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from numebot_dagster.operations.health import standing_checks
from numebot_dagster.operations.health.status import RoundModel, Standing, WeightsStatus
from numebot_dagster.operations.health.upkeep import Verification

CONFIRMED, ACCEPTED, FAILED = Standing.CONFIRMED, Standing.ACCEPTED, Standing.FAILED


@pytest.mark.parametrize(
    ("standings", "passed", "is_error", "text"),
    [
        ([CONFIRMED, Standing.ELSEWHERE], True, False, "round 7: 2 models confirmed"),
        ([CONFIRMED], True, False, "round 7: 1 model confirmed"),
        ([CONFIRMED, ACCEPTED], False, False, "round 7: m1: accepted"),
        ([FAILED, ACCEPTED], False, True, "round 7: m0: failed: no disk; m1: accepted"),
        ([FAILED, FAILED], False, True, "round 7: m0 and m1: failed: no disk"),
        ([Standing.UNPLAYED], False, True, "round 7: m0: unplayed"),
    ],
)
def test_what_is_not_confirmed_is_named(standings, passed, is_error, text):
    cells = [
        RoundModel(7, f"m{number}", standing, None, "no disk" if standing is FAILED else "")
        for number, standing in enumerate(standings)
    ]
    gate = standing_checks.confirmed(7, cells)
    assert (gate.passed, gate.blocking, gate.text) == (passed, is_error, text)
    assert gate.facts["models"] == len(standings)


def test_weights_are_fresh_without_a_problem():
    trained = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    fresh = standing_checks.weights_fresh(WeightsStatus("m", 1279, trained, ""))
    assert (fresh.passed, fresh.text) == (True, "trained on vintage 1279 at 2026-06-01 12:30 UTC")
    due = standing_checks.weights_fresh(WeightsStatus("m", 1279, trained, "due for retraining"))
    assert (due.passed, due.blocking, due.text) == (False, False, "due for retraining")


@pytest.mark.parametrize(
    ("verification", "passed", "text"),
    [
        (Verification(0, 0, []), True, "0 blocks have the rows of the files that they replaced"),
        (Verification(3, 1, []), True, "before 1 block could be read"),
        (Verification(3, 1, ["b: changed"]), False, "b: changed"),
    ],
)
def test_roll_ups_are_sound_without_a_problem(verification, passed, text):
    gate = standing_checks.rollup_sound(verification)
    assert (gate.passed, gate.blocking) == (passed, not passed)
    assert gate.text.endswith(text)
