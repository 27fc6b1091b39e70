"""The schedule that starts the weekend's round."""

from __future__ import annotations

import dagster as dg
import pytest

from numebot_dagster.defs.partitions import ROUND_TAG
from numebot_dagster.defs.performance.schedules import daily_performance_schedule
from numebot_dagster.defs.rounds.schedules import weekend_round_schedule
from numebot_dagster.numerai.errors import NumeraiUnavailable
from tests.defs.evaluation import is_saturday, run_of


def test_weekend_schedule_skips_a_weekday_round_and_takes_the_weekend(world, tick, stored_instance):
    for _ in range(6):
        number = world.open_round()
        data = tick(weekend_round_schedule)
        if is_saturday(world):
            [request] = data.run_requests
            assert (request.partition_key, request.run_key) == (str(number), f"round-{number}")
            assert stored_instance.has_dynamic_partition("rounds", str(number))
            # The sensor has noticed it as well: together they make one run.
            run_of(stored_instance, number, dg.DagsterRunStatus.STARTED)
            assert tick(weekend_round_schedule).skip_message == f"Round {number} has a run already."
        else:
            assert f"Round {number} is not a weekend round." in data.skip_message
            assert not stored_instance.has_dynamic_partition("rounds", str(number))
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
        assert any(isinstance(cause, NumeraiUnavailable) for cause in chain)
