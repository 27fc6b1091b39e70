"""The job that follows scores and payouts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import dagster as dg

from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.performance.assets import LEADERBOARD, OVERVIEW, PAYOUTS, SCORES

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


def range_tags(wanted: Sequence[date]) -> dict[str, str]:
    """The tags of a run over all days from the first to the last."""
    return {
        RANGE_START_TAG: wanted[0].isoformat(),
        RANGE_END_TAG: wanted[-1].isoformat(),
    }
