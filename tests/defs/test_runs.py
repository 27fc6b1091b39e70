"""Runs whose process is gone are told from those that go on."""

from __future__ import annotations

import logging
import os
import platform
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import dagster as dg
import psutil
import pytest

from numebot_dagster.defs import runs
from numebot_dagster.defs.partitions import ROUND_TAG
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.runs import PROCESS_TAG, RunProcess, end_dead_runs

RUN_ID = "0a1b2c3d-0000-4000-8000-000000000001"


def started(instance, process=None, run_id=RUN_ID, **tags):
    """Return a run that has begun, with the tag of a process."""
    run = dg.DagsterRun("round_job", run_id, tags=tags | (process.tag if process else {}))
    instance.add_run(run)
    start = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(start, run.run_id)
    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED


def status(instance, run_id=RUN_ID):
    return instance.get_run_by_id(run_id).status


@pytest.fixture
def sleeper():
    """Return another process that would go on for long."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    yield process
    process.kill()
    process.wait()


def process_of(other, run_id=RUN_ID):
    begun = psutil.Process(other.pid).create_time() - psutil.boot_time()
    return RunProcess(run_id, platform.node(), other.pid, begun)


@pytest.mark.process
@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_run_is_failed(instance, sleeper, caplog, reaped):
    """Also while its parent has not asked for its end: it is a zombie then."""
    started(instance, process_of(sleeper))
    assert end_dead_runs(instance) == []
    os.kill(sleeper.pid, signal.SIGKILL)
    if reaped:
        sleeper.wait()
    else:
        while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    with caplog.at_level(logging.WARNING):
        assert [run.run_id for run in end_dead_runs(instance, logging.getLogger())] == [RUN_ID]
    assert status(instance) is dg.DagsterRunStatus.FAILURE
    assert caplog.messages == [f"Run {RUN_ID[:8]} of round_job was killed"]
    assert end_dead_runs(instance) == []


@pytest.mark.process
def test_a_run_that_was_killed_while_it_was_stopped_is_canceled(instance, sleeper):
    started(instance, process_of(sleeper))
    instance.report_run_canceling(instance.get_run_by_id(RUN_ID))
    sleeper.kill()
    sleeper.wait()
    assert [run.run_id for run in end_dead_runs(instance)] == [RUN_ID]
    assert status(instance) is dg.DagsterRunStatus.CANCELED


@pytest.mark.process
def test_a_run_that_ended_between_the_two_looks_stays_as_it_ended(instance, sleeper, monkeypatch):
    started(instance, process_of(sleeper))

    def ended_meanwhile(record):
        end = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "round_job")
        instance.report_dagster_event(end, RUN_ID)
        return True

    monkeypatch.setattr(runs, "_is_dead", ended_meanwhile)
    assert end_dead_runs(instance) == []
    assert status(instance) is dg.DagsterRunStatus.SUCCESS


@pytest.mark.process
def test_a_pid_that_was_given_away_is_another_process(instance, sleeper):
    process = process_of(sleeper)
    started(instance, RunProcess(RUN_ID, process.host, process.pid, process.started - 3600))
    assert len(end_dead_runs(instance)) == 1


def test_a_clock_that_is_set_ends_no_run(instance, monkeypatch):
    """The wall time of a process's start moves with the clock, on systems that count from boot."""
    started(instance, RunProcess.here(RUN_ID))
    boot, created = psutil.boot_time(), psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 7200)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 7200)
    assert end_dead_runs(instance) == []


def test_runs_of_other_machines_are_left_alone(instance):
    started(instance, RunProcess(RUN_ID, "another machine", 2**22 + 1, 1.0))
    assert end_dead_runs(instance) == []


@pytest.mark.process
def test_a_retried_run_is_not_taken_for_the_one_that_it_retries(instance, sleeper, monkeypatch):
    """It inherits its tags; only when it does not name its own process for long is it dead."""
    gone = process_of(sleeper, run_id="0a1b2c3d-0000-4000-8000-000000000000")
    sleeper.kill()
    sleeper.wait()
    started(instance, gone, **{ROUND_TAG: "1300"})
    assert end_dead_runs(instance) == []
    later = SimpleNamespace(time=lambda: time.time() + runs.UNNAMED_SECONDS + 1)
    monkeypatch.setattr(runs, "time", later)
    assert len(end_dead_runs(instance)) == 1


def test_what_others_run_in_this_instance_is_left_alone(instance, monkeypatch):
    started(instance)
    monkeypatch.setattr(runs, "time", SimpleNamespace(time=lambda: time.time() + 10**6))
    assert end_dead_runs(instance) == []


@pytest.mark.heavy
def test_a_run_names_its_process(instance):
    @dg.asset
    def anything(platform: PlatformResource) -> None: ...

    result = dg.materialize(
        [anything], instance=instance, resources={"platform": PlatformResource()}
    )
    run = instance.get_run_by_id(result.run_id)
    assert run.tags[PROCESS_TAG] == RunProcess.here(run.run_id).tag[PROCESS_TAG]
    assert not RunProcess.of(run).is_gone
