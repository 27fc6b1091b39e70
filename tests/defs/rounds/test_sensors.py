"""The sensor that notices new rounds and has them played."""

from __future__ import annotations

import os
import platform
import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from numebot_dagster.defs.partitions import ROUND_TAG
from numebot_dagster.defs.rounds.requests import (
    AFTER_CLOSE_TAG,
    ATTEMPT_TAG,
    ATTEMPTS_AFTER_CLOSE,
)
from numebot_dagster.defs.rounds.sensors import _notices, _to_look_at
from numebot_dagster.defs.runs import RunProcess
from numebot_dagster.lake import catalog, files, json_records, parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.health import watchdog
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import details
from numebot_dagster.operations.rounds.skipped_rounds import skip_what_closed
from numebot_dagster.settings import load_settings
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Rung, State
from tests.defs.evaluation import added, is_saturday, record_receipts, requested, run_of
from tests.support.world import HONEST

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.fixture
def later(monkeypatch):
    """Set this machine's clock some minutes further."""

    def by(minutes):
        clock = SimpleNamespace(time=lambda: time.time() + 60 * minutes)
        monkeypatch.setattr("numebot_dagster.defs.rounds.requests.time", clock)

    return by


def test_the_first_look_takes_the_newest_round_only(world, look):
    for _ in range(3):
        number = world.open_round()
    result = look()
    assert added(result) == [str(number)]
    assert requested(result) == [(str(number), f"round-{number}", {ROUND_TAG: str(number)})]
    assert result.cursor == str(number - 1)  # it is not over yet


def test_a_first_look_between_rounds_plays_nothing(world, look):
    number = world.open_round()
    world.practice.advance("next-close")
    result = look()
    assert added(result) == [str(number)]
    assert requested(result) == []
    assert result.cursor == str(number)
    again = look(result.cursor)
    assert again.skip_message.startswith(f"No round has opened since {number}. ")
    assert re.search(r"The next round is expected on \w+ .* UTC\.$", again.skip_message)


def test_a_first_look_after_rounds_played_by_command_records_the_gap(fresh_world, look_at):
    world = fresh_world
    details.fetch_details(world.platform, world.open_round())
    gap = world.open_round()
    record_receipts(world, world.open_round())
    details.fetch_details(world.platform, gap + 1)
    number = world.open_round()
    with dg.instance_for_test() as stored_instance:
        result = look_at(stored_instance)
    assert added(result) == [str(round_number) for round_number in range(gap, number + 1)]
    assert [key for key, *_ in requested(result)] == [str(number), str(gap)]
    assert result.cursor == str(gap - 1)


def test_every_round_since_the_first_is_ours_however_long_ago(tmp_path):
    lake = Lake(tmp_path)
    begun = [Round(n, NOON + timedelta(days=n), NOON + timedelta(days=n + 1)) for n in range(1, 60)]
    assert _to_look_at(begun, None, lake) == (begun[-1:], False)
    parquet.write(lake.round_details(5), pl.DataFrame({"open_time": [NOON]}))
    assert _to_look_at(begun, None, lake) == (begun[5:], True)
    assert _to_look_at(begun, 40, lake) == (begun[40:], True)
    json_records.write(lake.skipped_rounds_file, {"through": 50})
    assert _to_look_at(begun, None, lake) == _to_look_at(begun, 40, lake) == (begun[50:], True)
    files.replace_bytes(lake.skipped_rounds_file, b"{torn")  # costs no more than the mark
    assert _to_look_at(begun, 40, lake) == (begun[40:], True)


def test_rounds_that_closed_unseen_are_noticed_on_one_line():
    begun = [
        Round(n, NOON + timedelta(days=n), NOON + timedelta(days=n, hours=1)) for n in range(1, 63)
    ]
    now = NOON + timedelta(days=62, minutes=5)
    assert _notices(begun, now) == [
        "Rounds 1 to 61 closed before Numebot looked",
        "Round 62 is noticed",
    ]
    assert _notices(begun[:1], now) == ["Round 1 closed before Numebot looked"]
    assert _notices([], now) == []


def test_rounds_that_a_demo_jumped_over_are_not_missed(fresh_world, look_at):
    world = fresh_world
    details.fetch_details(world.platform, world.open_round())
    world.practice.advance(days=20)
    world.practice.advance("next-close")
    skip_what_closed(world.platform)
    with dg.instance_for_test() as stored_instance:
        assert "No round has opened" in look_at(stored_instance).skip_message
        number = world.open_round()
        assert [key for key, *_ in requested(look_at(stored_instance))] == [str(number)]


def test_a_round_under_way_is_not_asked_for_twice(world, look, stored_instance):
    number = world.open_round()
    cursor = look().cursor
    stored_instance.add_dynamic_partitions("rounds", [str(number)])
    run_of(stored_instance, number, dg.DagsterRunStatus.STARTED)
    result = look(cursor)
    assert (added(result), requested(result)) == ([], [])
    assert result.skip_message == f"Round {number} has a run already."
    assert result.cursor == cursor


def test_rounds_that_nobody_watched_are_recorded_one_after_another(world, look, stored_instance):
    """Each gets one run that finds out how it ended, behind the open one's."""
    seen = world.open_round()
    record_receipts(world, seen)
    for _ in range(3):
        number = world.open_round()
    first, second = seen + 1, seen + 2
    for round_number in (first, second):  # as by a command that was killed
        details.fetch_details(world.platform, round_number)
    result = look(str(seen))
    assert added(result) == [str(first), str(second), str(number)]
    (_, closed) = result.run_requests
    assert requested(result)[0] == (str(number), f"round-{number}", {ROUND_TAG: str(number)})
    assert (closed.partition_key, closed.run_key) == (str(first), f"round-{first}")
    assert closed.tags[AFTER_CLOSE_TAG] == "true"
    assert int(closed.tags["dagster/priority"]) < 0
    assert result.cursor == str(seen)

    # The first run has recorded what became of the round: the next one has its turn.
    record_receipts(world, first, State.PENDING, Outcome.MISSED)
    result = look(result.cursor)
    assert [key for key, *_ in requested(result)] == [str(number), str(second)]
    assert result.cursor == str(first)

    # What could not be found out is given up after some attempts, and what could is done with.
    for _ in range(ATTEMPTS_AFTER_CLOSE):
        run_of(stored_instance, second, dg.DagsterRunStatus.FAILURE, **{AFTER_CLOSE_TAG: "true"})
    result = look(result.cursor)
    assert [key for key, *_ in requested(result)] == [str(number)]
    assert result.cursor == str(second)


def test_many_rounds_that_nobody_watched_are_one_quiet_account(fresh_world, look_at, receiver):
    """Recorded at once, told in one message, and without a run of each."""
    world = fresh_world
    seen = world.open_round()
    record_receipts(world, seen)
    with (world.folder / "model_configs.csv").open("a") as registry:
        registry.write("nobody-s,quick_models:Ridge,\nuntrained,quick_models:Ridge,\n")
    record_receipts(world, seen, State.PENDING, Outcome.FAILED, reason="no weights")
    lake = world.platform.lake
    lake.weights_folder("nobody-s", 1, "h").mkdir(parents=True)  # trained, but not in the account
    for _ in range(4):
        number = world.open_round()
    missed = range(seen + 1, number)
    with pytest.MonkeyPatch.context() as patch, dg.instance_for_test() as instance:
        patch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
        result = look_at(instance, str(seen))
        assert [key for key, *_ in requested(result)] == [str(number)]
        assert result.cursor == str(number - 1)
        assert [key for key, *_ in requested(look_at(instance, result.cursor))] == [str(number)]
        watchdog.look(Platform(load_settings()))
    submissions = catalog.query(
        lake, f"select round, model, outcome from submissions where round > {seen} order by all"
    )
    assert submissions.rows() == [
        (each, name, "missed") for each in missed for name in ("second", "steady-1")
    ]
    messages = catalog.query(lake, "select subject, title from alerts where kind = 'round-missed'")
    subject = f"rounds-{missed[0]}-{missed[-1]}/steady-1,second"
    title = f"2 models missed rounds {missed[0]} to {missed[-1]}"
    assert messages.rows() == [(subject, title)]
    assert receiver.titles.count(title) == 1


def test_a_round_that_nobody_played_ends_as_missed(world, look, run_round):
    number = world.open_round()
    world.practice.advance("next-close")
    [request] = look(str(number - 1)).run_requests
    assert not run_round(world, int(request.partition_key)).success
    latest = receipts.latest(world.platform.lake, number)
    assert {name: receipt.outcome for name, receipt in latest.items()} == dict.fromkeys(
        HONEST, Outcome.MISSED
    )
    result = look(str(number - 1))
    assert requested(result) == []
    assert result.cursor == str(number)


def test_a_killed_run_does_not_stand_in_the_way(world, look, stored_instance, later):
    number = world.open_round()
    run = run_of(stored_instance, number, dg.DagsterRunStatus.STARTED)
    gone = RunProcess(run.run_id, platform.node(), os.getpid(), started=0.0)  # a pid given away
    stored_instance.add_run_tags(run.run_id, gone.tag)
    assert requested(look(str(number - 1))) == []
    assert stored_instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    later(1.1)
    assert [key for _, key, _ in requested(look(str(number - 1)))] == [f"round-{number}-attempt-2"]


def test_an_attempt_that_recorded_nothing_does_not_settle_a_closed_round(
    world, look, stored_instance
):
    """Not even a successful one: it may have been for one model, while the round was open."""
    number = world.open_round()
    run_of(stored_instance, number, dg.DagsterRunStatus.SUCCESS)
    world.practice.advance("next-close")
    assert look(str(number - 1)).cursor == str(number - 1)
    run_of(stored_instance, number, dg.DagsterRunStatus.SUCCESS, **{AFTER_CLOSE_TAG: "true"})
    assert look(str(number - 1)).cursor == str(number)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (dg.DagsterRunStatus.STARTED, False),
        (dg.DagsterRunStatus.STARTING, False),
        (dg.DagsterRunStatus.SUCCESS, True),
        (dg.DagsterRunStatus.FAILURE, True),
        (dg.DagsterRunStatus.CANCELED, True),
    ],
)
def test_a_round_is_asked_for_until_it_is_confirmed(
    world, look, stored_instance, later, status, again
):
    """A run that is over and left something to do is followed by another, after a pause."""
    number = world.open_round()
    run_of(stored_instance, number, status)
    assert requested(look(str(number - 1))) == []
    later(1.1)
    tags = {ROUND_TAG: str(number), ATTEMPT_TAG: "2"}
    expected = [(str(number), f"round-{number}-attempt-2", tags)] if again else []
    assert requested(look(str(number - 1))) == expected
    record_receipts(world, number)
    result = look(str(number - 1))
    assert requested(result) == []
    assert result.cursor == str(number - 1)


def test_near_the_close_the_pauses_shrink_to_none(world, look, stored_instance, later):
    """What works again late in the hour is still used, however often it was tried before."""
    number = world.open_round()
    while is_saturday(world):
        number = world.open_round()
    run_of(stored_instance, number, dg.DagsterRunStatus.FAILURE, **{ATTEMPT_TAG: "6"})
    world.practice.advance(hours=0.8)  # of one
    later(3.5)
    assert requested(look(str(number - 1))) == []
    later(4.1)
    assert len(requested(look(str(number - 1)))) == 1
    world.practice.advance(hours=0.125)
    later(0)
    assert len(requested(look(str(number - 1)))) == 1
    world.practice.advance("next-close")
    assert requested(look(str(number - 1))) == []
    later(1.1)
    assert len(requested(look(str(number - 1)))) == 1


def test_a_submission_that_turned_invalid_is_replaced_without_a_pause(world, look, stored_instance):
    number = world.open_round()
    run_of(stored_instance, number, dg.DagsterRunStatus.SUCCESS)
    record_receipts(world, number, submission_id="first")
    assert requested(look(str(number - 1))) == []
    for submission_id in ("first", "second", "third"):
        record_receipts(world, number, State.INVALID, Outcome.FAILED, submission_id=submission_id)
        assert len(requested(look(str(number - 1)))) == 1
    record_receipts(world, number, State.INVALID, Outcome.FAILED, submission_id="fourth")
    assert requested(look(str(number - 1))) == []


@pytest.mark.parametrize(
    ("state", "outcome", "more", "settled"),
    [
        (State.CONFIRMED, Outcome.ON_TIME, {}, True),
        (State.PENDING, Outcome.MISSED, {}, True),
        (State.PENDING, Outcome.FAILED, {}, True),
        (State.PENDING, Outcome.FAILED, {"filename": "sent.csv"}, False),
        (State.INVALID, Outcome.FAILED, {"filename": "sent.csv"}, False),
        (State.INVALID, Outcome.ON_TIME, {"accepted_at": NOON}, True),
        (State.ACCEPTED, Outcome.ON_TIME, {"predictions_sha256": "0" * 64}, False),
        (State.ACCEPTED, Outcome.ON_TIME, {"filename": "not-ours.csv"}, True),
    ],
)
def test_after_the_close_numerai_is_asked_about_what_was_sent(
    world, look, state, outcome, more, settled
):
    """A failed attempt may have arrived, and what is accepted is still to be compared."""
    number = world.open_round()
    world.practice.advance("next-close")
    record_receipts(world, number, state, outcome, **more)
    assert (requested(look(str(number - 1))) == []) is settled


@pytest.mark.parametrize(
    ("state", "more"),
    [
        (State.ACCEPTED, {"predictions_sha256": "0" * 64}),
        (State.INVALID, {}),
        (State.CONFIRMED, {"rung": Rung.PREVIOUS}),
        (State.CONFIRMED, {"rung": Rung.FALLBACK}),
    ],
)
def test_less_than_confirmed_with_own_predictions_is_not_enough(world, look, state, more):
    number = world.open_round()
    record_receipts(world, number, state, **more)
    assert [key for key, *_ in requested(look(str(number - 1)))] == [str(number)]
    record_receipts(world, number)
    assert requested(look(str(number - 1))) == []


def test_a_damaged_receipt_keeps_no_round_from_being_played(world, look):
    before = world.open_round()
    record_receipts(world, before)
    number = world.open_round()
    for path in world.platform.lake.receipts_folder("second", before).iterdir():
        path.write_bytes(b"PAR1")
    rounds = [key for key, *_ in requested(look(str(before - 1)))]
    assert rounds == [str(number), str(before)]


def test_predictions_without_submission_are_made_once(world, look, stored_instance):
    registry = world.folder / "model_configs.csv"
    registry.write_text("numerai_name,model_code,submit\nsteady-1,quick_models:Ridge,false\n")
    number = world.open_round()
    assert [key for key, *_ in requested(look(str(number - 1)))] == [str(number)]
    run_of(stored_instance, number, dg.DagsterRunStatus.SUCCESS)
    assert requested(look(str(number - 1))) == []


def test_who_plays_the_weekend_only_is_not_asked_about_other_rounds(world, look, monkeypatch):
    monkeypatch.setenv("NUMEBOT_ROUNDS", "weekend")
    played = []
    for _ in range(5):
        number = world.open_round()
        result = look(str(number - 1))
        played += [(key, is_saturday(world)) for key, *_ in requested(result)]
    assert [saturday for _, saturday in played] == [True]
