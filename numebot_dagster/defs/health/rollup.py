"""Define the job that rolls up what can no longer change, and its daily schedule."""

import time

import dagster as dg

from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import round_with_work_left
from numebot_dagster.lake import catalog
from numebot_dagster.lake.locks import HeldElsewhere
from numebot_dagster.operations.health import upkeep

TICK = "40 3 * * *"  # hours after the scores, hours before a round opens
SECONDS_BETWEEN_LOOKS = 60.0


@dg.op(name="roll_up")
def roll_up_what_is_settled(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Roll up what can no longer change; stop when a round opens, and go on the next day."""
    opened = platform.open(context.log)
    looked_at = time.monotonic()

    def go_on(done: int, of_all: int) -> bool:
        nonlocal looked_at
        if time.monotonic() - looked_at < SECONDS_BETWEEN_LOOKS:
            return True
        looked_at = time.monotonic()
        opened.log.info("Rolling up: %d of %d blocks are done", done, of_all)
        return round_with_work_left(context.instance, opened) is None

    try:
        result = upkeep.roll_up(opened.lake, upkeep.settled(opened), go_on)
    except HeldElsewhere as error:
        raise dg.Failure(
            f"Another roll-up or check is at work: {error}", allow_retries=False
        ) from error
    for problem in result.problems:
        opened.log.warning("%s", problem)
    catalog.rebuild(opened.lake)
    context.add_output_metadata(
        {"files": result.rolled_up, "blocks": result.blocks, "problems": len(result.problems)}
    )


@dg.job(
    name="rollup_job",
    tags=COLLECTING_RUNS,
    description="Roll up receipts and predictions of resolved rounds, past days and old alerts "
    "into few files, so that queries stay fast. `numebot lake unroll` undoes it.",
)
def rollup_job() -> None:
    """Run `roll_up`."""
    roll_up_what_is_settled()


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
    round_ = round_with_work_left(context.instance, platform.open_for_tick(context.log))
    if round_ is not None:
        return dg.SkipReason(f"Round {round_.number} is open and has work left, which comes first.")
    return dg.RunRequest()
