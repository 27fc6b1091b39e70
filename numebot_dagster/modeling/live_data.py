"""Hold what a model predicts on: the rows of a round, with nothing that is not known yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from numebot_dagster.lake import matrix as lake_matrix
from numebot_dagster.modeling.columns import UnknownColumn, aligned, prediction_names
from numebot_dagster.modeling.feature_matrix import feature_matrix

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LiveData:
    """The rows to predict: one era, in the order of the live file.

    It never holds the meta model, which is not known until the round has closed.

    Attributes:
        ids: (rows,) str objects.
        features: names of the matrix's columns, in the order in which the model was trained.
        matrix: (rows, features) int8, column-major, read-only: it is shared between models;
            `data.matrix()` is the same.
        benchmarks: (rows,) float32 predictions of each benchmark model by its name.
        inputs: (rows,) float64 predictions of each model that the registry names as an input.
    """

    ids: np.ndarray
    features: tuple[str, ...]
    matrix: np.ndarray
    benchmarks: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", feature_matrix(self.matrix))

    def __len__(self) -> int:
        return len(self.ids)

    def to_pandas(self) -> pd.DataFrame:
        """Return the features as a pandas table with the ids as its index; a copy of the matrix."""
        import pandas as pd

        index = pd.Index(self.ids, name="id")
        return pd.DataFrame(self.matrix.copy(order="F"), index=index, columns=list(self.features))


def read_live(live: Path, features: Sequence[str], benchmarks: Path | None = None) -> LiveData:
    """Read a round's live data, without inputs.

    Raises:
        MissingColumns: the live file lacks a feature.
    """
    rows = lake_matrix.select_rows(live)
    matrix = lake_matrix.fill_matrix([rows], features)
    matrix.setflags(write=False)
    ids = lake_matrix.read_ids(rows)
    return LiveData(
        ids=ids,
        features=tuple(features),
        matrix=matrix,
        benchmarks={
            name: aligned(ids, [path], name)
            for path in ([benchmarks] if benchmarks else [])
            for name in prediction_names([path])
        },
    )


def read_inputs(ids: np.ndarray, files: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Return the predictions of a model's inputs, (rows,) float64 each, in the order of the ids.

    Raises:
        UnknownColumn: an input lacks predictions for some of the ids.
    """
    inputs = {name: aligned(ids, [path], "prediction", pl.Float64) for name, path in files.items()}
    for name, predictions in inputs.items():
        if missing := int(np.isnan(predictions).sum()):
            raise UnknownColumn(
                f"the predictions of input {name} lack {missing} of {len(ids)} live ids"
            )
    return inputs
