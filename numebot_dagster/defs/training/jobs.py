"""The job that trains."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.partitions import TRAINING_RUNS
from numebot_dagster.defs.training.assets import TRAINING_DATA

train_job = dg.define_asset_job(
    "train_job",
    selection=dg.AssetSelection.assets(TRAINING_DATA) | dg.AssetSelection.key_substring("/weights"),
    tags=TRAINING_RUNS,
    description="One vintage: its training data pinned, and every model trained on them.",
)
