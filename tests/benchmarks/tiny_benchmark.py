"""A benchmark whose outcome is known: found and run by processes of its own, as the real ones."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.harness import Benchmark, Goal


def prepare(full: Path | None) -> int:
    return 1_000_000


def wasteful(rows: int) -> np.ndarray:
    time.sleep(0.4)
    ones = np.ones(20 * rows)
    return ones[:rows]


def thrifty(rows: int) -> np.ndarray:
    time.sleep(0.1)
    array = np.ones(rows)
    array[7] = 1.25
    return array


def broken(rows: int) -> np.ndarray:
    raise ValueError("cannot be measured")


BENCHMARK = Benchmark(
    title="Known",
    prepare=prepare,
    baseline=wasteful,
    ours=thrifty,
    goals=(
        Goal("a", "seconds", excellent=2, minimum=1.5),
        Goal("b", "peak memory", excellent=1000, minimum=5),
        Goal("c", "memory / result", excellent=0.01, minimum=0.02),
        Goal("d", "difference", excellent=1e-12, minimum=0.25),
        Goal("e", "seconds", excellent=40, minimum=30, share=20),
    ),
    result=lambda returned: returned,
)
BROKEN = Benchmark("Broken", prepare, wasteful, broken, ())
