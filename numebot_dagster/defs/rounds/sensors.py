"""Notice new rounds."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from numebot_dagster.defs.partitions import ROUNDS, rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import is_settled, request_for, runs_of
from numebot_dagster.defs.runs import end_dead_runs
from numebot_dagster.lake.layout import Lake
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.records import Round
from numebot_dagster.numerai.rounds import new_rounds, rounds_of_interest
from numebot_dagster.operations.causes import rounds_of
from numebot_dagster.operations.health.preflight import expectation
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds.catching_up import catch_up, unseen
from numebot_dagster.operations.rounds.skipped_rounds import skipped_through

SECONDS_BETWEEN_LOOKS = 30
LEAST_CAUGHT_UP = 2  # rounds that are recorded together; a single one gets a run


@dg.sensor(
    job=round_job,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Play each round that opens, and retry until every model is confirmed.",
)
def new_round_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Ask the tournament for rounds, add each new one as a partition, and have it played.

    The hour of a round moves, so the tournament is asked and no fixed time is assumed. While a
    round is open it is asked for again, with growing pauses, until every model is confirmed. A
    round that closed while nobody watched gets one run that records how it ended; of several it is
    recorded here, without a run of each. The cursor is the round before the oldest one that is not
    over, so that none is forgotten.
    """
    end_dead_runs(context.instance, context.log)
    opened = platform.open_for_tick(context.log)
    watched = rounds_of_interest(opened.client.rounds(), opened.settings.numebot_rounds)
    now = opened.client.now()
    cursor = int(context.cursor) if context.cursor else None
    fresh, ours = _to_look_at(
        [round_ for round_ in watched if round_.open_time <= now], cursor, opened.lake
    )
    expected = expectation([round_.open_time for round_ in watched], now)
    if not fresh:
        newest = watched[-1].number if watched else cursor
        return dg.SkipReason(f"No round has opened since {newest}. {expected}")
    going_on = [round_ for round_ in fresh if round_.is_open(now)]
    over = [round_ for round_ in fresh if ours and now >= round_.close_staking_time]
    unsettled = _unsettled(context, opened, over)
    # One closed round at a time, so that an open one never waits behind a week of them.
    answers = [request_for(context.instance, opened, round_) for round_ in going_on + unsettled[:1]]
    requests = [answer for answer in answers if isinstance(answer, dg.RunRequest)]
    unknown = _unknown_to(context.instance, fresh)
    for text in _notices(unknown, now):
        context.log.info(text)
    reasons = [*(str(answer) for answer in answers), *([] if going_on else [expected])]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests or unknown else " ".join(reasons),
        dynamic_partitions_requests=_partitions_of(unknown),
        cursor=str(_cursor(fresh, going_on + unsettled)),
    )


def _unsettled(
    context: dg.SensorEvaluationContext, opened: Platform, over: Sequence[Round]
) -> list[Round]:
    """Record how rounds ended that closed unwatched, and return those that need a run for it."""
    caught_up = _catch_up(context, opened, over)
    return [
        round_
        for round_ in over
        if round_.number not in caught_up and not is_settled(context.instance, opened, round_)
    ]


def _to_look_at(begun: Sequence[Round], cursor: int | None, lake: Lake) -> tuple[list[Round], bool]:
    """Return the rounds that are not over for us, and whether those that closed are ours.

    History is not ours to play: the first look ever is about the newest round only. But where
    rounds were played before, by a command, every one since the first of them is ours.
    """
    skipped = skipped_through(lake)
    stored = lake.stored_rounds()
    if cursor is not None:
        return new_rounds(begun, max(cursor, skipped)), True
    if stored:
        return new_rounds(begun, max(stored[0], skipped)) or _newest(begun, skipped), True
    return _newest(begun, skipped), False


def _newest(begun: Sequence[Round], skipped: int) -> list[Round]:
    return [round_ for round_ in begun[-1:] if round_.number > skipped]


def _catch_up(
    context: dg.SensorEvaluationContext, opened: Platform, over: Sequence[Round]
) -> set[int]:
    """Record how several rounds ended that nobody looked at; return their numbers."""
    missed = [
        round_ for round_ in unseen(opened, over) if not runs_of(context.instance, round_.number)
    ]
    if len(missed) < LEAST_CAUGHT_UP:
        return set()
    try:
        catch_up(opened, missed)
    except NumeraiError as error:  # the next look tries again; an open round does not wait for it
        numbers = rounds_of([round_.number for round_ in missed])
        context.log.warning(f"It could not be recorded how {numbers.lower()} ended: {error}")
        return set()
    return {round_.number for round_ in missed}


def _unknown_to(instance: dg.DagsterInstance, fresh: Sequence[Round]) -> list[Round]:
    registered = set(instance.get_dynamic_partitions(ROUNDS))
    return [round_ for round_ in fresh if str(round_.number) not in registered]


def _notices(unknown: Sequence[Round], now: datetime) -> list[str]:
    """Say which rounds are new: all that have closed meanwhile on one line."""
    closed = [round_.number for round_ in unknown if now >= round_.close_staking_time]
    texts = [f"Round {round_.number} is noticed" for round_ in unknown if round_.is_open(now)]
    if closed:
        texts.insert(0, f"{rounds_of(closed)} closed before Numebot looked")
    return texts


def _partitions_of(unknown: Sequence[Round]) -> list[dg.AddDynamicPartitionsRequest]:
    keys = [str(round_.number) for round_ in unknown]
    return [rounds.build_add_request(keys)] if keys else []


def _cursor(fresh: Sequence[Round], not_over: Sequence[Round]) -> int:
    if not_over:
        return min(round_.number for round_ in not_over) - 1
    return fresh[-1].number
