"""The job that follows scores and payouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.performance.assets import (
    LEADERBOARD,
    OVERVIEW,
    PAYOUTS,
    SCORES,
    performance_key,
)
from numebot_dagster.modeling.registry import Registry

MOST_DAYS_OF_ALL_ASSETS = 3
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

performance_job = dg.define_asset_job(
    "performance_job",
    selection=dg.AssetSelection.assets(SCORES, LEADERBOARD, PAYOUTS, OVERVIEW)
    | dg.AssetSelection.key_substring("/performance"),
    tags=COLLECTING_RUNS,
    description="Scores, leaderboard and payouts of a range of days, then every model's history.",
)


figures_job = dg.define_asset_job(
    "figures_job",
    selection=dg.AssetSelection.assets(OVERVIEW) | dg.AssetSelection.key_substring("/performance"),
    tags=COLLECTING_RUNS,
    description="Every model's history and the dashboard anew, from what is stored.",
)


@dataclass(frozen=True)
class CollectingRun:
    """One run of `performance_job`.

    Attributes:
        name: what it collects.
        tags: the range of its days, for Dagster.
        selection: its assets; by default all of the job.
    """

    name: str
    tags: dict[str, str]
    selection: Sequence[dg.AssetKey] | None = None

    @property
    def key(self) -> str:
        """The run key: Dagster refuses several requests of one tick without a key in each.

        Of a schedule's keys it compares only those of the same tick, so that a later look at the
        same days is a run of its own.
        """
        return f"collect-{self.name}-{self.tags[RANGE_START_TAG]}-{self.tags[RANGE_END_TAG]}"


def collecting_runs(wanted: Sequence[date], registry: Registry) -> list[CollectingRun]:
    """Return the runs that collect these days and draw the figures anew, in their order.

    Dagster writes an event for every asset and day of a run before it begins, also for assets
    without days. Over many days only the scores are asked for, since Numerai tells the rest of
    today alone; what is left is a run of one day.
    """
    if len(wanted) <= MOST_DAYS_OF_ALL_ASSETS:
        return [CollectingRun("everything", range_tags(wanted))]
    histories = [performance_key(model) for model in registry.enabled]
    rest = [LEADERBOARD, PAYOUTS, *histories, OVERVIEW]
    return [
        CollectingRun("scores", range_tags(wanted), [SCORES]),
        CollectingRun("the-rest", range_tags(wanted[-1:]), rest),
    ]


def range_tags(wanted: Sequence[date]) -> dict[str, str]:
    """The tags of a run over all days from the first to the last."""
    return {
        RANGE_START_TAG: wanted[0].isoformat(),
        RANGE_END_TAG: wanted[-1].isoformat(),
    }
