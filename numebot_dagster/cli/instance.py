"""What Dagster's instance knows: rounds, runs that failed, its daemon, who works at the moment.

Read for `numebot status` and `numebot doctor`, which say so where it cannot be read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from numebot_dagster.cli import session
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.doctor import Finding, Verdict
from numebot_dagster.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

ROUNDS = "rounds"
ROUND_JOB = "round_job"


def known_rounds() -> list[int]:
    """The rounds that are registered as partitions, however little came of them."""
    with session.open_instance() as instance:
        return [int(key) for key in instance.get_dynamic_partitions(ROUNDS)]


def failures(rounds: Iterable[int]) -> dict[int, str]:
    """What the newest run of each of these rounds failed with, for those where it failed."""
    found = {}
    with session.open_instance() as instance:
        for number in rounds:
            text = _failure(instance, number)
            if text is not None:
                found[number] = text
    return found


def _failure(instance: dg.DagsterInstance, number: int) -> str | None:
    import dagster as dg

    tags = {"dagster/partition": str(number)}
    newest = instance.get_runs(dg.RunsFilter(job_name=ROUND_JOB, tags=tags), limit=1)
    if not newest or newest[0].status is not dg.DagsterRunStatus.FAILURE:
        return None
    run = newest[0]
    records = instance.get_records_for_run(
        run.run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    ).records
    said = [text for one in records if (text := _said(one.event_log_entry.dagster_event))]
    return f"run {run.run_id[:8]} failed: {said[0] if said else 'see it in the UI'}"


def _said(event: dg.DagsterEvent | None) -> str:
    """The first line of what a step or a run failed with, by its innermost cause."""
    if event is None:
        return ""
    if not event.is_step_failure:
        return event.message or ""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "" if error is None else error.message.strip().splitlines()[0]


def examine_instance(settings: Settings) -> Iterator[Finding]:
    """Looks at Dagster's instance: can it be opened, is its daemon running, who is at work?"""
    path = settings.instance_folder / session.INSTANCE_FILE
    try:
        with session.open_instance() as instance:
            yield Finding("instance", Verdict.OK, f"{path} is understood")
            yield _daemon(instance)
            yield _at_work(instance, Lake(settings.numerai_data_folder))
    except Exception as error:  # a file of the user's, read by Dagster: whatever is wrong is told
        remedy = f"correct {path}, or remove it: the next command writes the shipped one"
        text = f"Dagster cannot open its instance: {str(error).strip().splitlines()[0]}"
        yield Finding("instance", Verdict.FAILURE, text, remedy)


def _daemon(instance: dg.DagsterInstance) -> Finding:
    beats = instance.get_daemon_statuses()
    silent = [name for name, status in beats.items() if status.required and not status.healthy]
    if not silent:
        return Finding("daemon", Verdict.OK, "`numebot up` is running: rounds are played by itself")
    newest = max(
        (one.last_heartbeat.timestamp for one in beats.values() if one.last_heartbeat), default=None
    )
    since = (
        "" if newest is None else f" since {datetime.fromtimestamp(newest, UTC):%d %b %H:%M} UTC"
    )
    text = f"no daemon is running{since}: no round is noticed"
    if newest is not None and time.time() - newest < 300:
        text = f"these daemons do not run: {', '.join(sorted(silent))}"
    return Finding("daemon", Verdict.WARNING, text, "numebot up")


def _at_work(instance: dg.DagsterInstance, lake: Lake) -> Finding:
    """Say what others wait for, and end runs that were killed, for which nothing shall wait."""
    from numebot_dagster.defs.runs import end_dead_runs
    from numebot_dagster.defs.turns import running

    killed = [
        f"run {run.run_id[:8]} of {run.job_name} was killed, which is now recorded"
        for run in end_dead_runs(instance)
    ]
    work = [f"{holder} {activity}" for activity, holder in running(lake).items()]
    text = "; ".join([*killed, *work]) or "no run trains, none reads scores or training data"
    return Finding("runs", Verdict.OK, text)
