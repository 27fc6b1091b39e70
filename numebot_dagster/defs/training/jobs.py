"""Define the job that trains."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.model_assets import of_all_models
from numebot_dagster.defs.partitions import TRAINING_RUNS
from numebot_dagster.defs.training.assets import TRAINING_DATA

train_job = dg.define_asset_job(
    "train_job",
    selection=dg.AssetSelection.assets(TRAINING_DATA) | of_all_models("weights"),
    tags=TRAINING_RUNS,
    description="Pin the training data of one vintage, and train every model on them.",
)
