"""The daily schedule of scores, leaderboard and payouts."""

import dagster as dg

from numebot_dagster.defs.performance.jobs import collecting_runs, performance_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import round_with_work_left
from numebot_dagster.operations.performance import collecting

# Scores are out in the morning hours of UTC; the second look is for a late pipeline.
LOOKS = ["30 14 * * *", "30 22 * * *"]


@dg.schedule(
    job=performance_job,
    cron_schedule=LOOKS,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_performance_schedule(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Reads what was published since the last stored day, however long nobody watched.

    Waits while an open round has work left: its hour belongs to the submissions.
    """
    shop = platform.open_for_tick(context.log)
    round_ = round_with_work_left(context.instance, shop)
    if round_ is not None:
        return dg.SkipReason(f"Round {round_.number} is open and has work left: that comes first.")
    runs = collecting_runs(collecting.days_to_collect(shop), shop.registry)
    return [
        dg.RunRequest(run_key=run.key, tags=run.tags, asset_selection=run.selection) for run in runs
    ]
