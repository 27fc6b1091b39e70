"""What sensor and schedule ask for: one run per round, whoever notices it first."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.partitions import ROUND_TAG

# A run that failed or was cancelled does not stand in the way of another one.
_STANDING = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]


def round_request(round_number: int) -> dg.RunRequest:
    """The one run of a round."""
    key = str(round_number)
    return dg.RunRequest(run_key=f"round-{key}", partition_key=key, tags={ROUND_TAG: key})


def is_requested(instance: dg.DagsterInstance, round_number: int) -> bool:
    """Whether a run of this round is under way or has succeeded, whoever asked for it."""
    runs = dg.RunsFilter(tags={ROUND_TAG: str(round_number)}, statuses=_STANDING)
    return instance.get_runs_count(runs) > 0
