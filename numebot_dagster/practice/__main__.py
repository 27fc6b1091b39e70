"""``python -m numebot_dagster.practice``: serve a practice tournament, for `PracticeServer`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from numebot_dagster.practice.clock import Refused
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import serve


def main() -> None:
    """Serves until the parent process closes standard input, or until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", default="small")
    parser.add_argument("--start", type=datetime.fromisoformat, required=True)
    parser.add_argument("--models", type=lambda text: text.split(","), required=True)
    parser.add_argument("--stake", action="append", default=[])
    parser.add_argument("--real-clock", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--until-stdin-closes", action="store_true")
    asked = parser.parse_args()
    stakes = dict(text.rsplit("=", 1) for text in asked.stake)
    plan = Plan(asked.seed, asked.scale, asked.start, asked.models, stakes, asked.real_clock)
    try:
        serve(
            asked.folder,
            plan,
            asked.port,
            deviations=not asked.strict,
            until_stdin_closes=asked.until_stdin_closes,
        )
    except Refused as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
