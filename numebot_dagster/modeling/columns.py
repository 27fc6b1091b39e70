"""Resolve the columns that models name, and join columns by id."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl

from numebot_dagster.lake import matrix as lake_matrix

META_MODEL = "numerai_meta_model"
# Numerai's own name for the target that it pays by; which one that is may change.
BARE_TARGET = "target"
_NOT_PREDICTIONS = ("id", "era", "data_type")


class UnknownColumn(Exception):
    """A feature set, target or benchmark is not in the data."""


def feature_sets(features_json: Path) -> dict[str, list[str]]:
    """Return the feature names of each set of `features.json`."""
    sets: dict[str, list[str]] = json.loads(features_json.read_bytes())["feature_sets"]
    return sets


def resolve_features(features_json: Path, feature_set: str | Sequence[str]) -> tuple[str, ...]:
    """Return the feature names of a set of `features.json`, or the given names themselves.

    Raises:
        UnknownColumn: there is no such set or feature.
    """
    sets = feature_sets(features_json)
    if isinstance(feature_set, str):
        if feature_set not in sets:
            raise UnknownColumn(f"no feature set {feature_set!r}; there are: {', '.join(sets)}")
        return tuple(sets[feature_set])
    names_of_sets = {name for names in sets.values() for name in names}
    if unknown := [name for name in feature_set if name not in names_of_sets]:
        raise UnknownColumn(
            f"`feature_set` names features that {features_json} lacks: "
            f"{_with_nearest(unknown, names_of_sets)}"
        )
    return tuple(feature_set)


def require_targets(path: Path, targets: Sequence[str]) -> None:
    """Raise an error that a model's author understands when a training file lacks targets.

    Raises:
        UnknownColumn: naming them, with what may have been meant.
    """
    columns = lake_matrix.column_names(path)
    if unknown := [name for name in targets if name not in columns]:
        present = [name for name in columns if name.startswith(BARE_TARGET)]
        raise UnknownColumn(
            f"`targets` names columns that {path.name} lacks: {_with_nearest(unknown, present)}; "
            f"it has {', '.join(present)}"
        )


def _with_nearest(unknown: Sequence[str], names: Collection[str]) -> str:
    """Return the first unknown names, each with the most similar existing name, if any is."""
    shown = []
    for name in unknown[:10]:
        nearest = get_close_matches(name, names, n=1, cutoff=0.8)
        shown.append(f"{name} (did you mean {nearest[0]}?)" if nearest else name)
    return ", ".join(shown) + (", …" if len(unknown) > 10 else "")


def prediction_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the models that files of predictions hold a column of."""
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
    """Return a column of files keyed by id, in the order of `ids`; NaN where they lack an id.

    Args:
        ids: (rows,) str objects.
        paths: the files; one that lacks the column is passed over.
        column: its name.
        kind: what its values are made to be.
        eras: (rows,) era numbers of the ids, where they are known: of a file that names its eras
            only these are read, which of a long one is far less.
    """
    needed_eras = None if eras is None else np.unique(eras)
    values = pl.concat(
        [
            _of_eras(path, needed_eras).select("id", pl.col(column).cast(kind))
            for path in paths
            if column in lake_matrix.column_names(path)
        ]
    )
    rows = pl.LazyFrame({"id": ids}, schema={"id": pl.String})
    joined = rows.join(values, on="id", how="left", validate="m:1", maintain_order="left").collect()
    return joined[column].fill_null(float("nan")).to_numpy()


def _of_eras(path: Path, eras: np.ndarray | None) -> pl.LazyFrame:
    rows = lake_matrix.scan(path)
    if eras is None or "era" not in lake_matrix.column_names(path):
        return rows
    return rows.filter(pl.col("era").cast(pl.Int16, strict=False).is_in(eras.tolist()))
