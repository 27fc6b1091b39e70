"""Run Dagster jobs in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numebot_dagster.cli import screen
from numebot_dagster.lake.damaged import is_damaged_database, set_databases_aside
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True)
class Request:
    """A run to execute; `config` is that of the job's ops, by their names."""

    job: str
    partition: str | None = None
    selection: Sequence[dg.AssetKey] | None = None
    config: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Result:
    """How a run ended: whether all of it succeeded, and which assets it made."""

    success: bool
    made: frozenset[dg.AssetKey | None]


def execute(request: Request) -> Result:
    """Run a job, recorded in the same instance that the UI shows, if that can be written."""
    import dagster as dg

    from numebot_dagster.definitions import defs
    from numebot_dagster.defs.event_log import STORAGE_ERRORS, cause, tolerate_lost_events
    from numebot_dagster.defs.instance import open_instance
    from numebot_dagster.defs.runs import end_dead_runs

    job = defs.resolve_job_def(request.job)  # outside: an error of the definitions is no storage's
    try:
        with open_instance() as instance:
            end_dead_runs(instance)
            tolerate_lost_events(instance)
            return _execute_on(instance, job, request)
    except STORAGE_ERRORS as error:
        if is_damaged_database(error):
            set_databases_aside(Path(os.environ["DAGSTER_HOME"]))
        # A job takes up what an earlier attempt has done, so that it may simply begin again.
        screen.note(
            f"warning: Dagster cannot record this run ({cause(error)}). It goes on without a "
            "record; `numebot doctor` shows what is wrong."
        )
        with dg.DagsterInstance.ephemeral() as instance:
            return _execute_on(instance, job, request)


def _execute_on(instance: dg.DagsterInstance, job: dg.JobDefinition, request: Request) -> Result:
    import dagster as dg

    from numebot_dagster.defs.failures import is_interruption
    from numebot_dagster.defs.instance import register

    partitions = job.partitions_def
    if request.partition is not None and isinstance(partitions, dg.DynamicPartitionsDefinition):
        register(instance, str(partitions.name), request.partition)
    result = job.execute_in_process(
        instance=instance,
        partition_key=request.partition,
        asset_selection=request.selection,
        run_config={
            "loggers": {"console": {"config": {"log_level": "INFO"}}},
            "ops": dict(request.config or {}),
        },
        tags=request.tags,
        raise_on_error=False,
    )
    if any(is_interruption(event) for event in result.all_events):
        raise KeyboardInterrupt  # which Dagster turns into a failed run
    # Not as the instance has it: it may have lost the event.
    succeeded = any(
        event.event_type is dg.DagsterEventType.RUN_SUCCESS for event in result.all_events
    )
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    return Result(succeeded, frozenset(made))


def collect(platform: Platform, days: Sequence[date]) -> bool:
    """Read what was published on some days and redraw the figures; return whether all succeeded."""
    from numebot_dagster.defs.performance.jobs import collecting_runs

    results = [
        execute(Request("performance_job", selection=run.selection, tags=run.tags))
        for run in collecting_runs(days, platform.registry)
    ]
    return all(result.success for result in results)
