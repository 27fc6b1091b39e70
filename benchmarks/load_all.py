"""Load all features of all rows into one matrix: how near to the matrix alone, and how fast.

pandas is no baseline here: it takes 2.7 times the memory of the matrix, more than most machines
have for the full size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import loading, stand_in
from benchmarks.harness import Benchmark, Goal, main


def prepare(full: Path | None) -> stand_in.Source:
    """Find or make the file; both sides' libraries are imported."""
    import numebot_dagster.lake.matrix  # noqa: F401

    return stand_in.all_features(full)


def with_blocks(source: stand_in.Source) -> np.ndarray:
    """Read column blocks into one preallocated matrix."""
    from numebot_dagster.lake.matrix import fill_matrix, select_rows

    return fill_matrix([select_rows(source.path)], source.features)


BENCHMARK = Benchmark(
    title="Load all features, all rows",
    prepare=prepare,
    baseline=loading.polars_matrix,
    ours=with_blocks,
    goals=(
        Goal("3", "memory / result", excellent=1.06, minimum=1.15),
        Goal("4", "seconds", excellent=2, minimum=1.25),
    ),
    result=loading.sample,
    pause=loading.PAUSE,
)

if __name__ == "__main__":
    main()
