"""Define the job that diagnoses models."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.partitions import TRAINING_RUNS

diagnose_job = dg.define_asset_job(
    "diagnose_job",
    selection=dg.AssetSelection.key_substring("/diagnostics").without_checks(),
    tags=TRAINING_RUNS,
    description="Score every model on eras that its weights of one vintage have not seen.",
)
