"""Define the partitions of the assets and the tags of runs."""

from __future__ import annotations

import dagster as dg

ROUNDS, VINTAGES = "rounds", "vintages"
rounds = dg.DynamicPartitionsDefinition(name=ROUNDS)
vintages = dg.DynamicPartitionsDefinition(name=VINTAGES)
# `end_offset=1` so that today, which is rewritten until it ends, has a partition.
days = dg.DailyPartitionsDefinition(start_date="2021-01-01", end_offset=1)

ROUND_TAG = "numebot/round"

# Of each of these kinds one run at a time leaves the queue (`dagster.yaml`), so that a place is
# free when a round opens.
TRAINING_RUNS = {"numebot/kind": "training", "dagster/priority": "-5"}
COLLECTING_RUNS = {"numebot/kind": "collecting"}
