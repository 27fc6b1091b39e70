"""The canary: training rows whose predictions are kept, to be repeated before each round.

When they come out otherwise than when the weights were made, then the code, a library or a file has
changed, and what is predicted for the live rows is not what was judged.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.comparison import Comparison, compare
from numebot_dagster.modeling.data import TrainingData
from numebot_dagster.modeling.live import LiveData

ROWS = 500
_BENCHMARK = "benchmark:"
_INPUT = "input:"
_PREDICTION = "prediction"


def choose_rows(data: TrainingData, inputs: tuple[str, ...]) -> LiveData:
    """Takes training rows, spread evenly over the eras, in the shape of live data.

    Causal predictions of a model's inputs do not exist for training rows. Reproducible random
    numbers in (0, 1) take their place: to see whether a model still does the same they are as good.
    """
    positions = np.unique(np.linspace(0, len(data) - 1, ROWS).round().astype(np.int64))
    picked = data.pick(positions)
    random = np.random.default_rng(0)
    return LiveData(
        ids=picked.ids,
        features=picked.features,
        matrix=picked.matrix(),
        benchmarks={name: picked.benchmark(name) for name in picked.benchmark_names},
        inputs={name: random.uniform(size=len(picked)) for name in inputs},
    )


def write(path: Path, rows: LiveData, predictions: np.ndarray) -> None:
    """Stores the rows with what was predicted for them."""
    columns: dict[str, np.ndarray] = {"id": rows.ids, _PREDICTION: predictions}
    columns |= {_BENCHMARK + name: values for name, values in rows.benchmarks.items()}
    columns |= {_INPUT + name: values for name, values in rows.inputs.items()}
    columns |= {name: rows.matrix[:, index] for index, name in enumerate(rows.features)}
    parquet.write(path, pl.DataFrame(columns, schema_overrides={"id": pl.String}))


def read(path: Path, features: tuple[str, ...]) -> tuple[LiveData, np.ndarray]:
    """The stored rows, and (rows,) float64 what was predicted for them."""
    frame = parquet.read(path)

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {
            name.removeprefix(prefix): frame[name].to_numpy()
            for name in frame.columns
            if name.startswith(prefix)
        }

    rows = LiveData(
        ids=frame["id"].to_numpy(),
        features=features,
        matrix=frame.select(features).to_numpy(order="fortran"),
        benchmarks=group(_BENCHMARK),
        inputs=group(_INPUT),
    )
    return rows, frame[_PREDICTION].to_numpy()


def repeat(
    path: Path, features: tuple[str, ...], predict: Callable[[LiveData], np.ndarray]
) -> Comparison:
    """Predict the stored rows again and compare."""
    rows, expected = read(path, features)
    return compare(expected, predict(rows))
