"""Define the job that plays a round."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.model_assets import of_all_models
from numebot_dagster.defs.rounds.assets import DETAILS, LIVE_DATA

# Ahead of everything else that waits in the queue.
ROUND_PRIORITY = {"dagster/priority": "10"}

round_job = dg.define_asset_job(
    "round_job",
    selection=dg.AssetSelection.assets(DETAILS, LIVE_DATA)
    | of_all_models("predictions")
    | of_all_models("submission"),
    tags=ROUND_PRIORITY,
    description="One round: its details and live data, then every model predicted and submitted.",
)
