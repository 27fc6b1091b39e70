"""Evaluate sensors and schedules of the module's world."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.sensors import new_round_sensor

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def stored_instance():
    """Return an instance on disk: schedules get it by reference."""
    with dg.instance_for_test() as on_disk:
        yield on_disk


@pytest.fixture(scope="module")
def repository(_module_world):
    """Return the jobs that requests are for; Dagster looks their partitions up."""
    with pytest.MonkeyPatch.context() as patch:
        return _module_world.enter(patch).definitions().get_repository_def()


@pytest.fixture
def look_at(repository):
    """Evaluate a sensor as the daemon does: Dagster checks what is returned."""

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
def look(stored_instance, look_at):
    """Evaluate the sensor on new rounds."""
    return lambda cursor=None: look_at(stored_instance, cursor)


@pytest.fixture
def tick(stored_instance, repository):
    """Evaluate a schedule as the daemon does: Dagster checks what is returned."""

    def of(schedule):
        with dg.build_schedule_context(
            instance=stored_instance,
            resources={"platform": PlatformResource()},
            repository_def=repository,
            scheduled_execution_time=NOON,
        ) as context:
            return schedule.evaluate_tick(context)

    return of
