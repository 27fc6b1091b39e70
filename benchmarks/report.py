"""Show the outcomes of benchmarks as tables for the terminal and the README, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.harness import Goal, Measured, Outcome, peak_mb, seconds

_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "scipy", "numerai-tools", "scikit-learn")


def show(
    outcomes: Sequence[Outcome], json_file: Path | None = None, markdown_file: Path | None = None
) -> None:
    """Print the table; write all figures, and the table for the docs, to files if asked."""
    from rich.console import Console

    from numebot_dagster.reporting.tables import markdown_table, rich_table

    shown, below = table(outcomes), caption(outcomes)
    console = Console()
    on_screen = rich_table(shown, "Beside what others do")
    on_screen.show_edge = False  # or its last column is cut at 80 characters, as when piped
    console.print(on_screen, f"\n{below}")
    if json_file is not None:
        json_file.write_text(json.dumps(figures(outcomes), indent=2) + "\n")
        console.print(f"All figures are in {json_file}")
    if markdown_file is not None:
        markdown_file.write_text(f"{markdown_table(shown)}\n\n{below}\n")
        console.print(f"The table is in {markdown_file}")


def table(outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """Return one row for each goal: what both sides took, what was reached, and what was asked."""
    return pl.DataFrame(
        [_row(outcome, goal) for outcome in outcomes for goal in outcome.benchmark.goals]
    )


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return everything that was measured, as JSON holds it."""
    return {
        "machine": machine(),
        "benchmarks": [
            {
                "title": outcome.benchmark.title,
                "full": outcome.full,
                "baseline": [asdict(run) for run in outcome.baseline],
                "ours": [asdict(run) for run in outcome.ours],
                "difference": outcome.difference,
                "goals": [
                    {**asdict(goal), "value": outcome.value(goal), "verdict": outcome.verdict(goal)}
                    for goal in outcome.benchmark.goals
                ],
            }
            for outcome in outcomes
        ],
    }


def machine() -> dict[str, Any]:
    """Return when and on what this runs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
    }


def caption(outcomes: Sequence[Outcome]) -> str:
    """Return what the figures mean, when and where they were taken."""
    facts = machine()
    size = "full-size data" if all(outcome.full for outcome in outcomes) else (
        "the quick set; memory ratios without what the process held before the call"
    )  # fmt: skip
    libraries = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    return (
        f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, "
        f"{facts['memory_gb']} GB; "
        f"medians of {len(outcomes[0].ours)} fresh processes a side, in turns; {size}. "
        f"Python {facts['python']}, {libraries}."
    )


def _row(outcome: Outcome, goal: Goal) -> dict[str, str]:
    sign = "≥" if goal.more_is_better else "≤"
    return {
        "row": goal.row,
        "what": f"{outcome.benchmark.title}: {goal.unit}",
        "baseline": _cost(outcome.baseline, goal.share),
        "ours": _cost(outcome.ours),
        "reached": _number(outcome.value(goal), goal),
        "excellent": f"{sign} {_number(goal.excellent, goal)}",
        "minimum": f"{sign} {_number(goal.minimum, goal)}",
        "verdict": outcome.verdict(goal),
    }


def _cost(runs: Sequence[Measured], share: float = 1) -> str:
    return f"{share * seconds(runs):.3g} s, {peak_mb(runs) / 1000:.2f} GB"


def _number(value: float, goal: Goal) -> str:
    if goal.more_is_better:
        return f"{value:.3g}x"
    return f"{value:.3g}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
