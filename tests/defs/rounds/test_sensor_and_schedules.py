"""What starts runs: the sensor on new rounds, the weekend's schedule, the daily ones."""

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
from numebot_dagster.defs.performance.jobs import RANGE_END_TAG, RANGE_START_TAG
from numebot_dagster.defs.performance.schedules import daily_performance_schedule
from numebot_dagster.defs.performance.sensors import figures_sensor
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import (
    AFTER_CLOSE_TAG,
    ATTEMPT_TAG,
    ATTEMPTS_AFTER_CLOSE,
)
from numebot_dagster.defs.rounds.schedules import weekend_round_schedule
from numebot_dagster.defs.rounds.sensors import _notices, _to_look_at, new_round_sensor
from numebot_dagster.defs.runs import RUN_KEY_TAG, RunProcess
from numebot_dagster.defs.training.schedules import retraining_schedule
from numebot_dagster.lake import files, json_records, parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.rounds import details
from numebot_dagster.operations.rounds.skipped_rounds import skip_what_closed
from numebot_dagster.operations.training import trainer
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Rung, State

HONEST = ("steady-1", "second")
NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance():
    """Schedules get the instance by reference, so that it must be one on disk."""
    with dg.instance_for_test() as instance_:
        yield instance_


@pytest.fixture(scope="module")
def repository(_module_world):
    """The jobs that requests are for; Dagster looks their partitions up."""
    with pytest.MonkeyPatch.context() as patch:
        return _module_world.enter(patch).definitions().get_repository_def()


@pytest.fixture
def look_at(repository):
    """One tick of a sensor, as the daemon evaluates it: Dagster checks what is returned."""

    def at(instance, cursor=None, sensor=new_round_sensor):
        with dg.build_sensor_context(
            instance=instance,
            instance_ref=instance.get_ref(),
            cursor=cursor,
            repository_def=repository,
            resources={"platform": PlatformResource()},
        ) as context:
            return sensor.evaluate_tick(context)

    return at


@pytest.fixture
def look(instance, look_at):
    """One tick of the sensor on new rounds."""
    return lambda cursor=None: look_at(instance, cursor)


@pytest.fixture
def tick(instance, repository):
    """One tick of a schedule, as the daemon evaluates it: Dagster checks what is returned."""

    def of(schedule):
        with dg.build_schedule_context(
            instance=instance,
            resources={"platform": PlatformResource()},
            repository_def=repository,
            scheduled_execution_time=NOON,
        ) as context:
            return schedule.evaluate_tick(context)

    return of


def requested(result):
    """Partition, key and our own tags of each request."""
    return [
        (
            request.partition_key,
            request.run_key,
            {name: tag for name, tag in request.tags.items() if not name.startswith("dagster/")},
        )
        for request in result.run_requests
    ]


def added(result):
    return [key for request in result.dynamic_partitions_requests for key in request.partition_keys]


def is_saturday(world):
    return datetime.fromisoformat(world.practice.state()["clock"]["now"]).weekday() == 5


def advance_to(world, text):
    world.practice.advance(text)


def run_of(instance, number, status, **tags):
    """A run that somebody else has asked for."""
    run = dg.DagsterRun("round_job", tags={ROUND_TAG: str(number)} | tags, status=status)
    instance.add_run(run)
    return run


def record_receipts(world, number, state=State.CONFIRMED, outcome=Outcome.ON_TIME, **more):
    """Receipts of all models for a round."""
    for name in HONEST:
        receipt = receipts.Receipt(name, number, state=state, outcome=outcome, **more)
        receipts.append(world.platform.lake, receipt)


@pytest.fixture
def later(monkeypatch):
    """This machine's clock, some minutes further."""

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
    details.fetch_details(world.platform, world.open_round())
    number = world.open_round()
    with dg.instance_for_test() as instance:
        result = look_at(instance)
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
    with dg.instance_for_test() as instance:
        assert "No round has opened" in look_at(instance).skip_message
        number = world.open_round()
        assert [key for key, *_ in requested(look_at(instance))] == [str(number)]


def test_a_round_under_way_is_not_asked_for_twice(world, look, instance):
    number = world.open_round()
    cursor = look().cursor
    instance.add_dynamic_partitions("rounds", [str(number)])
    run_of(instance, number, dg.DagsterRunStatus.STARTED)
    result = look(cursor)
    assert (added(result), requested(result)) == ([], [])
    assert result.skip_message == f"Round {number} has a run already."
    assert result.cursor == cursor


def test_rounds_that_nobody_watched_are_recorded_one_after_another(world, look, instance):
    """Each gets one run that finds out how it ended, behind the open one's."""
    seen = world.open_round()
    record_receipts(world, seen)
    for _ in range(3):
        number = world.open_round()
    first, second = seen + 1, seen + 2
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
        run_of(instance, second, dg.DagsterRunStatus.FAILURE, **{AFTER_CLOSE_TAG: "true"})
    result = look(result.cursor)
    assert [key for key, *_ in requested(result)] == [str(number)]
    assert result.cursor == str(second)


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


def test_a_killed_run_does_not_stand_in_the_way(world, look, instance, later):
    number = world.open_round()
    run = run_of(instance, number, dg.DagsterRunStatus.STARTED)
    gone = RunProcess(run.run_id, platform.node(), os.getpid(), started=0.0)  # a pid given away
    instance.add_run_tags(run.run_id, gone.tag)
    assert requested(look(str(number - 1))) == []
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    later(1.1)
    assert [key for _, key, _ in requested(look(str(number - 1)))] == [f"round-{number}-attempt-2"]


def test_an_attempt_that_recorded_nothing_does_not_settle_a_closed_round(world, look, instance):
    """Not even a successful one: it may have been for one model, while the round was open."""
    number = world.open_round()
    run_of(instance, number, dg.DagsterRunStatus.SUCCESS)
    world.practice.advance("next-close")
    assert look(str(number - 1)).cursor == str(number - 1)
    run_of(instance, number, dg.DagsterRunStatus.SUCCESS, **{AFTER_CLOSE_TAG: "true"})
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
def test_a_round_is_asked_for_until_it_is_confirmed(world, look, instance, later, status, again):
    """A run that is over and left something to do is followed by another, after a pause."""
    number = world.open_round()
    run_of(instance, number, status)
    assert requested(look(str(number - 1))) == []
    later(1.1)
    tags = {ROUND_TAG: str(number), ATTEMPT_TAG: "2"}
    expected = [(str(number), f"round-{number}-attempt-2", tags)] if again else []
    assert requested(look(str(number - 1))) == expected
    record_receipts(world, number)
    result = look(str(number - 1))
    assert requested(result) == []
    assert result.cursor == str(number - 1)


def test_near_the_close_the_pauses_shrink_to_none(world, look, instance, later):
    """What works again late in the hour is still used, however often it was tried before."""
    number = world.open_round()
    while is_saturday(world):
        number = world.open_round()
    run_of(instance, number, dg.DagsterRunStatus.FAILURE, **{ATTEMPT_TAG: "6"})
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


def test_a_submission_that_turned_invalid_is_replaced_without_a_pause(world, look, instance):
    number = world.open_round()
    run_of(instance, number, dg.DagsterRunStatus.SUCCESS)
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


def test_predictions_without_submission_are_made_once(world, look, instance):
    registry = world.folder / "model_configs.csv"
    registry.write_text("numerai_name,model_code,submit\nsteady-1,quick_models:Ridge,false\n")
    number = world.open_round()
    assert [key for key, *_ in requested(look(str(number - 1)))] == [str(number)]
    run_of(instance, number, dg.DagsterRunStatus.SUCCESS)
    assert requested(look(str(number - 1))) == []


def test_who_plays_the_weekend_only_is_not_asked_about_other_rounds(world, look, monkeypatch):
    monkeypatch.setenv("NUMEBOT_ROUNDS", "weekend")
    played = []
    for _ in range(5):
        number = world.open_round()
        result = look(str(number - 1))
        played += [(key, is_saturday(world)) for key, *_ in requested(result)]
    assert [saturday for _, saturday in played] == [True]


def test_weekend_schedule_skips_a_weekday_round_and_takes_the_weekend(world, tick, instance):
    for _ in range(6):
        number = world.open_round()
        data = tick(weekend_round_schedule)
        if is_saturday(world):
            [request] = data.run_requests
            assert (request.partition_key, request.run_key) == (str(number), f"round-{number}")
            assert instance.has_dynamic_partition("rounds", str(number))
            # The sensor has noticed it as well: together they make one run.
            run_of(instance, number, dg.DagsterRunStatus.STARTED)
            assert tick(weekend_round_schedule).skip_message == f"Round {number} has a run already."
        else:
            assert f"Round {number} is not a weekend round." in data.skip_message
            assert not instance.has_dynamic_partition("rounds", str(number))
    world.practice.advance("next-close")
    assert "No round is open." in tick(weekend_round_schedule).skip_message


def test_sensor_and_schedule_give_their_run_the_same_key(world, look, tick):
    number = world.open_round()
    while not is_saturday(world):
        number = world.open_round()
    [by_schedule] = tick(weekend_round_schedule).run_requests
    [by_sensor] = look(str(number - 1)).run_requests
    assert by_schedule.run_key == by_sensor.run_key == f"round-{number}"
    assert by_schedule.tags[ROUND_TAG] == by_sensor.tags[ROUND_TAG] == str(number)


def test_daily_schedule_waits_for_an_open_round_that_has_work_left(world, tick, monkeypatch):
    number = world.open_round()
    skipped = tick(daily_performance_schedule).skip_message
    assert skipped == f"Round {number} is open and has work left, which comes first."
    while is_saturday(world):
        world.open_round()
    with monkeypatch.context() as patch:
        patch.setenv("NUMEBOT_ROUNDS", "weekend")  # a weekday's round is not ours then
        assert tick(daily_performance_schedule).run_requests
    record_receipts(world, world.practice.state()["open_round"])
    assert tick(daily_performance_schedule).run_requests


def test_figures_wait_while_an_open_round_has_work_left(world, look_at):
    number = world.open_round()
    with dg.instance_for_test() as instance:

        def look(cursor=None):
            return look_at(instance, cursor, figures_sensor)

        assert "No round was played" in look().skip_message
        failed = run_of(instance, number, dg.DagsterRunStatus.FAILURE)
        waiting = look()
        expected = f"Round {number} is open and has work left; its figures are drawn after it."
        assert (waiting.run_requests, waiting.skip_message) == ([], expected)
        assert waiting.cursor  # so that the run is not forgotten within hours

        record_receipts(world, number)
        other = run_of(instance, number, dg.DagsterRunStatus.STARTED)
        assert "is being played" in look(waiting.cursor).skip_message
        instance.report_run_failed(other)
        drawn = look(waiting.cursor)
        [request] = drawn.run_requests
        assert request.run_key in (f"figures-{failed.run_id}", f"figures-{other.run_id}")
        assert "No round was played" in look(drawn.cursor).skip_message


def test_figures_of_a_round_that_failed_are_drawn_after_its_close(world, look_at):
    number = world.open_round()
    with dg.instance_for_test() as instance:
        run_of(instance, number, dg.DagsterRunStatus.FAILURE)
        assert look_at(instance, sensor=figures_sensor).run_requests == []
        world.practice.advance("next-close")
        assert len(look_at(instance, sensor=figures_sensor).run_requests) == 1


def test_daily_schedule_asks_for_every_day_since_the_first_round(fresh_world, tick):
    world = fresh_world
    number = world.open_round()  # Tuesday 2026-06-02
    details.fetch_details(world.platform, number)
    advance_to(world, "2026-06-08T22:30:00Z")
    scores, rest = tick(daily_performance_schedule).run_requests
    assert range_of(scores) == ("2026-06-02", "2026-06-08")
    assert scores.run_key == "collect-scores-2026-06-02-2026-06-08"
    assert rest.run_key == "collect-the-rest-2026-06-08-2026-06-08"
    assert [key.to_user_string() for key in scores.asset_selection] == ["performance/scores"]
    assert range_of(rest) == ("2026-06-08", "2026-06-08")  # Numerai tells the rest of today alone
    assert dg.AssetKey(["performance", "overview"]) in rest.asset_selection


def test_daily_schedule_looks_at_the_last_stored_day_again(fresh_world, tick):
    world = fresh_world
    advance_to(world, "2026-06-05T14:30:00Z")
    platform = world.platform
    collecting.collect_scores(platform, [collecting.today(platform)])
    advance_to(world, "2026-06-08T22:30:00Z")
    scores, _ = tick(daily_performance_schedule).run_requests
    assert range_of(scores) == ("2026-06-05", "2026-06-08")


def test_daily_schedule_of_a_newcomer_asks_for_today(fresh_world, tick):
    advance_to(fresh_world, "2026-06-08T22:30:00Z")
    [everything] = tick(daily_performance_schedule).run_requests
    assert range_of(everything) == ("2026-06-08", "2026-06-08")
    assert everything.asset_selection is None


def range_of(run):
    return run.tags[RANGE_START_TAG], run.tags[RANGE_END_TAG]


@pytest.mark.timeout(60)
def test_an_api_that_is_down_is_an_error_of_the_tick(world, look, tick, monkeypatch):
    """Not a skip: a skip would look as if no round had opened."""
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NUMEBOT_RETRY_DEADLINE", "0.3")
    for evaluate in (
        look,
        lambda: tick(weekend_round_schedule),
        lambda: tick(daily_performance_schedule),
    ):
        with pytest.raises((NumeraiUnavailable, dg.DagsterError)) as caught:
            evaluate()
        error = caught.value
        chain = [error, error.__cause__, getattr(error, "original_exc_info", (None, None))[1]]
        assert any(isinstance(error_, NumeraiUnavailable) for error_ in chain)


@pytest.fixture
def weeks_later(monkeypatch):
    """This machine's clock, some weeks further."""

    def by(weeks):
        now = datetime.now(UTC) + timedelta(weeks=weeks)
        monkeypatch.setattr(trainer, "datetime", SimpleNamespace(now=lambda zone: now))

    return by


def test_fresh_weights_are_left_alone(world, tick, weeks_later):
    weeks_later(11.9)
    assert tick(retraining_schedule).skip_message == "No model is due for retraining."


def test_old_weights_are_made_again_from_a_new_vintage(world, tick, weeks_later, instance):
    weeks_later(12.1)
    number = world.open_round()
    assert (
        tick(retraining_schedule).skip_message
        == f"Round {number} is open, and its submissions come first."
    )
    world.practice.advance("next-close")
    [first] = tick(retraining_schedule).run_requests
    assert first.partition_key == str(number)
    assert instance.has_dynamic_partition("vintages", str(number))
    assert {key.to_user_string() for key in first.asset_selection} == {
        "training/data",
        "models/steady_1/weights",
        "models/second/weights",
    }
    # As the daemon starts it: models that cannot be trained are tried once a week.
    tags = first.tags | {RUN_KEY_TAG: first.run_key}
    instance.add_run(dg.DagsterRun("train_job", tags=tags, status=dg.DagsterRunStatus.FAILURE))
    assert "was requested this week already" in tick(retraining_schedule).skip_message
    for _ in range(5):
        world.open_round()
    world.practice.advance("next-close")
    [next_week] = tick(retraining_schedule).run_requests
    assert next_week.run_key != first.run_key


def test_only_the_policy_of_a_model_asks_for_it(world, weeks_later):
    """Not the absence of weights, nor what the registry pins."""
    weeks_later(12.1)
    platform = world.platform
    assert [model.name for model in trainer.due_models(platform)] == ["steady-1", "second"]
    vintage = platform.lake.stored_vintages()[-1]
    (world.folder / "model_configs.csv").write_text(
        "numerai_name,model_code,vintage\n"
        f"steady-1,quick_models:Ridge,{vintage}\n"
        "untrained,quick_models:Ridge,\nsecond,quick_models:Stubborn,\n"
    )
    assert [model.name for model in trainer.due_models(world.platform)] == ["second"]
