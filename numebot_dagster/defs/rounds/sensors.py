"""Noticing new rounds."""

import dagster as dg

from numebot_dagster.defs.partitions import rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import is_requested, round_request
from numebot_dagster.numerai.rounds import new_rounds

SECONDS_BETWEEN_LOOKS = 30


@dg.sensor(
    job=round_job,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_round_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Asks the tournament for rounds, adds each new one as a partition, plays the open ones.

    The hour of a round moves, so the tournament is asked and no fixed time is assumed. The cursor
    is the newest round seen; rounds that opened and closed while nobody watched get their
    partition and no run.
    """
    client = platform.open_for_tick(context.log).client
    cursor = int(context.cursor) if context.cursor else None
    begun = [one for one in client.rounds() if one.open_time <= client.now()]
    fresh = new_rounds(begun, cursor)
    if cursor is None:
        # The first look ever: history is not ours to play.
        fresh = fresh[-1:]
    if not fresh:
        return dg.SkipReason(f"No round has opened since {cursor}.")
    openings = [
        one.number
        for one in fresh
        if one.is_open(client.now()) and not is_requested(context.instance, one.number)
    ]
    return dg.SensorResult(
        run_requests=[round_request(number) for number in openings],
        dynamic_partitions_requests=[rounds.build_add_request([str(one.number) for one in fresh])],
        cursor=str(fresh[-1].number),
    )
