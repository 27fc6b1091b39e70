"""What the recorded state of a round calls for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.worker.messages import ModelCode
from numebot_dagster.numerai.errors import NotAuthorised
from numebot_dagster.numerai.http.error_translation import graphql_data
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.health.round_alerts import round_alerts
from numebot_dagster.operations.slots import no_slot
from numebot_dagster.settings import Settings
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State

OPEN = datetime(2026, 6, 2, 12, tzinfo=UTC)
ROUND = Round(1312, OPEN, OPEN + timedelta(hours=1))


def model(name, **more):
    return RegisteredModel(name, name, "m", ModelCode("m", "M"), **more)


MODELS = [model("a"), model("b"), model("idle", submit=False), model("off", enabled=False)]
PENDING = Receipt("a", 1312, predictions_sha256="0" * 64)
ACCEPTED = replace(PENDING, state=State.ACCEPTED, outcome=Outcome.ON_TIME)
CONFIRMED = replace(ACCEPTED, state=State.CONFIRMED)
ELSEWHERE = replace(ACCEPTED, predictions_sha256=None, filename="by-hand.csv")
FAILED = replace(PENDING, outcome=Outcome.FAILED, reason="it raised")
INVALID = replace(CONFIRMED, state=State.INVALID, reason="another file is held")
PREVIOUS = replace(CONFIRMED, rung=Rung.PREVIOUS, rung_reason="it hung")
MISSED = replace(PENDING, outcome=Outcome.MISSED, reason="nobody played")
LATE = replace(CONFIRMED, outcome=Outcome.LATE)
QUEUED = replace(ACCEPTED, outcome=Outcome.QUEUED)


def due(minute, a, b, raised=None):
    """Return kinds and subjects at a minute after the opening, by the newest receipts of a, b."""
    latest = {
        name: replace(receipt, model=name) for name, receipt in (("a", a), ("b", b)) if receipt
    }
    alerts = round_alerts(ROUND, MODELS, latest, OPEN + timedelta(minutes=minute), raised)
    return sorted((str(alert.kind), alert.subject.removeprefix("round-1312")) for alert in alerts)


@pytest.mark.parametrize(
    ("minute", "a", "b", "expected"),
    [
        # early: nothing to say of what is not done yet
        (1, None, None, []),
        (1, PENDING, ACCEPTED, []),
        (1, CONFIRMED, ACCEPTED, []),
        (1, CONFIRMED, ELSEWHERE, [("all-confirmed", ""), ("submitted-elsewhere", "/b")]),
        (59.99, ELSEWHERE, CONFIRMED, [("all-confirmed", ""), ("submitted-elsewhere", "/a")]),
        (66, ELSEWHERE, CONFIRMED, [("all-confirmed", ""), ("submitted-elsewhere", "/a")]),
        (1, ELSEWHERE, ELSEWHERE, [("submitted-elsewhere", "/a,b")]),
        (1, ACCEPTED, ELSEWHERE, [("submitted-elsewhere", "/b")]),
        (1, CONFIRMED, CONFIRMED, [("all-confirmed", "")]),
        (1, FAILED, CONFIRMED, [("model-failed", "/a")]),
        (1, INVALID, CONFIRMED, [("model-failed", "/a/invalid")]),
        (1, PREVIOUS, ACCEPTED, [("fallback-used", "/a")]),
        (1, PREVIOUS, CONFIRMED, [("all-confirmed", ""), ("fallback-used", "/a")]),
        # what is alike is one alert
        (1, FAILED, FAILED, [("model-failed", "/a,b")]),
        (1, FAILED, INVALID, [("model-failed", "/a"), ("model-failed", "/b/invalid")]),
        (1, PREVIOUS, PREVIOUS, [("all-confirmed", ""), ("fallback-used", "/a,b")]),
        # near the close: one alert at each threshold for all
        (29.9, None, PENDING, []),
        (30, None, PENDING, [("deadline-near", "/30-minutes")]),
        (44, None, CONFIRMED, [("deadline-near", "/30-minutes")]),
        (45, None, CONFIRMED, [("deadline-near", "/15-minutes")]),
        (55, None, ACCEPTED, [("deadline-near", "/5-minutes")]),
        (59.99, FAILED, ACCEPTED, [("deadline-near", "/5-minutes"), ("model-failed", "/a")]),
        (59.99, ACCEPTED, CONFIRMED, []),
        (50, LATE, CONFIRMED, [("deadline-near", "/15-minutes")]),
        # closed: a run may still be asking about its last second
        (61, None, PENDING, []),
        (61, MISSED, CONFIRMED, [("round-missed", "/a")]),
        (66, None, PENDING, [("round-missed", "/a,b")]),
        (66, FAILED, CONFIRMED, [("model-failed", "/a"), ("round-missed", "/a")]),
        (66, LATE, QUEUED, [("round-missed", "/a,b")]),
        (66, ACCEPTED, CONFIRMED, []),
        # days later: a model without a receipt is rather a new one
        (3 * 1440, None, CONFIRMED, []),
        (3 * 1440, PENDING, MISSED, [("round-missed", "/a,b")]),
        # before the opening
        (-5, None, None, []),
    ],
)
def test_what_a_state_calls_for(minute, a, b, expected):
    assert due(minute, a, b) == expected


@pytest.mark.parametrize(
    ("kind", "subject", "receipt", "left"),
    [
        (Kind.MODEL_FAILED, "round-1312/a", FAILED, "/b"),
        (Kind.MODEL_FAILED, "round-1312/a,b", FAILED, None),
        (Kind.MODEL_FAILED, "round-1311/a,b", FAILED, "/a,b"),  # of another round
        (Kind.MODEL_FAILED, "round-1312/a", INVALID, "/a,b/invalid"),  # another matter
        (Kind.MODEL_FAILED, "round-1312/b/invalid", INVALID, "/a/invalid"),
        (Kind.FALLBACK_USED, "round-1312/b", PREVIOUS, "/a"),
    ],
)
def test_a_model_is_named_once_in_a_matter(kind, subject, receipt, left):
    alerts = [said for of, said in due(1, receipt, receipt, {kind: [subject]}) if of == kind]
    assert alerts == ([] if left is None else [left])


STATES = st.sampled_from(
    [None, PENDING, ACCEPTED, CONFIRMED, FAILED, INVALID, PREVIOUS, MISSED, LATE, QUEUED]
)


@given(minute=st.floats(-60, 20_000), a=STATES, b=STATES)
def test_a_round_without_trouble_is_never_complained_of_and_the_others_are(minute, a, b):
    kinds = {kind for kind, _ in due(minute, a, b)}
    good = {ACCEPTED, CONFIRMED, PREVIOUS}
    if {a, b} <= good:
        assert not kinds & {"model-failed", "deadline-near", "round-missed"}
    elif 65 <= minute < 60 + 1440:
        assert "round-missed" in kinds
    elif 30 <= minute < 60:
        assert "deadline-near" in kinds
    assert ("all-confirmed" in kinds) == ({a, b} <= {CONFIRMED, PREVIOUS})
    assert ("fallback-used" in kinds) == (PREVIOUS in (a, b))


def texts(minute, **latest):
    alerts = round_alerts(ROUND, MODELS, latest, OPEN + timedelta(minutes=minute))
    return {alert.kind: f"{alert.title}\n{alert.text}" for alert in alerts}


def test_alerts_name_model_reason_and_what_to_type():
    near = texts(50, a=FAILED)[Kind.DEADLINE_NEAR]
    assert "Round 1312 closes in 10 minutes, 2 of 2 models have no accepted submission" in near
    assert "- a: it raised\n- b: no run has tried to submit\n" in near
    assert "numebot run --round 1312 --models a,b" in near
    failed = texts(50, a=replace(FAILED, reason="it raised."))[Kind.MODEL_FAILED]
    assert "it raised. To try again: numebot run --round 1312 --models a" in failed
    assert "it hung" in texts(1, a=PREVIOUS)[Kind.FALLBACK_USED]
    missed = texts(66, a=MISSED, b=replace(CONFIRMED, model="b"))[Kind.ROUND_MISSED]
    assert "a missed round 1312" in missed
    assert "nobody played" in missed
    assert "numebot run --round 1312 --models a --late" in missed
    assert "To try again" not in texts(66, a=FAILED)[Kind.MODEL_FAILED]


def test_trying_again_is_advised_only_where_it_may_help():
    """Of the texts that receipts keep of a wrong key, a missing one and a misspelt name."""
    with pytest.raises(NotAuthorised) as wrong:
        graphql_data(b'{"errors":[{"message":"Your session has expired."}]}', "x", str)
    with pytest.raises(NotAuthorised) as missing:
        Transport(Settings(_env_file=None)).require_credentials()
    name = no_slot("a", ["b", "c"], Path("model_configs.csv"), 2)
    assert "expired; check the credentials" in str(wrong.value)
    assert "numer.ai (Account, Custom API keys)" in str(missing.value)
    for reason in (str(wrong.value), str(missing.value), name):
        hopeless = replace(FAILED, reason=reason)
        alerts = texts(50, a=hopeless, b=replace(CONFIRMED, model="b"))
        for kind in (Kind.MODEL_FAILED, Kind.DEADLINE_NEAR):
            assert "Once that is corrected: numebot run --round 1312 --models a" in alerts[kind]
            assert "try again" not in alerts[kind]
        both = texts(50, a=hopeless, b=replace(FAILED, model="b"))
        assert both[Kind.MODEL_FAILED].endswith("To try again: numebot run --round 1312 --models b")
        assert both[Kind.DEADLINE_NEAR].endswith("\nType: numebot run --round 1312 --models b")


@pytest.mark.parametrize("late", [LATE, QUEUED])
def test_all_that_missed_a_round_are_one_alert_and_what_is_late_is_not_asked_for(late):
    both = texts(66, a=replace(late, model="a"), b=replace(MISSED, model="b"))
    missed = both[Kind.ROUND_MISSED]
    assert missed.startswith("2 models missed round 1312\n")
    assert "- a: its submission came late and" in missed
    assert "- b: nobody played" in missed
    assert "numebot run --round 1312 --models b --late" in missed
    only = texts(66, a=late, b=replace(CONFIRMED, model="b"))[Kind.ROUND_MISSED]
    assert "--late" not in only


def test_messages_about_fifty_models_are_short_and_say_each_cause_once():
    fleet = [model(f"model_{number}") for number in range(50)]
    names = [registered.name for registered in fleet]
    latest = {
        name: replace(FAILED, model=name, reason=f"{name}: predict took {number} GB, 4 are allowed")
        for number, name in enumerate(names[:49])
    }
    alerts = {
        alert.kind: alert
        for alert in round_alerts(ROUND, fleet, latest, OPEN + timedelta(minutes=50))
    }
    failed = alerts[Kind.MODEL_FAILED]
    assert failed.title == "49 models failed in round 1312"
    assert failed.text == (
        "- model_0, model_1, model_2 and 46 more: model_0: predict took 0 GB, 4 are allowed\n"
        "To try again: numebot run --round 1312"
    )
    assert alerts[Kind.DEADLINE_NEAR].text.count("\n") == 2
