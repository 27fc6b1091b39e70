"""Play a round thrice: no room for the live data, none for predictions, and with room again.

The limit on the size of files is enforced on root too: a write beyond it fails half way, as on a
disk that is full.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

# What is imported later may write caches.
import numerai_tools.submissions  # noqa: F401
import pandas  # noqa: F401
import polars  # noqa: F401

from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import live_data
from numebot_dagster.operations.rounds.playing import Play, play
from numebot_dagster.settings import load_settings

NO_DATA, NO_PREDICTIONS = 1000, 20_000  # bytes


def main(number: int) -> None:
    """Play the round, and print what became of each attempt as JSON."""
    platform = Platform(load_settings(Path.cwd()))
    models = platform.registry.enabled
    platform.client.round(number)
    limit(NO_DATA)
    try:
        live_data.fetch_live(platform, number, models)
    except OSError as error:
        tell(str(error))
    limit(resource.RLIM_INFINITY)
    live_data.fetch_live(platform, number, models)
    for size in (NO_PREDICTIONS, resource.RLIM_INFINITY):
        limit(size)
        results = play(platform, Play(number, models))
        tell({result.model.name: [result.ending, result.text] for result in results})


def limit(size: int) -> None:
    """Let no file grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def tell(what: object) -> None:
    """Print one line."""
    sys.stdout.write(f"{json.dumps(what)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
