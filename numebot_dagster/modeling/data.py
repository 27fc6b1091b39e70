"""What a model sees: matrices of just the columns that it named, read when it asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from numebot_dagster.lake import matrix as lake_matrix
from numebot_dagster.lake.matrix import RowSelection

if TYPE_CHECKING:
    import pandas as pd

META_MODEL = "numerai_meta_model"
_NOT_PREDICTIONS = ("id", "era", "data_type")


class LookAhead(Exception):
    """A model asked for something that it will not have when it predicts."""


class UnknownColumn(Exception):
    """A feature set, target or benchmark is not in the data."""


@dataclass(frozen=True)
class TrainingFiles:
    """The files of one vintage, all of the same data version.

    Attributes:
        features: `features.json`.
        train: `train.parquet`.
        validation: `validation.parquet`; needed only by models that train on `all`.
        benchmarks: the benchmark models' predictions, one file for train, one for validation.
        meta_model: `meta_model.parquet`.
    """

    features: Path
    train: Path
    validation: Path | None = None
    benchmarks: tuple[Path, ...] = ()
    meta_model: Path | None = None


class TrainingData:
    """The labelled rows of a vintage: those where every one of the model's targets has a value.

    Rows are labelled by that alone, never by `data_type`, in the order of the files: era by era,
    train before validation. All arrays have one entry per row and fit each other; nothing is read
    before it is asked for.

    **Look-ahead.** A target looks 20 or 60 business days ahead, so an era overlaps with the next
    four or twelve. Whoever validates on these rows must drop ("purge") at least 8 eras for a 20-day
    and 16 for a 60-day target between what is trained on and what is judged; without that, the
    judgement is too good to be true.

    Attributes:
        features: names of the matrix's columns.
        targets: names of the model's targets.
    """

    def __init__(
        self,
        files: TrainingFiles,
        features: Sequence[str],
        targets: Sequence[str],
        train_on: Literal["train", "all"] = "train",
    ) -> None:
        """Opens a vintage for one model; see `NumeraiModel` for the meaning of the arguments."""
        paths = [files.train]
        if train_on == "all":
            if files.validation is None:
                raise UnknownColumn('this model trains on "all", but the vintage has no validation')
            paths.append(files.validation)
        self._files = files
        self.features = tuple(features)
        self.targets = tuple(targets)
        self._rows: list[RowSelection] = [
            lake_matrix.select_rows(path, labelled=self.targets) for path in paths
        ]

    def __len__(self) -> int:
        return sum(map(len, self._rows))

    def every(self, eras: int) -> TrainingData:
        """The same data thinned to the first of every so many eras.

        Neighbouring eras share most of their targets' days, so one in four loses little.
        """
        numbers = np.unique(self.eras)[::eras]
        return self._picked([np.flatnonzero(np.isin(rows.eras, numbers)) for rows in self._rows])

    def pick(self, positions: np.ndarray) -> TrainingData:
        """The same data with some of its rows, given by their ascending positions."""
        firsts = np.cumsum([0, *map(len, self._rows)])
        return self._picked(
            [
                positions[(positions >= first) & (positions < first + len(rows))] - first
                for first, rows in zip(firsts, self._rows, strict=False)
            ]
        )

    def matrix(self) -> np.ndarray:
        """(rows, features) int8, column-major, values 0 to 4; read anew at each call."""
        return lake_matrix.fill_matrix(self._rows, self.features)

    @cached_property
    def eras(self) -> np.ndarray:
        """(rows,) int16 era numbers: 1 for era "0001"."""
        return np.concatenate([rows.eras for rows in self._rows])

    @cached_property
    def ids(self) -> np.ndarray:
        """(rows,) str objects."""
        return np.concatenate([lake_matrix.read_ids(rows) for rows in self._rows])

    def target(self, name: str | None = None) -> np.ndarray:
        """(rows,) float32 labels between 0 and 1.

        Args:
            name: one of the model's targets; the first one by default.

        Raises:
            UnknownColumn: the model did not declare that target.
        """
        name = self.targets[0] if name is None else name
        if name not in self.targets:
            raise UnknownColumn(
                f"target {name!r} is not among the targets that the model declares: "
                f"{', '.join(self.targets)}. Add it to the class attribute `targets`."
            )
        return self._column(name).cast(pl.Float32).to_numpy()

    @cached_property
    def benchmark_names(self) -> tuple[str, ...]:
        """The benchmark models that the vintage holds predictions of."""
        names: dict[str, None] = {}
        for path in self._files.benchmarks:
            names.update(dict.fromkeys(lake_matrix.column_names(path)))
        return tuple(name for name in names if name not in _NOT_PREDICTIONS)

    def benchmark(self, name: str) -> np.ndarray:
        """(rows,) float32 walk-forward predictions of a benchmark model; NaN where it has none.

        Raises:
            LookAhead: the meta model was asked for, which is not known before a round closes.
            UnknownColumn: there is no such benchmark model.
        """
        if name == META_MODEL:
            raise LookAhead(
                "the meta model is not known until a round has closed, so no model may learn from "
                "it; `meta_model` holds it for scoring"
            )
        if name not in self.benchmark_names:
            raise UnknownColumn(
                f"no benchmark model {name!r}; there are: {', '.join(self.benchmark_names)}"
            )
        return _aligned(self.ids, self._files.benchmarks, name)

    @property
    def meta_model(self) -> np.ndarray:
        """(rows,) float32 meta model, NaN where there is none: for scoring, never for learning.

        Raises:
            UnknownColumn: the vintage holds no meta model.
        """
        if self._files.meta_model is None:
            raise UnknownColumn("the vintage holds no meta model file")
        return _aligned(self.ids, [self._files.meta_model], META_MODEL)

    def what_target_is(self) -> str | None:
        """The named target whose values the bare `target` repeats, found by comparing the columns.

        Numerai has pointed `target` to another one within a data version.

        Returns:
            For example `target_ender_60`; None when no column equals it.
        """
        paths = [rows.path for rows in self._rows]
        names = [name for name in lake_matrix.column_names(paths[0]) if name.startswith("target_")]
        for name in names:
            same = pl.col(name).eq_missing(pl.col("target")).all()
            if all(lake_matrix.scan(path).select(same).collect().item() for path in paths):
                return name
        return None

    def _column(self, name: str) -> pl.Series:
        return pl.concat([lake_matrix.read_rows(rows, [name]) for rows in self._rows])[name]

    def _picked(self, positions: list[np.ndarray]) -> TrainingData:
        picked = object.__new__(TrainingData)
        picked._files = self._files
        picked.features, picked.targets = self.features, self.targets
        picked._rows = [rows.pick(kept) for rows, kept in zip(self._rows, positions, strict=True)]
        return picked


@dataclass(frozen=True)
class LiveData:
    """The rows to predict: one era, in the order of the live file.

    It never holds the meta model, which is not known until the round has closed.

    Attributes:
        ids: (rows,) str objects.
        features: names of the matrix's columns, in the order in which the model was trained.
        matrix: (rows, features) int8, column-major, read-only: it is shared between models.
        benchmarks: (rows,) float32 predictions of each benchmark model by its name.
        inputs: (rows,) float64 predictions of each model that the registry names as an input.
    """

    ids: np.ndarray
    features: tuple[str, ...]
    matrix: np.ndarray
    benchmarks: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def to_pandas(self) -> pd.DataFrame:
        """The features as a pandas table with the ids as its index; a copy of the matrix."""
        import pandas as pd

        index = pd.Index(self.ids, name="id")
        return pd.DataFrame(self.matrix.copy(order="F"), index=index, columns=list(self.features))


def read_live(
    live: Path,
    features: Sequence[str],
    benchmarks: Path | None = None,
) -> LiveData:
    """Reads a round's live data, without inputs.

    Args:
        live: the round's `live.parquet`.
        features: what the model was trained on, in that order.
        benchmarks: the round's `live_benchmark_models.parquet`.

    Raises:
        MissingColumns: the live file lacks a feature.
    """
    rows = lake_matrix.read_matrix(live, features)
    rows.matrix.setflags(write=False)
    return LiveData(
        ids=rows.ids,
        features=rows.features,
        matrix=rows.matrix,
        benchmarks={
            name: _aligned(rows.ids, [path], name)
            for path in ([benchmarks] if benchmarks else [])
            for name in lake_matrix.column_names(path)
            if name not in _NOT_PREDICTIONS
        },
    )


def read_inputs(ids: np.ndarray, files: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Predictions of a second-order model's inputs, (rows,) float64 each, in the order of the ids.

    Args:
        ids: of the live rows.
        files: the predictions files (`id`, `prediction`) by the inputs' names.

    Raises:
        UnknownColumn: an input lacks predictions for some of the ids.
    """
    inputs = {name: _aligned(ids, [path], "prediction", pl.Float64) for name, path in files.items()}
    for name, predictions in inputs.items():
        if missing := int(np.isnan(predictions).sum()):
            raise UnknownColumn(
                f"the predictions of input {name} lack {missing} of {len(ids)} live ids"
            )
    return inputs


def resolve_features(features_json: Path, feature_set: str | Sequence[str]) -> tuple[str, ...]:
    """The feature names of a set of `features.json`, or the given names themselves.

    Raises:
        UnknownColumn: there is no such set or feature.
    """
    import json

    content: dict[str, Any] = json.loads(features_json.read_text())
    sets: dict[str, list[str]] = content["feature_sets"]
    if isinstance(feature_set, str):
        if feature_set not in sets:
            raise UnknownColumn(f"no feature set {feature_set!r}; there are: {', '.join(sets)}")
        return tuple(sets[feature_set])
    known = {name for names in sets.values() for name in names}
    if unknown := [name for name in feature_set if name not in known]:
        raise UnknownColumn(f"not among the features of {features_json}: {', '.join(unknown[:10])}")
    return tuple(feature_set)


def _aligned(
    ids: np.ndarray,
    paths: Sequence[Path],
    column: str,
    kind: type[pl.Float32 | pl.Float64] = pl.Float32,
) -> np.ndarray:
    """A column of files keyed by id, in the order of `ids`; NaN where the files lack an id."""
    found = pl.concat(
        [
            lake_matrix.scan(path).select("id", pl.col(column).cast(kind))
            for path in paths
            if column in lake_matrix.column_names(path)
        ]
    )
    wanted = pl.LazyFrame({"id": ids}, schema={"id": pl.String})
    joined = wanted.join(
        found, on="id", how="left", validate="m:1", maintain_order="left"
    ).collect()
    return joined[column].fill_null(float("nan")).to_numpy()
