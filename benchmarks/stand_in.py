"""Give the loading benchmarks training files: full-size ones that exist, or smaller stand-ins.

The stand-ins have the shape of v5.3: five values a feature, packed as dictionaries at three bits a
value; `id` is the index of pandas; 4,800 rows an era; eras do not end where row groups do.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Enough that reading takes whole seconds, and few enough for a laptop with 16 GB, though the
# baseline needs twice the matrix.
MEDIUM_FEATURES, MEDIUM_ROWS = 780, 1_000_000
ALL_FEATURES, ALL_ROWS = 3_555, 600_000
ROW_GROUP = 250_000
ROWS_AN_ERA = 4_800


@dataclass(frozen=True)
class Source:
    """A file, and the features of a set that are to be read from it."""

    path: Path
    features: tuple[str, ...]


def medium(full: Path | None) -> Source:
    """Find the medium set of the file in the folder `full`, or of a stand-in."""
    if full is not None:
        return find(full, "medium")
    return _made(MEDIUM_FEATURES, MEDIUM_ROWS)


def all_features(full: Path | None) -> Source:
    """Return all features of the file in the folder `full`, or of a stand-in."""
    if full is not None:
        return find(full, "all")
    return _made(ALL_FEATURES, ALL_ROWS)


def find(folder: Path, feature_set: str) -> Source:
    """Find the newest `train.parquet` and `features.json` somewhere under a folder.

    It may be a participant's data folder, or that of a practice tournament.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    newest = {}
    for name in ("train.parquet", "features.json"):
        paths = sorted(folder.rglob(name), key=lambda path: path.stat().st_mtime)
        if not paths:
            raise FileNotFoundError(
                f"there is no {name} under {folder}: make one with "
                "`numebot practice serve --scale full`, or leave --full out"
            )
        newest[name] = paths[-1]
    sets = json.loads(newest["features.json"].read_text())["feature_sets"]
    return Source(newest["train.parquet"], tuple(sets[feature_set]))


def write(path: Path, features: int, rows: int, row_group: int = ROW_GROUP) -> None:
    """Write a training file of random bins, one row group at a time."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    random = np.random.default_rng(features)
    writer = None
    for first in range(0, rows, row_group):
        table = _rows(random, features, range(first, min(first + row_group, rows)))
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, use_dictionary=table.column_names[:-1])
        writer.write_table(table, row_group_size=row_group)
        pa.default_memory_pool().release_unused()
    if writer is not None:
        writer.close()


def names(features: int) -> tuple[str, ...]:
    """Return the names of a stand-in's features."""
    return tuple(f"feature_{number:04d}" for number in range(features))


def _made(features: int, rows: int) -> Source:
    """Return the stand-in, made once and kept in the folder for temporary files."""
    folder = Path(tempfile.gettempdir(), "numebot-benchmarks")
    path = folder / f"train_{features}x{rows}.parquet"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".part")
        write(unfinished, features, rows)
        unfinished.replace(path)
    return Source(path, names(features))


def _rows(random: np.random.Generator, features: int, rows: range) -> Any:
    import pyarrow as pa

    numbers = np.arange(rows.start, rows.stop)
    targets = np.array([0, 0.25, 0.5, 0.75, 1], dtype=np.float32)
    columns = {
        "era": pa.array([f"{era:04d}" for era in numbers // ROWS_AN_ERA + 1]),
        "target": pa.array(random.choice(targets, len(rows), p=[0.05, 0.2, 0.5, 0.2, 0.05])),
    }
    for name in names(features):
        columns[name] = pa.array(random.integers(0, 5, len(rows), dtype=np.int8))
    columns["id"] = pa.array([f"n{number:015x}" for number in numbers])
    identifier = {
        "name": "id",
        "field_name": "id",
        "pandas_type": "unicode",
        "numpy_type": "object",
        "metadata": None,
    }
    index = {"index_columns": ["id"], "columns": [identifier], "column_indexes": []}
    return pa.table(columns).replace_schema_metadata({"pandas": json.dumps(index)})
