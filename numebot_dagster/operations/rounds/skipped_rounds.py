"""Remember the rounds that were skipped on purpose, so that they do not count as missed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numebot_dagster.lake import json_records
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.platform import Platform


@dataclass(frozen=True)
class SkippedRounds(json_records.Record):
    """Every round up to the number `through` was skipped on purpose."""

    through: int


def skip_what_closed(platform: Platform) -> None:
    """Mark every round that has closed by now as skipped, as when a clock was moved past them."""
    rounds = platform.client.rounds()  # first, because its answer also tells Numerai's time
    now = platform.client.now()
    closed = [round_.number for round_ in rounds if round_.close_staking_time <= now]
    if closed:
        skipped = replace(_read(platform.lake), through=max(closed))
        json_records.write(platform.lake.skipped_rounds_file, skipped)


def skipped_through(lake: Lake) -> int:
    """Return the newest round that was skipped on purpose, with all before it; 0 for none."""
    return _read(lake).through


def _read(lake: Lake) -> SkippedRounds:
    # Damage costs no more than that rounds are recorded as missed.
    skipped = json_records.read_or_set_aside(lake.skipped_rounds_file, SkippedRounds)
    return skipped or SkippedRounds(through=0)
