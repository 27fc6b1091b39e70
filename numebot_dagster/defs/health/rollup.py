"""Define the asset of the roll-ups: what can no longer change, in few files."""

import time
from collections.abc import Callable

import dagster as dg

from numebot_dagster.defs import catalogue
from numebot_dagster.defs.nightly import nightly_schedule
from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import while_no_round_waits
from numebot_dagster.lake import catalog
from numebot_dagster.lake.locks import HeldElsewhere
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.health import upkeep
from numebot_dagster.operations.platform import Platform

ROLLUP = dg.AssetKey(["health", "rollup"])
TICK = "40 3 * * *"  # hours after the scores, hours before a round opens
SECONDS_BETWEEN_WORDS = 60.0


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
    """Return what is asked after each block: whether to go on. It says once a minute how far it is.

    Where Numerai does not answer, a round may be open, so that the rest is left for another time.
    """
    may_go_on = while_no_round_waits(instance, platform)
    said_at = time.monotonic()

    def go_on(done: int, of_all: int) -> bool:
        nonlocal said_at
        if time.monotonic() - said_at >= SECONDS_BETWEEN_WORDS:
            said_at = time.monotonic()
            platform.log.info("%s: %d of %d blocks are done", what, done, of_all)
        try:
            return may_go_on()
        except NumeraiError as error:
            platform.log.warning("%s stops: whether a round is open is unclear: %s", what, error)
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


rollup_schedule = nightly_schedule(
    "rollup_schedule",
    rollup_job.name,
    TICK,
    "Roll up what can no longer change, except during a round.",
)
