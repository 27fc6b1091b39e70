"""The watchdog's and the pre-flight's sensors, as the daemon calls them."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from numebot_dagster.defs.health.jobs import preflight_job
from numebot_dagster.defs.health.sensors import preflight_sensor, watchdog_sensor
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.operations.health import watchdog


@pytest.fixture
def tick(instance):
    def of(sensor):
        resources = {"platform": PlatformResource()}
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            return sensor.evaluate_tick(context)

    return of


def test_the_heartbeat_follows_healthy_ticks_only(world, tick, instance, receiver, monkeypatch):
    world.open_round()
    heart = receiver.url.replace("json://", "http://") + "beat"
    monkeypatch.setenv("NUMEBOT_HEARTBEAT_URL", heart)
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
    assert "no new alert" in tick(watchdog_sensor).skip_message
    assert receiver.gets == ["/beat"]

    def fails(_):
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(watchdog, "disk_alerts", fails)
        with pytest.raises(RuntimeError, match="a defect"):
            tick(watchdog_sensor)
    assert receiver.gets == ["/beat"]
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NUMEBOT_RETRY_DEADLINE", "0.3")
    assert "Numerai did not answer" in tick(watchdog_sensor).skip_message
    assert receiver.gets == ["/beat"]


def test_a_tick_sends_what_the_round_calls_for(world, tick, receiver, monkeypatch):
    number = world.open_round()
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
    close = world.platform.client.round(number).close_staking_time
    world.practice.advance((close - timedelta(minutes=4)).isoformat())
    assert "closes in 4 minutes" in tick(watchdog_sensor).skip_message
    assert receiver.titles == [
        f"Round {number} closes in 4 minutes, 2 of 2 models have no accepted submission"
    ]
    assert "no new alert" in tick(watchdog_sensor).skip_message


def test_a_preflight_is_requested_once_two_hours_before_an_opening(
    fresh_world, tick, instance, monkeypatch
):
    world = fresh_world
    for _ in range(6):
        world.open_round()  # Tuesday to Saturday, and the next Tuesday
    assert (
        "The next round is expected on Wed 10 Jun at 12:00 UTC"
        in tick(preflight_sensor).skip_message
    )
    world.practice.advance("2026-06-10T09:59:00Z")
    assert tick(preflight_sensor).run_requests == []
    world.practice.advance("2026-06-10T10:00:30Z")
    [first] = tick(preflight_sensor).run_requests
    world.practice.advance("2026-06-10T11:50:00Z")
    [again] = tick(preflight_sensor).run_requests
    assert again.run_key == first.run_key == "preflight-2026-06-10T12:00:00+00:00"
    monkeypatch.setenv("NUMEBOT_ROUNDS", "weekend")
    assert "expected on Sat 13 Jun at 12:00 UTC" in tick(preflight_sensor).skip_message
    result = preflight_job.execute_in_process(
        run_config=first.run_config,
        resources={"platform": PlatformResource()},
        instance=instance,
    )
    assert result.success
    assert world.platform.lake.preflight_file.is_file()
