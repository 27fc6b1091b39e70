"""Load one era in four of the medium set: what matters is the memory that it needs."""

from __future__ import annotations

from functools import partial

from benchmarks import load_medium, loading
from benchmarks.harness import Benchmark, Goal, main

BENCHMARK = Benchmark(
    title="Load medium, 1 era in 4",
    prepare=load_medium.prepare,
    baseline=loading.pandas_thinned,
    ours=partial(loading.training_arrays, every=loading.EVERY),
    goals=(Goal("2", "peak memory", excellent=6, minimum=4),),
    result=loading.sample,
    pause=loading.PAUSE,
)

if __name__ == "__main__":
    main()
