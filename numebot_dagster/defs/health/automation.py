"""Whether rounds are played by themselves: daemon, sensors, schedules and queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from numebot_dagster.operations.health.findings import Finding, Verdict

if TYPE_CHECKING:
    import dagster as dg

# What does not happen while one of them is stopped, and the kind by which Dagster starts it.
CONSEQUENCES = {
    "new_round_sensor": ("sensor", "no round is noticed, and none is played by itself"),
    "watchdog_sensor": ("sensor", "nobody is told before a round is missed"),
    "preflight_sensor": ("sensor", "nothing is rehearsed before a round opens"),
    "train_today_sensor": ("sensor", "what train_today_job registers is not trained"),
    "figures_sensor": ("sensor", "figures are renewed once a day and not after each round"),
    "weekend_round_schedule": ("schedule", "the weekend's round has no second start"),
    "daily_performance_schedule": ("schedule", "no scores are collected"),
    "retraining_schedule": ("schedule", "no model is retrained when it is due"),
}
PLAYS = "new_round_sensor"
MODULE = "numebot_dagster.definitions"

# A run leaves the queue within seconds, unless it waits for another one.
QUEUE_SECONDS = 300.0
# A daemon that was stopped this long ago is meant to be running: it may just be starting.
_JUST_NOW = 300.0


def examine_automation(instance: dg.DagsterInstance) -> Iterator[Finding]:
    """Look at the daemon, at what was stopped, and at the queue."""
    stopped = _stopped(instance)
    yield _daemon(instance, plays=PLAYS not in stopped)
    yield from (_stopped_finding(name) for name in stopped)
    now = time.time()
    waiting = _queued(instance, now)
    if waiting:
        yield _queue(waiting, _working(instance), now, is_alive=not _silent(instance))


def _stopped(instance: dg.DagsterInstance) -> list[str]:
    """The sensors and schedules of ours that somebody has stopped."""
    from dagster._core.scheduler.instigation import InstigatorStatus

    off = {
        state.instigator_name
        for state in instance.all_instigator_state()
        if state.status is InstigatorStatus.STOPPED
    }
    return [name for name in CONSEQUENCES if name in off]


def _stopped_finding(name: str) -> Finding:
    kind, consequence = CONSEQUENCES[name]
    remedy = f"dagster {kind} start {name} -m {MODULE}, or start it in the UI under Automation"
    return Finding("automation", Verdict.WARNING, f"{name} is stopped: {consequence}", remedy)


def _silent(instance: dg.DagsterInstance) -> list[str]:
    beats = instance.get_daemon_statuses()
    return sorted(name for name, status in beats.items() if status.required and not status.healthy)


def _daemon(instance: dg.DagsterInstance, *, plays: bool) -> Finding:
    silent = _silent(instance)
    if not silent:
        done = "rounds are played by itself" if plays else "but rounds are not played by itself"
        text = f"`numebot up` is running{':' if plays else ','} {done}"
        return Finding("daemon", Verdict.OK, text)
    newest = max(
        (
            status.last_heartbeat.timestamp
            for status in instance.get_daemon_statuses().values()
            if status.last_heartbeat
        ),
        default=None,
    )
    if newest is not None and time.time() - newest < _JUST_NOW:
        text = f"these daemons do not run: {', '.join(silent)}"
    elif newest is None:
        text = "no daemon is running: no round is noticed, only `numebot run` plays one"
    else:
        text = f"no daemon is running since {_moment(newest)}: no round is noticed"
    return Finding("daemon", Verdict.WARNING, text, "numebot up")


def _queued(instance: dg.DagsterInstance, now: float) -> list[dg.RunRecord]:
    """The runs that have been in the queue for longer than it takes to leave it, oldest first."""
    import dagster as dg

    queued = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), ascending=True
    )
    return [run for run in queued if _seconds(run, now) > QUEUE_SECONDS]


def _working(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    import dagster as dg

    statuses = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    return list(instance.get_runs(dg.RunsFilter(statuses=statuses)))


def _queue(
    waiting: list[dg.RunRecord], working: list[dg.DagsterRun], now: float, *, is_alive: bool
) -> Finding:
    """What waits for longer than it should, behind what, and what moves it."""
    oldest = waiting[0]
    text = (
        f"{len(waiting)} runs wait in the queue, the oldest of {oldest.dagster_run.job_name} for "
        f"{_seconds(oldest, now) / 60:.0f} min"
    )
    if not is_alive:
        text += "; no daemon starts them"
        return Finding("queue", Verdict.WARNING, text, "numebot up")
    behind = ", ".join(f"run {run.run_id[:8]} of {run.job_name}" for run in working)
    if not behind:
        text += "; nothing runs, and still none is started"
        return Finding("queue", Verdict.WARNING, text, "stop `numebot up` and start it again")
    text = f"{text}, behind {behind}"
    if any(run.dagster_run.job_name == "round_job" for run in waiting):
        remedy = "end what it waits for, in the UI under Runs, or play now: numebot run"
        return Finding("queue", Verdict.WARNING, text, remedy)
    return Finding("queue", Verdict.OK, text)


def _seconds(run: dg.RunRecord, now: float) -> float:
    return now - run.create_timestamp.timestamp()


def _moment(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%d %b %H:%M} UTC"
