"""Define the daily schedule of scores, leaderboard and payouts."""

import dagster as dg

from numebot_dagster.defs.performance.jobs import collecting_runs, performance_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import round_with_work_left
from numebot_dagster.operations.performance import collecting, due

TICKS = [f"{at.minute} {at.hour} * * *" for at in due.READ_AT]


@dg.schedule(
    job=performance_job,
    cron_schedule=TICKS,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Read the scores published since the last stored day, except during a round.",
)
def daily_performance_schedule(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request the days since the last stored one, unless an open round has work left."""
    opened = platform.open_for_tick(context.log)
    round_ = round_with_work_left(context.instance, opened)
    if round_ is not None:
        return dg.SkipReason(f"Round {round_.number} is open and has work left, which comes first.")
    runs = collecting_runs(collecting.days_to_collect(opened), opened.registry)
    return [
        dg.RunRequest(run_key=run.key, tags=run.tags, asset_selection=run.selection) for run in runs
    ]
