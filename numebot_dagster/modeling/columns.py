"""The columns that models name: feature sets, targets, predictions; and joining them by id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from numebot_dagster.lake import matrix as lake_matrix

META_MODEL = "numerai_meta_model"
# Numerai's own name for the target that it pays by; which one that is may change.
BARE_TARGET = "target"
_NOT_PREDICTIONS = ("id", "era", "data_type")


class UnknownColumn(Exception):
    """A feature set, target or benchmark is not in the data."""


def resolve_features(features_json: Path, feature_set: str | Sequence[str]) -> tuple[str, ...]:
    """The feature names of a set of `features.json`, or the given names themselves.

    Raises:
        UnknownColumn: there is no such set or feature.
    """
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


def prediction_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The models that files of predictions hold a column of."""
    names: dict[str, None] = {}
    for path in paths:
        names.update(dict.fromkeys(lake_matrix.column_names(path)))
    return tuple(name for name in names if name not in _NOT_PREDICTIONS)


def aligned(
    ids: np.ndarray,
    paths: Sequence[Path],
    column: str,
    kind: type[pl.Float32 | pl.Float64] = pl.Float32,
    *,
    eras: np.ndarray | None = None,
) -> np.ndarray:
    """A column of files keyed by id, in the order of `ids`; NaN where the files lack an id.

    Args:
        ids: (rows,) str objects.
        paths: the files; one that lacks the column is passed over.
        column: its name.
        kind: what its values are made to be.
        eras: (rows,) era numbers of the ids, where they are known: of a file that names its eras
            only these are read, which of a long one is far less.
    """
    wanted_eras = None if eras is None else np.unique(eras)
    found = pl.concat(
        [
            _of_eras(path, wanted_eras).select("id", pl.col(column).cast(kind))
            for path in paths
            if column in lake_matrix.column_names(path)
        ]
    )
    wanted = pl.LazyFrame({"id": ids}, schema={"id": pl.String})
    joined = wanted.join(
        found, on="id", how="left", validate="m:1", maintain_order="left"
    ).collect()
    return joined[column].fill_null(float("nan")).to_numpy()


def _of_eras(path: Path, eras: np.ndarray | None) -> pl.LazyFrame:
    rows = lake_matrix.scan(path)
    if eras is None or "era" not in lake_matrix.column_names(path):
        return rows
    return rows.filter(pl.col("era").cast(pl.Int16, strict=False).is_in(eras.tolist()))
