"""One message about many rounds that closed while nobody watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.health.round_alerts import round_alerts
from numebot_dagster.operations.rounds.catching_up import _missed_alert
from numebot_dagster.submissions.receipts import NOBODY_PLAYED, Outcome, Receipt
from tests.operations.health.test_round_alerts import model

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)
ROUNDS = [
    Round(1281 + day, NOON + timedelta(days=day), NOON + timedelta(days=day, hours=1))
    for day in range(4)
]


def test_models_that_missed_the_same_rounds_share_a_line():
    alert = _missed_alert(ROUNDS, {"a": ROUNDS, "b": ROUNDS, "late": ROUNDS[2:]})
    assert alert.subject == "rounds-1281-1284/a,b,late"
    assert alert.title == "3 models missed rounds 1281 to 1284"
    assert alert.text.splitlines() == [
        "No run played these rounds before they closed; the last closed on Fri 05 Jun 2026 at "
        "13:00 UTC.",
        "- a and b: Rounds 1281 to 1284",
        "- late: Rounds 1283 and 1284",
        "Nothing is left to do: rounds that open from now on are played.",
    ]


@pytest.mark.parametrize(
    ("reason", "number", "said_again"),
    [
        (NOBODY_PLAYED, 1284, False),
        (f"{NOBODY_PLAYED}; old.csv counts in its place", 1284, False),
        (NOBODY_PLAYED, 1285, True),
        ("it raised", 1284, True),
    ],
)
def test_what_was_told_together_is_not_told_of_each_round(reason, number, said_again):
    subject = _missed_alert(ROUNDS, {"a": ROUNDS}).subject
    closed = Round(number, NOON, NOON + timedelta(hours=1))
    receipt = Receipt("a", number, outcome=Outcome.MISSED, reason=reason)
    alerts = round_alerts(
        closed, [model("a")], {"a": receipt}, NOON + timedelta(hours=2),
        {Kind.ROUND_MISSED: [subject]},
    )  # fmt: skip
    assert [alert.kind for alert in alerts] == [Kind.ROUND_MISSED] * said_again
