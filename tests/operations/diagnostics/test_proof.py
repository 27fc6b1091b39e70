"""What the rounds of a replay prove together, and how that is said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from numebot_dagster.operations.diagnostics.proof import (
    Outcome,
    Pipeline,
    Proof,
    ReplayedRound,
)

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


def of(*outcomes: Outcome, text: str = "", left_out: int = 0, reason: str = "") -> Proof:
    """Return a proof of rounds from 1300 down."""
    rounds = tuple(
        ReplayedRound(1300 - place, 1281, outcome, 1.0, 0.0, text if outcome is not EQUAL else "")
        for place, outcome in enumerate(outcomes)
    )
    return Proof("lark", NOON, rounds, left_out, reason)


EQUAL = Outcome.EQUAL


@pytest.mark.parametrize(
    ("proof", "pipeline", "said"),
    [
        (
            of(EQUAL, EQUAL, EQUAL, left_out=2),
            Pipeline.SOUND,
            "With its stored weights it predicts for 3 rounds from 1298 to 1300 the very file that "
            "was submitted. Canary rows are equal. Of 2 more rounds not all is stored any more.",
        ),
        (
            of(Outcome.LIBRARY, EQUAL, Outcome.OTHER_CODE, text="trained with numpy 1"),
            Pipeline.SOUND,
            "With its stored weights it predicts for 2 rounds from 1299 to 1300 what was "
            "submitted, apart from what another version of a library changed in round 1300. Round "
            "1300: trained with numpy 1. Canary rows are equal. 1 round of other code cannot be "
            "compared.",
        ),
        (
            of(EQUAL, Outcome.MIXED, Outcome.DIFFERENT, Outcome.RANDOM, text="it is so"),
            Pipeline.BROKEN,
            "Round 1299, by the weights of 1281: it is so. So it is with round 1298. 1 other round "
            "can be reproduced.",
        ),
        (
            of(Outcome.RANDOM, EQUAL, text="two runs correlate by 0.99"),
            Pipeline.RANDOM,
            "It predicts something else each time: of round 1300, two runs correlate by 0.99, and "
            "not less with what was submitted. So a replay proves nothing here, and nothing speaks "
            "against it.",
        ),
        (
            of(left_out=1),
            Pipeline.UNPROVED,
            "There is no submitted round of which all is stored that a replay needs.",
        ),
        (
            of(Outcome.OTHER_CODE, text="its code was a and is b now"),
            Pipeline.UNPROVED,
            "Round 1300: the code has changed since: its code was a and is b now.",
        ),
        (of(reason="no source"), Pipeline.UNPROVED, "It could not be replayed: no source."),
    ],
)
def test_what_is_proved_and_said(proof, pipeline, said):
    assert proof.pipeline is pipeline
    assert " ".join(proof.sentences) == said
