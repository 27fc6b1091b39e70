"""The table of rounds and models in `numebot status`."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from numebot_dagster.cli import screen, status
from numebot_dagster.operations.health.status import (
    Moment,
    RoundModel,
    Standing,
    Window,
)
from numebot_dagster.operations.performance.newest_scores import PaidScores, Scored
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State

NOW = datetime(2026, 6, 2, 12, 17, tzinfo=UTC)
OPEN = Window(1280, NOW - timedelta(minutes=17), NOW + timedelta(minutes=43))


def shown(overview, *, width=100, colours=False):
    """Return what a terminal of that width shows."""
    out = io.StringIO()
    kind = "standard" if colours else None
    console = Console(file=out, width=width, color_system=kind, markup=False)
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(screen, "console", console)
        status._show(overview)
    return out.getvalue()


def overview(models, *, windows=(OPEN,)):
    receipt = Receipt("m0", 1280, state=State.CONFIRMED, outcome=Outcome.ON_TIME)
    lower = replace(receipt, rung=Rung.PREVIOUS)
    cells = [
        RoundModel(window.number, f"m{index}", Standing.CONFIRMED, lower if index == 1 else receipt)
        for window in windows
        for index in range(models)
    ]
    cells[-1] = RoundModel(1280, cells[-1].model, Standing.FAILED, None, "it raised [oops]")
    return status.Overview(Moment(NOW, OPEN), windows, cells, {}, [], [], [])


def test_a_grid_of_few_models_has_a_cell_each():
    text = shown(overview(3))
    assert "round 1280 is open for another 43 min" in text
    [row] = [line for line in text.splitlines() if line.lstrip().startswith("1280")]
    cells = "1280 Tue 02 Jun ✓ confirmed ✓ confirmed previous ✗ failed"
    assert row.split() == cells.split()
    assert "Round 1280, m2: failed: it raised [oops]" in text
    assert "\x1b[" not in text


def scored(models, day=12, *, resolved=False):
    """Return scores of so many models in round 1280, each ten times the one before."""
    value = Scored("mmc60", "1", day, 0.001, resolved)
    scores = {
        (f"m{index}", 1280): replace(value, value=0.001 * 10**index) for index in range(models)
    }
    return PaidScores("mmc60", scores, 1280 if resolved else None)


@pytest.mark.parametrize(
    ("models", "scores", "row"),
    [
        (3, scored(2), "✓ +0.0010 ✓ +0.0100 previous ✗ failed day 12"),
        (3, scored(1, 60, resolved=True), "✓ +0.0010 ✓ confirmed previous ✗ failed resolved"),
        (3, PaidScores("mmc60"), "✓ confirmed ✓ confirmed previous ✗ failed"),
        (50, scored(3), "✓ 49 confirmed, ✗ 1 failed day 12, median +0.0100"),
    ],
)
def test_a_score_stands_beside_the_state(models, scores, row):
    text = shown(replace(overview(models), scores=scores), width=80)
    [line] = [line for line in text.splitlines() if line.lstrip().startswith("1280")]
    assert line.split() == f"1280 Tue 02 Jun {row}".split()
    assert "MMC60" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (2, "MMC60: m0 +0.0010, m1 +0.0100."),
        (5, "MMC60 of 5 models from +0.0010 to +10.0000, median +0.1000."),
    ],
)
def test_the_last_resolved_round_is_named(models, words):
    text = shown(replace(overview(models), scores=scored(models, 60, resolved=True)), width=80)
    assert f"Round 1280 is the last that has resolved: {words}" in " ".join(text.split())


def test_a_grid_of_many_models_counts_them():
    text = shown(overview(50), width=80)
    assert "✓ 49 confirmed, ✗ 1 failed" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_fleet_that_missed_rounds_is_told_in_a_few_lines():
    rounds = [Window(1280 - back, NOW - timedelta(days=back)) for back in range(5)]
    names = [f"model_{number}" for number in range(20)]
    cells = [
        RoundModel(
            round_.number, name, Standing.MISSED, None, f"round {round_.number} was not played"
        )
        for round_ in rounds
        for name in names
    ]
    weights = [
        status.WeightsStatus(name, 1270, NOW, f"due for retraining: numebot train --models {name}")
        for name in names
    ]
    failures = {round_.number: f"run {round_.number}f00 failed: no memory" for round_ in rounds}
    overview = status.Overview(Moment(NOW, OPEN), rounds, cells, failures, weights, [], [])
    text = shown(overview, width=80)
    assert "Rounds 1276 to 1280: run 1280f00 failed: no memory\n" in text
    missed = (
        "Rounds 1276 to 1280, model_0, model_1, model_2 and 17 more: missed: round 1280 was not"
    )
    assert missed in " ".join(text.split())
    assert "and 17 more: due for retraining: numebot train" in " ".join(text.split())
    assert len(text.splitlines()) < 20


def test_colours_are_for_a_terminal():
    text = shown(overview(3), colours=True)
    assert "\x1b[32m✓ confirmed" in text
    assert "\x1b[1;31m✗ failed" in text


def test_a_run_that_failed_by_what_its_models_say_is_not_said_again():
    reason = "no run played the round before it closed"
    cells = [RoundModel(1280, name, Standing.MISSED, None, reason) for name in "ab"]
    failures = {1280: f"run a00 failed: Round 1280 was missed: a and b: {reason}"}
    overview = status.Overview(Moment(NOW, OPEN), [OPEN], cells, failures, [], [], [])
    text = " ".join(shown(overview, width=80).split())
    assert text.count(reason) == 1
    assert f"Round 1280, a and b: missed: {reason}" in text
