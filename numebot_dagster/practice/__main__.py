"""Serve a practice tournament, as the process of a `PracticeServer`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.server import serve


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted, or until the parent process closes standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--plan", type=Plan.from_json, required=True, help="a `Plan` as JSON")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--rate-limits", type=Enforcement, default=Enforcement.ON)
    parser.add_argument("--until-stdin-closes", action="store_true")
    options = parser.parse_args(arguments)
    try:
        serve(
            options.folder,
            options.plan,
            options.port,
            deviations=not options.strict,
            rate_limits=options.rate_limits,
            until_stdin_closes=options.until_stdin_closes,
        )
    except Refused as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
