"""Define the job that diagnoses models."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.model_assets import of_all_models
from numebot_dagster.defs.partitions import TRAINING_RUNS

diagnose_job = dg.define_asset_job(
    "diagnose_job",
    selection=of_all_models("diagnostics").without_checks(),
    tags=TRAINING_RUNS,
    description="Score every model on eras that its weights of one vintage have not seen.",
)
