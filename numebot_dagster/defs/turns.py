"""Let one run at a time train, and one read much from Numerai.

Turns are locks of the operating system and not Dagster's pools: a place in a pool outlives a run
that was killed or could not write its last event, and a step that waits for it keeps a core busy
and ignores signals. A lock ends with its process, and waiting for it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import exclusive, holder_of

READING, TRAINING = "numerai_api", "training"

_ACTIVITIES = {READING: "reads scores or training data from Numerai", TRAINING: "trains"}


@contextmanager
def turn(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, lake: Lake, name: str
) -> Iterator[None]:
    """Hold a turn while the block runs; wait for it while another run holds it."""
    holder = f"run {context.run.run_id[:8]} of {context.run.job_name}"
    with turn_of(holder, lake, name, lambda text: context.log.info("%s", text)):
        yield


@contextmanager
def turn_of(holder: str, lake: Lake, name: str, say: Callable[[str], object]) -> Iterator[None]:
    """Hold a turn outside of a run, under a name that those see who wait for it."""

    def log_holder(other: str) -> None:
        say(f"Waiting: another run {_ACTIVITIES[name]} ({other})")

    with exclusive(lake.lock_file(name), log_holder, holder):
        yield


def running(lake: Lake) -> dict[str, str]:
    """Return the runs that hold a turn, and since when, by their activity."""
    holders = {activity: holder_of(lake.lock_file(name)) for name, activity in _ACTIVITIES.items()}
    return {activity: holder for activity, holder in holders.items() if holder is not None}
