"""What the recorded state of a round calls for, and that the watchdog says it, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.lake import catalog, files
from numebot_dagster.modeling.messages import ModelCode
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.receipts import Outcome, Receipt, Rung, State
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations import fetching, watching
from numebot_dagster.operations.alerts import Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import Settings

OPEN = datetime(2026, 6, 2, 12, tzinfo=UTC)
ROUND = Round(1312, OPEN, OPEN + timedelta(hours=1))


def model(name, **more):
    return RegisteredModel(name, name, "m", ModelCode("m", "M"), **more)


MODELS = [model("a"), model("b"), model("idle", submit=False), model("off", enabled=False)]
PENDING = Receipt("a", 1312)
ACCEPTED = replace(PENDING, state=State.ACCEPTED, outcome=Outcome.ON_TIME)
CONFIRMED = replace(ACCEPTED, state=State.CONFIRMED)
FAILED = replace(PENDING, outcome=Outcome.FAILED, reason="it raised")
INVALID = replace(CONFIRMED, state=State.INVALID, reason="another file is held")
PREVIOUS = replace(CONFIRMED, rung=Rung.PREVIOUS, rung_reason="it hung")
MISSED = replace(PENDING, outcome=Outcome.MISSED, reason="nobody played")
LATE = replace(CONFIRMED, outcome=Outcome.LATE)
QUEUED = replace(ACCEPTED, outcome=Outcome.QUEUED)


def due(minute, a, b):
    """Kinds and subjects at a minute after the opening, of the newest receipts of a and b."""
    latest = {name: replace(one, model=name) for name, one in (("a", a), ("b", b)) if one}
    found = watching.round_alerts(ROUND, MODELS, latest, OPEN + timedelta(minutes=minute))
    return sorted((str(one.kind), one.subject.removeprefix("round-1312")) for one in found)


@pytest.mark.parametrize(
    ("minute", "a", "b", "expected"),
    [
        # early: nothing to say of what is not done yet
        (1, None, None, []),
        (1, PENDING, ACCEPTED, []),
        (1, CONFIRMED, ACCEPTED, []),
        (1, CONFIRMED, CONFIRMED, [("all-confirmed", "")]),
        (1, FAILED, CONFIRMED, [("model-failed", "/a")]),
        (1, INVALID, CONFIRMED, [("model-failed", "/a/invalid")]),
        (1, PREVIOUS, ACCEPTED, [("fallback-used", "/a")]),
        (1, PREVIOUS, CONFIRMED, [("all-confirmed", ""), ("fallback-used", "/a")]),
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
    found = watching.round_alerts(ROUND, MODELS, latest, OPEN + timedelta(minutes=minute))
    return {one.kind: f"{one.title}\n{one.text}" for one in found}


def test_alerts_name_model_reason_and_what_to_type():
    near = texts(50, a=FAILED)[Kind.DEADLINE_NEAR]
    assert "Round 1312 closes in 10 minutes, 2 of 2 models are not accepted" in near
    assert "- a: it raised\n- b: no run has tried it" in near
    assert "numebot run --round 1312 --models a,b" in near
    failed = texts(50, a=replace(FAILED, reason="it raised."))[Kind.MODEL_FAILED]
    assert "it raised. To try again: numebot run --round 1312 --models a" in failed
    assert "it hung" in texts(1, a=PREVIOUS)[Kind.FALLBACK_USED]
    missed = texts(66, a=MISSED, b=replace(CONFIRMED, model="b"))[Kind.ROUND_MISSED]
    assert "a missed round 1312" in missed
    assert "nobody played" in missed
    assert "numebot run --round 1312 --models a --late" in missed
    assert "To try again" not in texts(66, a=FAILED)[Kind.MODEL_FAILED]


@pytest.mark.parametrize("late", [LATE, QUEUED])
def test_all_that_missed_a_round_are_one_alert_and_what_is_late_is_not_asked_for(late):
    both = texts(66, a=replace(late, model="a"), b=replace(MISSED, model="b"))
    missed = both[Kind.ROUND_MISSED]
    assert missed.startswith("2 models missed round 1312\n")
    assert "- a: its submission came late and counts" in missed
    assert "- b: nobody played" in missed
    assert "numebot run --round 1312 --models b --late" in missed
    only = texts(66, a=late, b=replace(CONFIRMED, model="b"))[Kind.ROUND_MISSED]
    assert "--late" not in only


# --- against the practice tournament -----------------------------------------------------------


def said(world):
    rows = catalog.query(world.platform.lake, "from alerts order by raised_at").to_dicts()
    return [(row["kind"], row["subject"]) for row in rows if row["kind"] != "disk-nearly-full"]


@pytest.fixture
def seen(fresh_world, receiver, monkeypatch):
    """A world with an open round that is known, and alerts that go to the receiver."""
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
    number = fresh_world.open_round()
    fetching.fetch_details(fresh_world.platform, number)
    return fresh_world, number


def test_the_watchdog_follows_a_round_that_nobody_plays(seen, receiver):
    world, number = seen
    assert watching.look(world.platform).raised == ()
    close = world.platform.client.round(number).close_staking_time
    for minutes in (31, 30, 20, 14, 4, 3):
        world.practice.advance((close - timedelta(minutes=minutes)).isoformat())
        watching.look(world.platform)
    round_ = f"round-{number}"
    near = [("deadline-near", f"{round_}/{minutes}-minutes") for minutes in (30, 15, 5)]
    assert said(world) == near
    world.practice.advance((close + timedelta(minutes=6)).isoformat())
    look = watching.look(world.platform)
    assert (look.rounds, look.problem) == ((number,), "")
    missed = [("round-missed", f"{round_}/steady-1,second")]
    assert said(world) == near + missed
    assert watching.look(world.platform).raised == ()
    assert len(receiver.titles) == 4


def test_a_round_that_closes_early_is_missed_when_it_is_closed(seen):
    world, number = seen  # whose stored times say otherwise
    opened = world.platform.client.round(number).open_time
    world.practice.add_fault("deadline-moved", values={"minutes": -30})
    world.practice.advance((opened + timedelta(minutes=37)).isoformat())
    watching.look(world.platform)
    assert said(world) == [("round-missed", f"round-{number}/steady-1,second")]


def test_one_more_model_that_missed_is_one_more_message(seen):
    world, number = seen
    lake, round_ = world.platform.lake, f"round-{number}"
    receipts.append(lake, replace(MISSED, model="second", round_number=number))
    world.practice.advance("next-close")
    watching.look(world.platform)
    assert said(world) == [("round-missed", f"{round_}/second")]
    receipts.append(lake, replace(MISSED, model="steady-1", round_number=number))
    watching.look(world.platform)
    both = [("round-missed", f"{round_}/second"), ("round-missed", f"{round_}/steady-1")]
    assert said(world) == both
    watching.look(world.platform)
    assert said(world) == both


def test_a_round_that_cannot_be_read_is_no_healthy_look(seen):
    """Else the heartbeat would go on while nobody knows how the round stands."""
    world, number = seen
    damaged = world.platform.lake.receipts_folder("second", number) / f"{1:020d}.parquet"
    files.replace_bytes(damaged, b"no Parquet")
    look = watching.look(world.platform)
    assert look.rounds == (number,)
    assert f"{damaged} is not a whole Parquet file" in look.problem
    damaged.unlink()
    files.replace_bytes(world.platform.lake.round_details(number), b"no Parquet")
    look = watching.look(world.platform)  # Numerai knows its times
    assert (look.rounds, look.problem) == ((number,), "")


def test_what_a_killed_run_did_not_say_is_said_by_the_next_look(seen, receiver):
    """Alerts are a function of what is recorded."""
    world, number = seen
    lake = world.platform.lake
    receipts.append(lake, replace(FAILED, model="second", round_number=number))
    assert said(world) == []
    look = watching.look(world.platform)
    assert [one.title for one in look.raised] == [f"second failed in round {number}"]
    assert receiver.titles == [f"second failed in round {number}"]


def test_rounds_of_the_last_days_are_looked_at_as_well(seen):
    world, first = seen
    receipts.append(world.platform.lake, replace(MISSED, model="second", round_number=first))
    world.open_round()
    world.open_round()  # two days later
    watching.look(world.platform)
    assert said(world) == [("round-missed", f"round-{first}/second")]


def test_a_round_that_is_not_played_is_not_watched(seen, monkeypatch):
    world, _ = seen  # of a weekday
    monkeypatch.setenv("NUMEBOT_ROUNDS", "weekend")
    assert watching.look(world.platform).rounds == ()


def test_credentials_that_are_refused_are_told_once(seen, monkeypatch):
    world, number = seen
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "WRONG")
    accepted = replace(ACCEPTED, model="second", round_number=number, submission_id="some-id")
    receipts.append(world.platform.lake, accepted)
    looks = [watching.look(world.platform) for _ in range(2)]
    assert [one.kind for one in looks[0].raised] == [Kind.CREDENTIALS_REFUSED]
    assert looks[1].raised == ()
    assert all(f"round {number} was not checked" in one.problem for one in looks)


def test_a_full_disk_does_not_silence_the_watchdog(seen, monkeypatch):
    """What Numerai no longer holds cannot be recorded then; all the more is to be said."""
    world, _ = seen
    monkeypatch.setattr(watching, "LEAST_FREE_DISK", 10**15)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(watching.reconciling, "recheck", full)
    look = watching.look(world.platform)
    assert [one.kind for one in look.raised] == [Kind.DISK_NEARLY_FULL]
    assert "was not checked: No space left on device" in look.problem


def test_without_numerai_the_stored_times_are_used(tmp_path: Path):
    """The close comes nearer whether Numerai answers or not."""
    registry = tmp_path / "models.csv"
    (tmp_path / "some.py").write_text("class Some: ...\n")
    registry.write_text("numerai_name,model_code\na,some\n")
    platform = Platform(
        Settings(
            _env_file=None,
            numerai_data_folder=tmp_path / "data",
            model_configs_path=registry,
            numebot_retry_deadline=0.2,
            numebot_connect_timeout=0.1,
        )
    )
    now = datetime.now(UTC)
    found = Round(1405, now - timedelta(minutes=50), now + timedelta(minutes=10))
    fetching._store_details(platform, found)
    platform.client.transport.endpoint = "http://127.0.0.1:9"
    look = watching.look(platform)
    assert [one.subject for one in look.raised] == ["round-1405/15-minutes"]
    assert "Numerai was not asked, the stored times are used" in look.problem


def test_a_disk_that_is_nearly_full_is_told_once_a_day(seen, monkeypatch):
    world, _ = seen
    monkeypatch.setattr(watching, "LEAST_FREE_DISK", 10**15)
    raised = [watching.look(world.platform).raised for _ in range(2)]
    assert [[one.kind for one in found] for found in raised] == [[Kind.DISK_NEARLY_FULL], []]
    assert str(world.folder / "data") in raised[0][0].text
