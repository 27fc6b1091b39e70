"""Schedule the weekend round, for those who play only that one."""

import dagster as dg

from numebot_dagster.defs.partitions import ROUNDS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import request_for
from numebot_dagster.defs.runs import end_dead_runs
from numebot_dagster.numerai.rounds import is_weekend_round, rounds_of_interest
from numebot_dagster.operations.health.preflight import expectation
from numebot_dagster.operations.platform import Platform

# Saturday after the usual opening; the later looks are for a round that opened late, or whose run
# left something to do.
WEEKEND_LOOKS = ["15 12 * * 6", "15 18 * * 6", "15 8 * * 0"]


@dg.schedule(
    job=round_job,
    cron_schedule=WEEKEND_LOOKS,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Play the weekend round if it is open and no run plays it yet.",
)
def weekend_round_schedule(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Play the weekend round, if it is open and nobody plays it yet.

    It needs no sensor. To play the weekend round only, set `NUMEBOT_ROUNDS=weekend`, or stop the
    sensor in the UI and leave this schedule on.
    """
    end_dead_runs(context.instance, context.log)
    opened = platform.open_for_tick(context.log)
    round_ = opened.round_to_play()
    if round_ is None:
        return dg.SkipReason(f"No round is open. {_expected(opened)}")
    if not is_weekend_round(round_):
        return dg.SkipReason(f"Round {round_.number} is not a weekend round. {_expected(opened)}")
    asked = request_for(context.instance, opened, round_)
    if isinstance(asked, str):
        return dg.SkipReason(asked)
    context.instance.add_dynamic_partitions(ROUNDS, [str(round_.number)])
    return asked


def _expected(opened: Platform) -> str:
    """Say when the next weekend round is expected."""
    rounds = rounds_of_interest(opened.client.rounds(), "weekend")
    return expectation([round_.open_time for round_ in rounds], opened.client.now())
