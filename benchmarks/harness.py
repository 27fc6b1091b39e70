"""Measure a baseline and ours in one run, in turns, each repetition in a process of its own.

A script of this folder says what is compared, and ends in `main()`:

    BENCHMARK = Benchmark(
        title="Load the medium set, all rows",
        prepare=stand_in.medium,              # data and imports, before the clock starts
        baseline=with_pandas,                 # each gets what `prepare` returned
        ours=with_blocks,
        goals=(Goal("1", "seconds", excellent=4, minimum=3),),
    )

The benchmark is a module's attribute, because `benchmarks.one` finds it in the fresh process.
Seconds are those of the call alone: starting Python, imports and preparing are left out for both
sides. Peak memory is that of the whole process, interpreter and libraries included.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Side = Literal["baseline", "ours"]
Unit = Literal["seconds", "peak memory", "memory / result", "difference"]
REPEAT = 3


@dataclass(frozen=True)
class Goal:
    """What a benchmark is to reach.

    Attributes:
        row: a short name of what is measured.
        unit: "seconds" and "peak memory" ask how many times less of it than the baseline ours
            needs; "memory / result" for our peak memory in units of the returned array; and
            "difference" for the largest absolute difference of the two sides' results.
        excellent: the bound to reach.
        minimum: the bound not to miss.
        share: the same work that ours does in one call costs the baseline so many of its calls.
    """

    row: str
    unit: Unit
    excellent: float
    minimum: float
    share: float = 1

    @property
    def more_is_better(self) -> bool:
        """Whether the bounds are lower bounds."""
        return self.unit in ("seconds", "peak memory")


@dataclass(frozen=True)
class Benchmark:
    """Two ways of doing the same work.

    Attributes:
        title: what is done.
        prepare: makes what both functions get; its argument is the folder of full-size files, or
            None for the quick set. It must also import whatever they use.
        baseline: what a user would otherwise run; its docstring names it.
        ours: what this project does.
        goals: what is asked of the comparison.
        result: makes an array of numbers from what a side returned, by which both are compared;
            it runs after the measurement.
        pause: seconds to wait before each repetition, where the first use of memory is a large
            part of the work: so that the system, or the host of a virtual machine, has taken back
            what the process before held, and each side starts from the same state.
    """

    title: str
    prepare: Callable[[Path | None], Any]
    baseline: Callable[[Any], Any]
    ours: Callable[[Any], Any]
    goals: tuple[Goal, ...]
    result: Callable[[Any], Any] | None = None
    pause: float = 0


@dataclass(frozen=True)
class Measured:
    """One repetition of one side.

    Attributes:
        seconds: of the call.
        peak_mb: highest resident size of the process, in MB (10^6 bytes).
        held_mb: resident size before the call: interpreter, libraries and prepared data.
        result_mb: size of the returned array; 0 when it returned something else.
    """

    seconds: float
    peak_mb: float
    held_mb: float
    result_mb: float


@dataclass(frozen=True)
class Outcome:
    """All repetitions of a benchmark.

    Attributes:
        baseline: the repetitions of the baseline.
        ours: the repetitions of ours.
        difference: largest absolute difference of the results; None when they are not compared.
        full: whether the full-size data were used.
    """

    benchmark: Benchmark
    baseline: tuple[Measured, ...]
    ours: tuple[Measured, ...]
    difference: float | None
    full: bool

    def value(self, goal: Goal) -> float:
        """Return what was reached of a goal.

        On the quick set, memory is counted without what the process held before the call: a
        hundred megabytes of libraries, nothing beside full-size data, would be most of it.
        """
        match goal.unit:
            case "seconds":
                return goal.share * seconds(self.baseline) / seconds(self.ours)
            case "peak memory":
                return self._memory(self.baseline) / self._memory(self.ours)
            case "memory / result":
                return self._memory(self.ours) / self.ours[0].result_mb
            case "difference":
                if self.difference is None:
                    raise ValueError(f"{self.benchmark.title}: no result to compare is declared")
                return self.difference

    def verdict(self, goal: Goal) -> str:
        """Return the better of the two bounds that was kept, or "missed"."""
        for name in ("excellent", "minimum"):
            bound, value = getattr(goal, name), self.value(goal)
            if value >= bound if goal.more_is_better else value <= bound:
                return name
        return "missed"

    def _memory(self, runs: Sequence[Measured]) -> float:
        return statistics.median(run.peak_mb - (0 if self.full else run.held_mb) for run in runs)


def seconds(runs: Sequence[Measured]) -> float:
    """Return the median of the repetitions' seconds."""
    return statistics.median(run.seconds for run in runs)


def peak_mb(runs: Sequence[Measured]) -> float:
    """Return the median of the repetitions' peaks in MB."""
    return statistics.median(run.peak_mb for run in runs)


def measure(module: str, name: str, repeat: int = REPEAT, full: Path | None = None) -> Outcome:
    """Run a benchmark.

    Args:
        module: where it is, such as `benchmarks.load_medium`.
        name: its name there.
        repeat: how often each side is run.
        full: folder of the full-size files; the quick set by default.

    Raises:
        RuntimeError: one of the processes failed, with what it said last.
    """
    benchmark: Benchmark = getattr(importlib.import_module(module), name)
    place = [module, name, *([] if full is None else ["--full", str(full)])]
    with tempfile.TemporaryDirectory(prefix="numebot-benchmark-") as folder:
        results = {"baseline": Path(folder, "baseline.npy"), "ours": Path(folder, "ours.npy")}
        _in_a_process([*place, "prepare"])  # makes missing data, and warms the page cache
        runs: dict[str, list[Measured]] = {"baseline": [], "ours": []}
        for _ in range(repeat):
            for side, file in results.items():
                time.sleep(benchmark.pause)
                runs[side].append(Measured(**_in_a_process([*place, side, "--result", str(file)])))
        difference = None
        if benchmark.result is not None:
            difference = largest_difference(results["baseline"], results["ours"])
    return Outcome(
        benchmark, tuple(runs["baseline"]), tuple(runs["ours"]), difference, full is not None
    )


def largest_difference(first: Path, other: Path) -> float:
    """Return the largest absolute difference of two stored arrays; NaN equals only NaN."""
    import numpy as np

    a, b = (np.load(path).astype(np.float64) for path in (first, other))
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    return float(np.nanmax(np.abs(a - b), initial=0))


def main() -> None:
    """Run the benchmarks of the calling script and print their table; see `--help`."""
    script = sys.modules["__main__"]
    run([f"benchmarks.{Path(str(script.__file__)).stem}"], script.__doc__)


def run(modules: Sequence[str], description: str | None) -> None:
    """Run all benchmarks of some modules as the command line asks, and print one table."""
    from benchmarks import report

    asked = _arguments(description)
    outcomes = []
    for module in modules:
        for name, benchmark in vars(importlib.import_module(module)).items():
            if isinstance(benchmark, Benchmark):
                print(f"{benchmark.title} …", flush=True)
                outcomes.append(measure(module, name, asked.repeat, asked.full))
    report.show(outcomes, asked.json, asked.markdown)


def _arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeat", type=int, default=REPEAT, help="runs of each side")
    parser.add_argument(
        "--full",
        type=lambda text: Path(text).resolve(strict=True),
        metavar="FOLDER",
        help="where the full-size train.parquet and features.json are, at any depth; "
        "smaller stand-ins are made by default",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table to this file"
    )
    return parser.parse_args()


def _in_a_process(arguments: list[str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one", *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"python -m benchmarks.one {' '.join(arguments)} ended with {done.returncode}"
            + (" (killed: out of memory?)" if done.returncode == -9 else "")
            + f":\n{done.stderr[-2000:]}"
        )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer
