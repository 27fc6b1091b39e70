"""Define the jobs that collect scores and payouts and draw the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from numebot_dagster.defs.model_assets import of_all_models, performance_key
from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.performance.assets import (
    LEADERBOARD,
    OVERVIEW,
    PAYOUTS,
    SCORES,
)
from numebot_dagster.modeling.registry import Registry

MOST_DAYS_OF_ALL_ASSETS = 3
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

performance_job = dg.define_asset_job(
    "performance_job",
    selection=dg.AssetSelection.assets(SCORES, LEADERBOARD, PAYOUTS, OVERVIEW)
    | of_all_models("performance"),
    tags=COLLECTING_RUNS,
    description="Read scores, leaderboard and payouts of a range of days, then draw all figures.",
)


figures_job = dg.define_asset_job(
    "figures_job",
    selection=dg.AssetSelection.assets(OVERVIEW) | of_all_models("performance"),
    tags=COLLECTING_RUNS,
    description="Draw every model's history and the dashboard again from the stored scores.",
)


@dataclass(frozen=True)
class CollectingRun:
    """One run of `performance_job`.

    Attributes:
        name: `everything`, `scores` or `the-rest`.
        tags: the range of its days, for Dagster.
        selection: its assets; by default all of the job.
    """

    name: str
    tags: dict[str, str]
    selection: Sequence[dg.AssetKey] | None = None

    @property
    def key(self) -> str:
        """The run key, which Dagster requires when a tick requests several runs.

        It compares the keys of one tick of a schedule only: a later tick can request the same days.
        """
        return f"collect-{self.name}-{self.tags[RANGE_START_TAG]}-{self.tags[RANGE_END_TAG]}"


def collecting_runs(days: Sequence[date], registry: Registry) -> list[CollectingRun]:
    """Return the runs that collect these days and then draw the figures, in their order.

    Dagster writes an event for every asset and day of a run before it begins, also for assets
    without days. Many days are collected for the scores alone, since Numerai publishes the rest for
    today only; the rest is a run of one day.
    """
    if len(days) <= MOST_DAYS_OF_ALL_ASSETS:
        return [CollectingRun("everything", range_tags(days))]
    histories = [performance_key(model) for model in registry.enabled]
    rest = [LEADERBOARD, PAYOUTS, *histories, OVERVIEW]
    return [
        CollectingRun("scores", range_tags(days), [SCORES]),
        CollectingRun("the-rest", range_tags(days[-1:]), rest),
    ]


def range_tags(days: Sequence[date]) -> dict[str, str]:
    """Return the tags of a run over all days from the first to the last."""
    return {RANGE_START_TAG: days[0].isoformat(), RANGE_END_TAG: days[-1].isoformat()}
