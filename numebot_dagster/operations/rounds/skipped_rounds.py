"""Rounds that were skipped on purpose, so that they do not count as missed."""

from __future__ import annotations

import json
from pathlib import Path

from numebot_dagster.lake import files
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.platform import Platform


def skip_what_closed(platform: Platform) -> None:
    """Mark every round that has closed by now as skipped, as when a clock was moved past them."""
    rounds = platform.client.rounds()  # first, because its answer also tells Numerai's time
    now = platform.client.now()
    closed = [round_.number for round_ in rounds if round_.close_staking_time <= now]
    if closed:
        files.replace_json(platform.lake.skipped_rounds_file, {"through": max(closed)})


def skipped_through(lake: Lake) -> int:
    """Return the newest round that was skipped on purpose, with all before it; 0 for none."""
    # Damage costs no more than that rounds are recorded as missed.
    return read_or_set_aside(lake.skipped_rounds_file, _from_file) or 0


def _from_file(path: Path) -> int:
    return int(json.loads(path.read_bytes())["through"])
