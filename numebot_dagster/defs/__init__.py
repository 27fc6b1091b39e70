"""Assets, jobs, sensors and schedules: Dagster's side of the operations."""

from __future__ import annotations

import warnings

import dagster as dg

from numebot_dagster import terminal

# Checks by partition and single-run ranges are not called stable by Dagster yet. The lock file
# pins a tested version; users can do nothing about the warnings.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# Processes that Dagster starts to execute a run come in here.
terminal.guard()
