"""Keep the canary: training rows with their predictions, to be repeated before each round.

When they differ from those of the training, the code, a library or a file has changed, and what is
predicted for the live rows is not what was judged.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.live_data import LiveData
from numebot_dagster.modeling.training_data import TrainingData
from numebot_dagster.modeling.weights.comparison import Comparison, compare
from numebot_dagster.modeling.weights.structure import Structure, compare_structure

ROWS = 500
_BENCHMARK = "benchmark:"
_INPUT = "input:"
_PREDICTION = "prediction"
_TYPE = "prediction_type"  # such as float32, the same in each row


def choose_rows(data: TrainingData, inputs: tuple[str, ...]) -> LiveData:
    """Choose training rows, spread evenly over the eras, in the shape of live data.

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
    """Store the rows with what was predicted for them, and the type that the model returned."""
    columns: dict[str, np.ndarray] = {"id": rows.ids, _PREDICTION: predictions.astype(np.float64)}
    columns |= {_BENCHMARK + name: values for name, values in rows.benchmarks.items()}
    columns |= {_INPUT + name: values for name, values in rows.inputs.items()}
    columns |= {name: rows.matrix[:, index] for index, name in enumerate(rows.features)}
    frame = pl.DataFrame(columns, schema_overrides={"id": pl.String})
    parquet.write(path, frame.with_columns(pl.lit(predictions.dtype.name).alias(_TYPE)))


def read(path: Path, features: tuple[str, ...]) -> tuple[LiveData, np.ndarray]:
    """Return the stored rows, and (rows,) what was predicted for them, in its own type.

    That is float64 where the type is not known, because the rows were stored before it was kept.
    """
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
    kind = frame[_TYPE][0] if _TYPE in frame.columns else "float64"
    return rows, frame[_PREDICTION].to_numpy().astype(kind)


def repeat(
    path: Path, features: tuple[str, ...], predict: Callable[[LiveData], np.ndarray]
) -> Comparison:
    """Predict the stored rows again and compare."""
    rows, expected = read(path, features)
    return compare(expected, predict(rows))


def structure_of(path: Path, live: LiveData) -> Structure:
    """Compare how features go together in the stored rows and in those of a round."""
    rows, _ = read(path, live.features)
    return compare_structure(rows.matrix, live.matrix)
