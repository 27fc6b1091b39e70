"""The job that diagnoses."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.partitions import TRAINING_RUNS

diagnose_job = dg.define_asset_job(
    "diagnose_job",
    selection=dg.AssetSelection.key_substring("/diagnostics"),
    tags=TRAINING_RUNS,
    description="One vintage: how every model does on eras that it has not seen.",
)
