"""Define the asset of the roll-ups: what can no longer change, in few files."""

import time
from collections.abc import Callable

import dagster as dg

from numebot_dagster.defs import catalogue
from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import round_with_work_left
from numebot_dagster.lake import catalog
from numebot_dagster.lake.locks import HeldElsewhere
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.health import upkeep
from numebot_dagster.operations.platform import Platform

ROLLUP = dg.AssetKey(["health", "rollup"])
TICK = "40 3 * * *"  # hours after the scores, hours before a round opens
SECONDS_BETWEEN_LOOKS = 60.0


@dg.asset(
    key=ROLLUP,
    group_name="health",
    kinds={"parquet"},
    freshness_policy=catalogue.NIGHTLY,
    metadata=catalogue.source(),
)
def rollup(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Roll up what can no longer change into few files, so that queries stay fast.

    Receipts and predictions of resolved rounds, past days and old alerts. An original is removed
    only after its rows were read back equal. It stops when a round opens, and goes on the next
    time. `numebot lake unroll` undoes it.
    """
    opened = platform.open(context.log)
    try:
        result = upkeep.roll_up(
            opened.lake,
            upkeep.settled(opened),
            until_a_round_opens(context.instance, opened, "Rolling up"),
        )
    except HeldElsewhere as error:
        raise other_at_work(error) from error
    for problem in result.problems:
        opened.log.warning("%s", problem)
    catalog.rebuild(opened.lake)
    return dg.MaterializeResult(
        metadata={
            "files": result.rolled_up,
            "blocks": result.blocks,
            "problems": len(result.problems),
        }
    )


def until_a_round_opens(
    instance: dg.DagsterInstance, platform: Platform, what: str
) -> Callable[[int, int], bool]:
    """Return what is asked after each block: whether to go on. It looks once a minute.

    Where Numerai does not answer, a round may be open, so that the rest is left for another time.
    """
    looked_at = time.monotonic()

    def go_on(done: int, of_all: int) -> bool:
        nonlocal looked_at
        if time.monotonic() - looked_at < SECONDS_BETWEEN_LOOKS:
            return True
        looked_at = time.monotonic()
        platform.log.info("%s: %d of %d blocks are done", what, done, of_all)
        try:
            return round_with_work_left(instance, platform) is None
        except NumeraiError as error:
            platform.log.warning("%s stops: whether a round is open is not known: %s", what, error)
            return False

    return go_on


def other_at_work(error: HeldElsewhere) -> dg.Failure:
    """Return the failure of a run beside another one that reads or writes the blocks."""
    return dg.Failure(f"Another roll-up or check is at work: {error}", allow_retries=False)


rollup_job = dg.define_asset_job(
    "rollup_job",
    selection=dg.AssetSelection.assets(ROLLUP).without_checks(),
    tags=COLLECTING_RUNS,
    description="Roll up receipts and predictions of resolved rounds, past days and old alerts "
    "into few files, so that queries stay fast. `numebot lake unroll` undoes it.",
)


@dg.schedule(
    job=rollup_job,
    cron_schedule=TICK,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Roll up what can no longer change, except during a round.",
)
def rollup_schedule(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Request a roll-up, unless an open round has work left."""
    return unless_a_round_is_open(context, platform)


def unless_a_round_is_open(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Request a run, unless an open round has work left, which comes first."""
    round_ = round_with_work_left(context.instance, platform.open_for_tick(context.log))
    if round_ is not None:
        return dg.SkipReason(f"Round {round_.number} is open and has work left, which comes first.")
    return dg.RunRequest()
