"""What the box of a model's pipeline says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.operations.diagnostics.proof import Outcome, Proof, ReplayedRound
from numebot_dagster.operations.health.status import RoundModel, Standing
from numebot_dagster.operations.performance.board import pipeline
from numebot_dagster.submissions.receipts import Receipt, Rung, State

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
CONFIRMED = {"state": State.CONFIRMED, "vintage": 1281}
UNPROVED = "Pipeline: not proved yet"


def cell(number: int, standing: Standing = Standing.CONFIRMED, **receipt: object) -> RoundModel:
    made = Receipt("lark", number, **{**CONFIRMED, **receipt})
    return RoundModel(number, "lark", standing, made, "")


def proof(outcome: Outcome, days: float = 0.5) -> Proof:
    round_ = ReplayedRound(1300, 1281, outcome, 1.0, 0.0, "it is so")
    return Proof("lark", NOW - timedelta(days=days), (round_,))


CELLS = [cell(1301), cell(1300)]


@pytest.mark.parametrize(
    ("given", "title", "style", "command"),
    [
        (None, UNPROVED, "", pipeline.REPLAY),
        (proof(Outcome.EQUAL), "Pipeline: sound", "good", ""),
        (
            proof(Outcome.EQUAL, 8),
            "Pipeline: sound, last replayed over a week ago",
            "warn",
            pipeline.REPLAY,
        ),
        (proof(Outcome.MIXED), "Pipeline: broken", "bad", ""),
        (proof(Outcome.OTHER_CODE), UNPROVED, "", pipeline.REPLAY),
        (
            proof(Outcome.RANDOM),
            "Pipeline: cannot be proved, because the model is not deterministic",
            "",
            "",
        ),
    ],
)
def test_what_is_proved_has_a_title_a_colour_and_a_command(given, title, style, command):
    said = pipeline.statement(given, CELLS, NOW)
    assert (said.title, said.style, said.command) == (title, style, command)
    assert said.paragraphs[-1] == "None of its last 2 rounds failed or was played by a lower rung."


def test_when_it_was_proved_and_what_was_not_is_said():
    said = pipeline.statement(proof(Outcome.EQUAL), [cell(1302, vintage=1295), *CELLS], NOW)
    assert said.paragraphs[0] == (
        "Replayed 29 Nov 2026 00:30 UTC, 12 hours before this page was written. With its stored "
        "weights it predicts for round 1300 the very file that was submitted. Canary rows are "
        "equal. Its weights of vintage 1295 were not replayed yet."
    )
    assert pipeline.statement(None, [], NOW).paragraphs == ["No stored round was replayed yet."]


def test_failures_and_lower_rungs_of_the_last_rounds_are_counted():
    cells = [
        cell(1303, Standing.FAILED, state=State.PENDING),
        cell(1302, rung=Rung.PREVIOUS),
        cell(1301, rung=Rung.FALLBACK),
        *[cell(1300 - back) for back in range(100)],
    ]
    assert pipeline.statement(None, cells, NOW).paragraphs[-1] == (
        "1 of its last 60 rounds failed, 2 were played by a lower rung."
    )
