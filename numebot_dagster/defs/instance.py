"""Open Dagster's instance, register its partitions, and look at its runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import IntegrityError

from numebot_dagster.defs.failures import reason_of
from numebot_dagster.defs.health.automation import examine_automation
from numebot_dagster.defs.rounds.requests import AFTER_CLOSE_TAG
from numebot_dagster.defs.runs import end_dead_runs
from numebot_dagster.defs.turns import running
from numebot_dagster.lake import files
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.settings import INSTANCE_FILE, Settings

ROUNDS = "rounds"
ROUND_JOB = "round_job"
PARTITION_TAG = "dagster/partition"


def has_instance() -> bool:
    """Return whether Dagster's instance was made by an earlier command."""
    return Path(os.environ["DAGSTER_HOME"]).is_dir()


def open_instance() -> dg.DagsterInstance:
    """Open Dagster's instance; one process at a time makes its tables, since two at once fail."""
    home = Path(os.environ["DAGSTER_HOME"])
    with files.explained(home), exclusive(home / "opening.lock"):
        instance = dg.DagsterInstance.get()
        # Naming them opens them, and what is opened first makes the tables.
        _ = instance.run_storage, instance.event_log_storage, instance.schedule_storage
    return instance


def add_partition(name: str, key: str) -> bool:
    """Register a dynamic partition; false when it was registered already."""
    with files.explained(Path(os.environ["DAGSTER_HOME"])), open_instance() as instance:
        if instance.has_dynamic_partition(name, key):
            return False
        register(instance, name, key)
    return True


def register(instance: dg.DagsterInstance, name: str, key: str) -> None:
    """Add a dynamic partition that may be there already."""
    with suppress(IntegrityError):  # another process registers it in the same moment
        instance.add_dynamic_partitions(name, [key])


def registered_rounds() -> list[int]:
    """Return the rounds that are registered as partitions."""
    if not has_instance():
        return []
    with open_instance() as instance:
        return [int(key) for key in instance.get_dynamic_partitions(ROUNDS)]


def tried_rounds(rounds: Iterable[int]) -> set[int]:
    """Return the rounds for which a run was requested before the sensor saw them closed."""
    keys = [str(number) for number in rounds]
    if not keys or not has_instance():
        return set()
    with open_instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name=ROUND_JOB, tags={PARTITION_TAG: keys}))
    return {int(run.tags[PARTITION_TAG]) for run in runs if AFTER_CLOSE_TAG not in run.tags}


def failures(rounds: Iterable[int]) -> dict[int, str]:
    """Return why the newest run of each of these rounds failed, where it failed."""
    reasons: dict[int, str] = {}
    if not has_instance():
        return reasons
    with open_instance() as instance:
        for number in rounds:
            text = _failure(instance, number)
            if text is not None:
                reasons[number] = text
    return reasons


def _failure(instance: dg.DagsterInstance, number: int) -> str | None:
    tags = {PARTITION_TAG: str(number)}
    newest = instance.get_runs(dg.RunsFilter(job_name=ROUND_JOB, tags=tags), limit=1)
    if not newest or newest[0].status is not dg.DagsterRunStatus.FAILURE:
        return None
    run = newest[0]
    records = instance.get_records_for_run(
        run.run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    ).records
    reasons = [reason_of(record.event_log_entry.dagster_event) for record in records]
    why = next(filter(None, reasons), "see the UI for its log")
    return f"run {run.run_id[:8]} failed: {why}"


def automation_warnings() -> list[str]:
    """Return what keeps `numebot up` from playing rounds, in a folder where it was used."""
    if not has_instance():
        return []
    with open_instance() as instance:
        was_up = any(status.last_heartbeat for status in instance.get_daemon_statuses().values())
        findings = list(examine_automation(instance)) if was_up else []
    return [
        f"{finding.text} → {finding.remedy}"
        for finding in findings
        if finding.verdict is not Verdict.OK
    ]


def examine_instance(settings: Settings) -> Iterator[Finding]:
    """Examine Dagster's instance: whether it opens, its daemon, and the runs at work."""
    path = settings.instance_folder / INSTANCE_FILE
    if not has_instance():
        text = f"{path.parent} does not exist yet; the first command that stores something makes it"
        yield Finding(Check.INSTANCE, Verdict.OK, text)
        return
    try:
        with open_instance() as instance:
            yield Finding(Check.INSTANCE, Verdict.OK, f"{path} is valid")
            yield from examine_automation(instance)
            yield _at_work(instance, Lake(settings.numerai_data_folder))
    except files.CannotWrite as error:  # which says itself what to do
        yield Finding(Check.INSTANCE, Verdict.FAILURE, str(error))
    except Exception as error:  # whatever Dagster finds wrong in a file of the user's
        remedy = f"correct {path}, or delete it: the next command writes the default one"
        text = f"Dagster cannot open its instance: {str(error).strip().splitlines()[0]}"
        yield Finding(Check.INSTANCE, Verdict.FAILURE, text, remedy)


def _at_work(instance: dg.DagsterInstance, lake: Lake) -> Finding:
    """Return the runs that others wait for; end runs that were killed, so that nothing waits."""
    killed = [
        f"run {run.run_id[:8]} of {run.job_name} was killed; this is recorded now"
        for run in end_dead_runs(instance)
    ]
    work = [f"{holder} {activity}" for activity, holder in running(lake).items()]
    text = "; ".join([*killed, *work]) or "no run is training or reading scores or training data"
    return Finding(Check.RUNS, Verdict.OK, text)
