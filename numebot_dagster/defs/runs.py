"""Find runs whose process is gone by its pid and start time, and end them.

A run that was killed (SIGKILL, power cut, out of memory) reports nothing more, and Dagster's own
launcher does not notice: it would stay "started" for ever, keep its place in the queue, and block
the next run of its round.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import dagster as dg
import psutil

from numebot_dagster.defs.partitions import ROUND_TAG

PROCESS_TAG = "numebot/process"
RUN_KEY_TAG = "dagster/run_key"

# States in which a run has a process.
_IN_A_PROCESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# A run tags itself with its process at its start; without a tag after this time it is dead.
UNNAMED_SECONDS = 120.0

# How far back a sensor that follows other runs looks before it has a cursor.
FIRST_LOOK_BACK = timedelta(hours=1)

# Seconds by which two readings of one start may differ; the system counts it in hundredths.
_SAME_START = 0.05


@dataclass(frozen=True)
class RunProcess:
    """The process that executes a run.

    Attributes:
        run_id: the run; a retried run inherits the tags of the first, which are not its own.
        host: the machine's name; processes of other machines cannot be looked at.
        started: when the process began, in seconds since the machine's start: a clock that is set
            does not move it, and a pid that is given to another process comes with another one.
    """

    run_id: str
    host: str
    pid: int
    started: float

    @classmethod
    def here(cls, run_id: str) -> Self:
        """Return this process as that of a run."""
        return cls(run_id, platform.node(), os.getpid(), _since_boot(psutil.Process()))

    @classmethod
    def of(cls, run: dg.DagsterRun) -> Self | None:
        """Return the process that a run was tagged with, if it was."""
        run_id, _, rest = run.tags.get(PROCESS_TAG, "").partition(" ")
        if run_id != run.run_id:
            return None
        pid, started, host = rest.split(" ", 2)
        return cls(run_id, host, int(pid), float(started))

    @property
    def tag(self) -> dict[str, str]:
        """The process as a tag of the run."""
        return {PROCESS_TAG: f"{self.run_id} {self.pid} {self.started:.2f} {self.host}"}

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended; false for one of another machine."""
        if self.host != platform.node():
            return False
        try:
            process = psutil.Process(self.pid)
            return (
                abs(_since_boot(process) - self.started) > _SAME_START
                or process.status() == psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return True


def _since_boot(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()


def tag_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Tag a run with this process, which executes it."""
    instance.add_run_tags(run_id, RunProcess.here(run_id).tag)


def end_dead_runs(
    instance: dg.DagsterInstance, log: logging.Logger | None = None
) -> list[dg.DagsterRun]:
    """Mark runs whose process is gone as failed, or canceled where that was asked; return them."""
    unfinished = instance.get_run_records(dg.RunsFilter(statuses=_IN_A_PROCESS))
    gone = [record.dagster_run for record in unfinished if _is_dead(record)]
    # A run that ended between the two looks has reported how; one that is unchanged never will.
    dead = [run for run in gone if _is_unfinished(instance, run.run_id)]
    for run in dead:
        text = "The process of this run is gone: it was killed, or the machine was restarted."
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, text)
        else:
            instance.report_run_failed(run, text)
        if log is not None:
            log.warning("Run %s of %s was killed", run.run_id[:8], run.job_name)
    return dead


def _is_unfinished(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status in _IN_A_PROCESS


def _is_dead(record: dg.RunRecord) -> bool:
    process = RunProcess.of(record.dagster_run)
    if process is not None:
        return process.is_gone
    # Only our own runs tag themselves with their process.
    is_ours = ROUND_TAG in record.dagster_run.tags
    return is_ours and time.time() - (record.start_time or time.time()) > UNNAMED_SECONDS


def was_requested(instance: dg.DagsterInstance, run_key: str) -> bool:
    """Return whether a run of this key exists.

    Dagster drops a sensor's request whose key it has seen, but not a schedule's: of that it only
    compares the keys of the same tick.
    """
    return instance.get_runs_count(dg.RunsFilter(tags={RUN_KEY_TAG: run_key})) > 0


@dataclass(frozen=True)
class Finished:
    """Runs that ended since a sensor's cursor.

    Attributes:
        runs: the oldest first.
        since: the cursor before them.
        cursor: the cursor behind them.
    """

    runs: list[dg.DagsterRun]
    since: str
    cursor: str


def newly_finished(
    context: dg.SensorEvaluationContext, job: str, statuses: Sequence[dg.DagsterRunStatus]
) -> Finished:
    """Return the runs of a job that ended since the last look; at first, those of the last hour.

    Runs of commands are among them, which Dagster's own run status sensors do not see.
    """
    if context.cursor:
        since = datetime.fromisoformat(context.cursor)
    else:
        since = datetime.now(UTC) - FIRST_LOOK_BACK
    finished = dg.RunsFilter(job_name=job, statuses=statuses, updated_after=since)
    records = context.instance.get_run_records(finished)
    records = sorted(records, key=lambda record: record.update_timestamp)
    newest = records[-1].update_timestamp.isoformat() if records else since.isoformat()
    return Finished([record.dagster_run for record in records], since.isoformat(), newest)
