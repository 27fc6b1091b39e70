"""Noticing new rounds."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from numebot_dagster.defs.partitions import ROUNDS, rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import is_settled, request_for
from numebot_dagster.defs.runs import end_dead_runs
from numebot_dagster.numerai.records import Round
from numebot_dagster.numerai.rounds import new_rounds, rounds_of_interest

FIRST_LOOK_BACK = timedelta(days=7)
SECONDS_BETWEEN_LOOKS = 30


@dg.sensor(
    job=round_job,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_round_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Asks the tournament for rounds, adds each new one as a partition, and has it played.

    The hour of a round moves, so the tournament is asked and no fixed time is assumed. While a
    round is open it is asked for again, with growing pauses, until every model is confirmed. What
    opened and closed while nobody watched gets one run that records how it ended. The cursor is
    the round before the oldest one that is not over, so that none is forgotten.
    """
    end_dead_runs(context.instance, context.log)
    shop = platform.open_for_tick(context.log)
    watched = rounds_of_interest(shop.client.rounds(), shop.settings.numebot_rounds)
    now = shop.client.now()
    cursor = int(context.cursor) if context.cursor else None
    fresh = new_rounds([one for one in watched if one.open_time <= now], cursor)
    ours = cursor is not None or bool(shop.lake.stored_rounds())
    if cursor is None:
        fresh = _at_first(fresh, shop.lake.stored_rounds(), now)
    if not fresh:
        return dg.SkipReason(f"No round has opened since {cursor}.")
    going_on = [one for one in fresh if one.is_open(now)]
    over = [one for one in fresh if ours and now >= one.close_staking_time]
    unsettled = [one for one in over if not is_settled(context.instance, shop, one)]
    # One closed round at a time, so that an open one never waits behind a week of them.
    asked = [request_for(context.instance, shop, one) for one in going_on + unsettled[:1]]
    requests = [one for one in asked if isinstance(one, dg.RunRequest)]
    unknown = _unknown_to(context.instance, fresh)
    for number in unknown:
        context.log.info("Round %s is noticed", number)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests or unknown else " ".join(str(one) for one in asked) or None,
        dynamic_partitions_requests=[rounds.build_add_request(unknown)] if unknown else [],
        cursor=str(_cursor(fresh, going_on + unsettled)),
    )


def _at_first(begun: Sequence[Round], stored: Sequence[int], now: datetime) -> list[Round]:
    """What the first look ever is about: history is not ours to play.

    But where rounds were played before, by a command, what closed in the last week since the first
    of them is ours to record.
    """
    missable = [
        one
        for one in begun
        if stored and one.number > stored[0] and now - one.close_staking_time < FIRST_LOOK_BACK
    ]
    return missable or list(begun[-1:])


def _unknown_to(instance: dg.DagsterInstance, found: Sequence[Round]) -> list[str]:
    known = set(instance.get_dynamic_partitions(ROUNDS))
    return [str(one.number) for one in found if str(one.number) not in known]


def _cursor(fresh: Sequence[Round], not_over: Sequence[Round]) -> int:
    if not_over:
        return min(one.number for one in not_over) - 1
    return fresh[-1].number
