"""What starts runs: the sensor on new rounds, the weekend's schedule, the daily one."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from numebot_dagster.defs.partitions import ROUND_TAG
from numebot_dagster.defs.performance.jobs import RANGE_END_TAG, RANGE_START_TAG
from numebot_dagster.defs.performance.schedules import daily_performance_schedule
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.schedules import weekend_round_schedule
from numebot_dagster.defs.rounds.sensors import new_round_sensor
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.operations import collecting, fetching

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance():
    """Schedules get the instance by reference, so that it must be one on disk."""
    with dg.instance_for_test() as one:
        yield one


@pytest.fixture
def look(instance):
    """One tick of the sensor."""

    def at(cursor=None):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            return new_round_sensor(context, platform=PlatformResource())

    return at


@pytest.fixture
def tick(instance):
    """One tick of a schedule."""

    def of(schedule):
        with dg.build_schedule_context(instance=instance, scheduled_execution_time=NOON) as context:
            return schedule(context, platform=PlatformResource())

    return of


def requested(result):
    return [(one.partition_key, one.run_key, one.tags) for one in result.run_requests]


def added(result):
    return [key for one in result.dynamic_partitions_requests for key in one.partition_keys]


def advance_to(world, text):
    world.practice.advance(text)


def run_of(instance, number, status):
    """A run that somebody else has asked for."""
    instance.add_run(dg.DagsterRun("round_job", tags={ROUND_TAG: str(number)}, status=status))


def test_the_first_look_takes_the_newest_round_only(world, look):
    for _ in range(3):
        number = world.open_round()
    result = look()
    assert added(result) == [str(number)]
    assert requested(result) == [(str(number), f"round-{number}", {ROUND_TAG: str(number)})]
    assert result.cursor == str(number)


def test_a_first_look_between_rounds_plays_nothing(world, look):
    number = world.open_round()
    world.practice.advance("next-close")
    result = look()
    assert added(result) == [str(number)]
    assert requested(result) == []
    assert result.cursor == str(number)


def test_the_same_round_is_not_noticed_twice(world, look):
    number = world.open_round()
    cursor = look().cursor
    result = look(cursor)
    assert isinstance(result, dg.SkipReason)
    assert result.skip_message == f"No round has opened since {number}."


def test_rounds_that_nobody_watched_get_a_partition_and_no_run(world, look):
    seen = world.open_round()
    for _ in range(3):
        number = world.open_round()
    result = look(str(seen))
    assert added(result) == [str(seen + 1), str(seen + 2), str(seen + 3)]
    assert requested(result) == [(str(number), f"round-{number}", {ROUND_TAG: str(number)})]
    assert result.cursor == str(number)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (dg.DagsterRunStatus.SUCCESS, False),
        (dg.DagsterRunStatus.STARTED, False),
        (dg.DagsterRunStatus.STARTING, False),
        (dg.DagsterRunStatus.FAILURE, True),
        (dg.DagsterRunStatus.CANCELED, True),
    ],
)
def test_what_is_requested_already_is_not_requested_again(world, look, instance, status, again):
    number = world.open_round()
    run_of(instance, number, status)
    result = look(str(number - 1))
    assert [key for key, *_ in requested(result)] == ([str(number)] if again else [])
    assert result.cursor == str(number)


def test_weekend_schedule_skips_a_weekday_round_and_takes_the_weekend(world, tick, instance):
    for _ in range(6):
        number = world.open_round()
        is_saturday = datetime.fromisoformat(world.practice.state()["clock"]["now"]).weekday() == 5
        found = tick(weekend_round_schedule)
        if is_saturday:
            assert (found.partition_key, found.run_key) == (str(number), f"round-{number}")
            assert instance.has_dynamic_partition("rounds", str(number))
            # The sensor has noticed it as well: together they make one run.
            run_of(instance, number, dg.DagsterRunStatus.STARTED)
            assert tick(weekend_round_schedule).skip_message == f"Round {number} has a run already."
        else:
            assert found.skip_message == f"Round {number} is not a weekend round."
            assert not instance.has_dynamic_partition("rounds", str(number))
    world.practice.advance("next-close")
    assert tick(weekend_round_schedule).skip_message == "No round is open."


def test_sensor_and_schedule_give_their_run_the_same_key(world, look, tick):
    while datetime.fromisoformat(world.practice.state()["clock"]["now"]).weekday() != 5:
        number = world.open_round()
    by_schedule = tick(weekend_round_schedule)
    [by_sensor] = look(str(number - 1)).run_requests
    assert (by_schedule.run_key, by_schedule.tags) == (by_sensor.run_key, by_sensor.tags)


def test_daily_schedule_waits_for_an_open_weekday_round(world, tick):
    while True:
        number = world.open_round()
        if datetime.fromisoformat(world.practice.state()["clock"]["now"]).weekday() != 5:
            break
    found = tick(daily_performance_schedule)
    assert found.skip_message == f"Round {number} is open: its hour comes first."


def test_daily_schedule_asks_for_every_day_since_the_first_round(fresh_world, tick):
    world = fresh_world
    number = world.open_round()  # Tuesday 2026-06-02
    fetching.fetch_details(world.platform, number)
    advance_to(world, "2026-06-08T22:30:00Z")
    found = tick(daily_performance_schedule)
    assert (found.tags[RANGE_START_TAG], found.tags[RANGE_END_TAG]) == ("2026-06-02", "2026-06-08")


def test_daily_schedule_looks_at_the_last_stored_day_again(fresh_world, tick):
    world = fresh_world
    advance_to(world, "2026-06-05T14:30:00Z")
    platform = world.platform
    collecting.collect_scores(platform, [collecting.today(platform)])
    advance_to(world, "2026-06-08T22:30:00Z")
    found = tick(daily_performance_schedule)
    assert (found.tags[RANGE_START_TAG], found.tags[RANGE_END_TAG]) == ("2026-06-05", "2026-06-08")


def test_daily_schedule_of_a_newcomer_asks_for_today(fresh_world, tick):
    advance_to(fresh_world, "2026-06-08T22:30:00Z")
    found = tick(daily_performance_schedule)
    assert (found.tags[RANGE_START_TAG], found.tags[RANGE_END_TAG]) == ("2026-06-08", "2026-06-08")


@pytest.mark.timeout(60)
def test_an_api_that_is_down_is_an_error_of_the_tick(world, look, tick, monkeypatch):
    """Not a skip: a skip would look as if no round had opened."""
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NUMEBOT_RETRY_DEADLINE", "0.3")
    for one in (
        look,
        lambda: tick(weekend_round_schedule),
        lambda: tick(daily_performance_schedule),
    ):
        with pytest.raises((NumeraiUnavailable, dg.DagsterError)) as caught:
            one()
        error = caught.value
        chain = [error, error.__cause__, getattr(error, "original_exc_info", (None, None))[1]]
        assert any(isinstance(one, NumeraiUnavailable) for one in chain)
