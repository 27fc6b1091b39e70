"""Load the medium set with all rows, as a model needs it to be trained."""

from __future__ import annotations

from pathlib import Path

from benchmarks import loading, stand_in
from benchmarks.harness import Benchmark, Goal, main


def prepare(full: Path | None) -> stand_in.Source:
    """Find or make the file; both sides' libraries are imported."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import numebot_dagster.modeling.training_data  # noqa: F401

    return stand_in.medium(full)


BENCHMARK = Benchmark(
    title="Load medium, all rows",
    prepare=prepare,
    baseline=loading.pandas_frame,
    ours=loading.training_arrays,
    goals=(Goal("1", "seconds", excellent=4, minimum=3),),
    result=loading.sample,
    pause=loading.PAUSE,
)

if __name__ == "__main__":
    main()
