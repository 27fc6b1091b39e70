"""The daily schedule of scores, leaderboard and payouts."""

from datetime import timedelta

import dagster as dg

from numebot_dagster.defs.performance.jobs import collecting_runs, performance_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.numerai.rounds import round_to_play
from numebot_dagster.operations import collecting

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

    Waits while a weekday round is open: its hour belongs to the submissions.
    """
    shop = platform.open_for_tick(context.log)
    rounds = shop.client.open_rounds()  # first, because its answer also tells Numerai's time
    now = shop.client.now()
    found = round_to_play(rounds, now)
    if found is not None and found.close_staking_time - now < timedelta(hours=2):
        return dg.SkipReason(f"Round {found.number} is open: its hour comes first.")
    runs = collecting_runs(collecting.days_to_collect(shop), shop.registry)
    return [
        dg.RunRequest(run_key=run.key, tags=run.tags, asset_selection=run.selection) for run in runs
    ]
