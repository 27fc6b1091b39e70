"""Define the daily schedule of scores, leaderboard and payouts."""

import dagster as dg

from numebot_dagster.defs.performance.jobs import collecting_runs, performance_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import skip_for_a_round
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
    if (skip := skip_for_a_round(context.instance, opened)) is not None:
        return skip
    runs = collecting_runs(collecting.days_to_collect(opened), opened.registry)
    return [
        dg.RunRequest(run_key=run.key, tags=run.tags, asset_selection=run.selection) for run in runs
    ]
