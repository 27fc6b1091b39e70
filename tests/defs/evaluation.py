"""Read what sensors and schedules asked for, and bring a world where they ask."""

from __future__ import annotations

from datetime import datetime

import dagster as dg

from numebot_dagster.defs.partitions import ROUND_TAG
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, State
from tests.support.world import HONEST


def requested(result):
    """Return partition, key and our own tags of each request."""
    return [
        (
            request.partition_key,
            request.run_key,
            {name: tag for name, tag in request.tags.items() if not name.startswith("dagster/")},
        )
        for request in result.run_requests
    ]


def added(result):
    return [key for request in result.dynamic_partitions_requests for key in request.partition_keys]


def is_saturday(world):
    return datetime.fromisoformat(world.practice.state()["clock"]["now"]).weekday() == 5


def advance_to(world, text):
    world.practice.advance(text)


def run_of(instance, number, status, **tags):
    """Add a run that somebody else has asked for."""
    run = dg.DagsterRun("round_job", tags={ROUND_TAG: str(number)} | tags, status=status)
    instance.add_run(run)
    return run


def record_receipts(world, number, state=State.CONFIRMED, outcome=Outcome.ON_TIME, **more):
    """Record a receipt of each model for a round."""
    for name in HONEST:
        receipt = receipts.Receipt(name, number, state=state, outcome=outcome, **more)
        receipts.append(world.platform.lake, receipt)
