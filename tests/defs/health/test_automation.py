"""What keeps rounds from being played by themselves: said by doctor and status."""

from __future__ import annotations

import time

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from numebot_dagster.definitions import defs
from numebot_dagster.defs.health import automation
from numebot_dagster.defs.health.automation import examine_automation
from numebot_dagster.operations.health.findings import Verdict


@pytest.fixture
def disk_instance():
    """Return an instance on disk, whose daemons are expected to run."""
    with dg.instance_for_test(
        overrides={"run_coordinator": {"module": "dagster", "class": "QueuedRunCoordinator"}}
    ) as instance:
        yield instance


def repository():
    target = LoadableTargetOrigin(module_name=automation.MODULE)
    location = InProcessCodeLocationOrigin(target, location_name=automation.MODULE)
    return RemoteRepositoryOrigin(location, "__repository__")


def stop(instance, name, data=None):
    kind = InstigatorType.SENSOR if data is None else InstigatorType.SCHEDULE
    origin = RemoteInstigatorOrigin(repository(), name)
    instance.add_instigator_state(InstigatorState(origin, kind, InstigatorStatus.STOPPED, data))


def beat(instance, seconds_ago=0.0):
    for name in instance.get_daemon_statuses():
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - seconds_ago, name, "id", []))


def queue(instance, job):
    origin = RemoteJobOrigin(repository(), job)
    status = dg.DagsterRunStatus.QUEUED
    instance.add_run(dg.DagsterRun(job, status=status, remote_job_origin=origin))


def findings_of(instance):
    return [
        (finding.name, finding.verdict, finding.text) for finding in examine_automation(instance)
    ]


def test_what_was_stopped_is_named_with_what_it_means(disk_instance):
    beat(disk_instance)
    [(_, verdict, text)] = findings_of(disk_instance)
    assert verdict is Verdict.OK
    assert "and plays rounds" in text
    stop(disk_instance, "new_round_sensor")
    stop(disk_instance, "retraining_schedule", ScheduleInstigatorData("0 17 * * *"))
    [daemon, *stopped] = examine_automation(disk_instance)
    assert "does not play rounds" in daemon.text
    assert [finding.text.split()[0] for finding in stopped] == [
        "new_round_sensor",
        "retraining_schedule",
    ]
    assert "dagster schedule start retraining_schedule" in stopped[1].remedy


def test_every_sensor_and_schedule_has_its_consequence():
    on_by_default = {
        *(item.name for item in defs.sensors),
        *(item.name for item in defs.schedules),
    }
    assert on_by_default == set(automation.CONSEQUENCES)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "only `numebot run` plays rounds"), (7200, "is not running since")],
)
def test_a_daemon_without_a_heartbeat(disk_instance, seconds, text):
    if seconds is not None:
        beat(disk_instance, seconds)
    [(name, verdict, said)] = findings_of(disk_instance)
    assert (name, verdict) == ("daemon", Verdict.WARNING)
    assert text in said


@pytest.mark.parametrize(
    ("waiting", "running", "is_up", "verdict", "text"),
    [
        ("train_job", None, False, Verdict.WARNING, "no daemon starts them"),
        ("train_job", None, True, Verdict.WARNING, "no run is working"),
        ("train_job", "train_job", True, Verdict.OK, "waiting for run"),
        ("round_job", "train_job", True, Verdict.WARNING, "waiting for run"),
    ],
)
def test_a_queue_that_does_not_move(disk_instance, waiting, running, is_up, verdict, text):
    if is_up:
        beat(disk_instance)
    queue(disk_instance, waiting)
    if running:
        disk_instance.add_run(dg.DagsterRun(running, status=dg.DagsterRunStatus.STARTED))
    assert "queue" not in [name for name, *_ in findings_of(disk_instance)]  # it has just come
    later = time.time() + 2 * automation.QUEUE_SECONDS
    waited = automation._queued(disk_instance, later)
    finding = automation._queue(waited, automation._working(disk_instance), later, is_alive=is_up)
    assert (finding.name, finding.verdict) == ("queue", verdict)
    assert text in finding.text
