"""``python -m numebot_dagster.practice``: serve a practice tournament, for `PracticeServer`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.server import serve


def main(arguments: Sequence[str] | None = None) -> None:
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
    parser.add_argument("--open-now", action="store_true")
    parser.add_argument("--rules-change-at", type=int)
    parser.add_argument("--minutes-a-round", type=float, default=0.0)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--rate-limits", type=Enforcement, default=Enforcement.ON)
    parser.add_argument("--until-stdin-closes", action="store_true")
    asked = parser.parse_args(arguments)
    stakes = dict(text.rsplit("=", 1) for text in asked.stake)
    plan = Plan(
        seed=asked.seed,
        scale=asked.scale,
        start=asked.start,
        models=asked.models,
        stakes=stakes,
        real_clock=asked.real_clock,
        open_now=asked.open_now,
        rules_change_at=asked.rules_change_at,
        minutes_a_round=asked.minutes_a_round,
    )
    try:
        serve(
            asked.folder,
            plan,
            asked.port,
            deviations=not asked.strict,
            rate_limits=asked.rate_limits,
            until_stdin_closes=asked.until_stdin_closes,
        )
    except Refused as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
