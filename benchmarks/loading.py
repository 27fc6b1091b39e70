"""Share the ways to read, and the comparison of their results, among the loading benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.stand_in import Source

EVERY = 4
# A Linux guest hands free memory back to its host after two seconds.
PAUSE = 2.5


def pandas_frame(source: Source) -> Any:
    """Call `pandas.read_parquet`, as in Numerai's example notebooks."""
    import pandas as pd

    return pd.read_parquet(source.path, columns=["era", "target", *source.features])


def pandas_thinned(source: Source) -> Any:
    """Call `pandas.read_parquet`, then every 4th era, as in Numerai's example notebooks."""
    frame = pandas_frame(source)
    return frame[frame["era"].isin(frame["era"].unique()[::EVERY])]


def polars_matrix(source: Source) -> np.ndarray:
    """Call `polars.read_parquet` of the features, then `to_numpy`."""
    import polars as pl

    return pl.read_parquet(source.path, columns=list(source.features)).to_numpy()


def training_arrays(source: Source, every: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what a model is given: features, target and eras."""
    from numebot_dagster.modeling.training_data import TrainingData, TrainingFiles

    files = TrainingFiles(features=source.path, train=source.path)
    data = TrainingData(files, source.features, ("target",))
    if every > 1:
        data = data.every(every)
    return data.matrix(), data.target(), data.eras


def sample(returned: Any) -> np.ndarray:
    """Return some rows of the features and the target, whatever way they were read."""
    if isinstance(returned, np.ndarray):
        return returned[::997]
    if isinstance(returned, tuple):
        matrix, target, eras = (array[::997] for array in returned)
        return np.column_stack([eras, target, matrix])
    rows = returned.iloc[::997]
    return rows.assign(era=rows["era"].astype("int16")).to_numpy(dtype=np.float64)
