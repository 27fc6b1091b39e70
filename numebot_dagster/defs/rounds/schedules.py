"""The weekly schedule, for those who play only the weekend round."""

import dagster as dg

from numebot_dagster.defs.partitions import ROUNDS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import is_requested, round_request
from numebot_dagster.numerai.rounds import is_weekend_round, round_to_play

# Saturday after the usual opening; the later looks are for a round that opened late.
WEEKEND_LOOKS = ["15 12 * * 6", "15 18 * * 6", "15 8 * * 0"]


@dg.schedule(
    job=round_job,
    cron_schedule=WEEKEND_LOOKS,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekend_round_schedule(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Plays the weekend round, if the tournament says that it is open and nobody plays it yet."""
    client = platform.open_for_tick(context.log).client
    found = round_to_play(client.open_rounds(), client.now())
    if found is None:
        return dg.SkipReason("No round is open.")
    if not is_weekend_round(found):
        return dg.SkipReason(f"Round {found.number} is not a weekend round.")
    if is_requested(context.instance, found.number):
        return dg.SkipReason(f"Round {found.number} has a run already.")
    context.instance.add_dynamic_partitions(ROUNDS, [str(found.number)])
    return round_request(found.number)
