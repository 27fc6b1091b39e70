"""Run one side of a benchmark once, in this process, and print its figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness import Benchmark, Measured
from numebot_dagster.modeling.worker.memory import peak_memory_mb, reset_peak


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("name")
    parser.add_argument("side", choices=["prepare", "baseline", "ours"])
    parser.add_argument("--full", type=Path)
    parser.add_argument("--result", type=Path)
    asked = parser.parse_args()
    benchmark: Benchmark = getattr(importlib.import_module(asked.module), asked.name)
    if asked.side == "prepare":
        benchmark.prepare(asked.full)
        print("{}")
    else:
        measured = _run(benchmark, asked.side, asked.full, asked.result)
        print(json.dumps(asdict(measured)))


def _run(benchmark: Benchmark, side: str, full: Path | None, result: Path | None) -> Measured:
    prepared = benchmark.prepare(full)
    call = benchmark.ours if side == "ours" else benchmark.baseline
    reset_peak()
    memory_before = peak_memory_mb()
    start = time.perf_counter()
    returned = call(prepared)
    seconds = time.perf_counter() - start
    peak = peak_memory_mb()
    if benchmark.result is not None and result is not None:
        import numpy as np

        np.save(result, benchmark.result(returned))
    size = getattr(returned, "nbytes", 0)
    return Measured(seconds, peak_mb=peak, held_mb=memory_before, result_mb=size / 1e6)


if __name__ == "__main__":
    main()
