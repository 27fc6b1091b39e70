"""Build the schedules of what is done at night, when no round has work left."""

import dagster as dg

from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import skip_for_a_round


def nightly_schedule(
    name: str, job_name: str, tick: str, description: str
) -> dg.ScheduleDefinition:
    """Return a schedule that is on by default, and requests its job unless a round comes first.

    Args:
        name: of the schedule.
        job_name: the job that it requests.
        tick: when, as a cron expression in UTC.
        description: one sentence without Markdown.
    """

    @dg.schedule(
        name=name,
        job_name=job_name,
        cron_schedule=tick,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, platform: PlatformResource
    ) -> dg.RunRequest | dg.SkipReason:
        opened = platform.open_for_tick(context.log)
        return skip_for_a_round(context.instance, opened) or dg.RunRequest()

    return schedule
