"""Check that Dagster plays rounds: its daemon, sensors, schedules and queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from numebot_dagster.operations.health.findings import Check, Finding, Verdict

if TYPE_CHECKING:
    import dagster as dg

# What does not happen while a sensor or schedule is stopped, and its kind.
CONSEQUENCES = {
    "new_round_sensor": ("sensor", "no round is noticed or played automatically"),
    "watchdog_sensor": ("sensor", "no alert is sent before a round is missed"),
    "preflight_sensor": ("sensor", "no pre-flight runs before a round opens"),
    "train_today_sensor": ("sensor", "train_today_job starts no training"),
    "figures_sensor": ("sensor", "figures are drawn once a day and not after each round"),
    "weekend_round_schedule": ("schedule", "the weekend's round has no second start"),
    "daily_performance_schedule": ("schedule", "no scores are collected"),
    "replay_schedule": ("schedule", "no pipeline is proved by replaying stored rounds"),
    "daily_checks_schedule": ("schedule", "weights and roll-ups are not checked"),
    "retraining_schedule": ("schedule", "no model is retrained when it is due"),
    "rollup_schedule": ("schedule", "files pile up, and queries slow down over the years"),
}
PLAYS = "new_round_sensor"
MODULE = "numebot_dagster.definitions"

# A run leaves the queue within seconds, unless it waits for another run.
QUEUE_SECONDS = 300.0
# A daemon whose last heartbeat is more recent may just be starting.
_JUST_NOW = 300.0


def examine_automation(instance: dg.DagsterInstance) -> Iterator[Finding]:
    """Yield findings of the daemon, of stopped sensors and schedules, and of the queue."""
    stopped = _stopped(instance)
    yield _daemon(instance, plays=PLAYS not in stopped)
    yield from (_stopped_finding(name) for name in stopped)
    now = time.time()
    waiting = _queued(instance, now)
    if waiting:
        yield _queue(waiting, _working(instance), now, is_alive=not _stopped_daemons(instance))


def _stopped(instance: dg.DagsterInstance) -> list[str]:
    """Return the names of our sensors and schedules that a user has stopped."""
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
    return Finding(Check.AUTOMATION, Verdict.WARNING, f"{name} is stopped: {consequence}", remedy)


def _stopped_daemons(instance: dg.DagsterInstance) -> list[str]:
    beats = instance.get_daemon_statuses()
    return sorted(name for name, status in beats.items() if status.required and not status.healthy)


def _daemon(instance: dg.DagsterInstance, *, plays: bool) -> Finding:
    silent = _stopped_daemons(instance)
    if not silent:
        text = "`numebot up` is running"
        text += " and plays rounds" if plays else ", but does not play rounds"
        return Finding(Check.DAEMON, Verdict.OK, text)
    newest = max(
        (
            status.last_heartbeat.timestamp
            for status in instance.get_daemon_statuses().values()
            if status.last_heartbeat
        ),
        default=None,
    )
    if newest is not None and time.time() - newest < _JUST_NOW:
        text = f"these daemons are not running: {', '.join(silent)}"
    elif newest is None:
        text = "`numebot up` is not running: only `numebot run` plays rounds"
    else:
        at = datetime.fromtimestamp(newest, UTC)
        text = f"`numebot up` is not running since {at:%d %b %H:%M} UTC: no round is noticed"
    return Finding(Check.DAEMON, Verdict.WARNING, text, "numebot up")


def _queued(instance: dg.DagsterInstance, now: float) -> list[dg.RunRecord]:
    """Return the runs that have been in the queue for too long, oldest first."""
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
    """Return how long runs wait, for which runs, and what to do about it."""
    oldest = waiting[0]
    text = (
        f"{len(waiting)} runs wait in the queue, the oldest of {oldest.dagster_run.job_name} for "
        f"{_seconds(oldest, now) / 60:.0f} min"
    )
    if not is_alive:
        text += "; no daemon starts them"
        return Finding(Check.QUEUE, Verdict.WARNING, text, "numebot up")
    behind = ", ".join(f"run {run.run_id[:8]} of {run.job_name}" for run in working)
    if not behind:
        text += "; no run is working, but none of them is started"
        return Finding(Check.QUEUE, Verdict.WARNING, text, "stop `numebot up` and start it again")
    text = f"{text}, waiting for {behind}"
    if any(run.dagster_run.job_name == "round_job" for run in waiting):
        remedy = "end the working run in the UI under Runs, or play now: numebot run"
        return Finding(Check.QUEUE, Verdict.WARNING, text, remedy)
    return Finding(Check.QUEUE, Verdict.OK, text)


def _seconds(run: dg.RunRecord, now: float) -> float:
    return now - run.create_timestamp.timestamp()
