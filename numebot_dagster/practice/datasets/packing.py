"""Write files as Numerai's are packed, in a stream; Parquet goes on where a kill left it.

Columns of few values are stored as dictionaries with run-length and bit packing, three bits a
feature; `id` is the pandas index; row groups do not end where eras do.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Eras differ in rows, so groups cut them, and readers cannot count on whole ones. Large files have
# what pandas writes; with that, the small scale's would have one group only, which cuts nothing.
ROW_GROUP = 100_000
LARGE_ROW_GROUP = 1_048_576
# Eras that are made, kept and read back together: 200 MB of memory at the full scale. Joining the
# parts takes more: a whole row group is held, 4 GB.
ERAS_A_PART = 8
COLUMNS_AT_ONCE = 128

# Columns of the rows of one era by name, in file order; a text stands for all rows.
Columns = dict[str, "np.ndarray | str"]


@dataclass(frozen=True)
class Block:
    """The rows of one era."""

    ids: np.ndarray
    columns: Columns


@dataclass(frozen=True)
class Part:
    """Consecutive eras; `key` changes exactly when their bytes do."""

    key: str
    eras: int
    blocks: Callable[[], Iterator[Block]]


@dataclass(frozen=True)
class Making:
    """How a file is made.

    Attributes:
        progress: Called with the eras that are done and all of them.
        guard: Entered while an era is computed, and left while it is written.
        parts: Where finished parts are kept until the file is whole; None to begin again after
            a kill.
        keep_parts: Whether to keep them afterwards, for a file that will grow.
    """

    progress: Callable[[int, int], None] = lambda done, total: None
    guard: AbstractContextManager[Any] = field(default_factory=nullcontext)
    parts: Path | None = None
    keep_parts: bool = False


def write_parts(path: Path, parts: list[Part], making: Making) -> None:
    """Write the parts as one file, taking those that are kept already as they are."""
    total, done = sum(part.eras for part in parts), 0

    def count(blocks: Iterator[Block]) -> Iterator[pa.Table]:
        nonlocal done
        for table in _computed(blocks, making.guard):
            yield table
            done += 1
            making.progress(done, total)

    if making.parts is None:
        _write(path, (table for part in parts for table in count(part.blocks())))
        return
    making.parts.mkdir(parents=True, exist_ok=True)
    kept = [making.parts / f"{part.key}.parquet" for part in parts]
    for part, file in zip(parts, kept, strict=True):
        if file.exists():
            done += part.eras
            making.progress(done, total)
            continue
        temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}.part")
        _write(temporary, count(part.blocks()))
        temporary.replace(file)
    _write(path, map(_read, kept), LARGE_ROW_GROUP)
    for file in making.parts.glob("*.parquet"):
        if not making.keep_parts or file not in kept:
            file.unlink()


def write_csv(path: Path, parts: list[Part], making: Making) -> None:
    """Write the parts as text, as pandas would: the id first; a killed one begins again."""
    total, done = sum(part.eras for part in parts), 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for part in parts:
            for table in _computed(part.blocks(), making.guard):
                table.to_pandas().to_csv(file, header=done == 0)
                done += 1
                making.progress(done, total)


def _computed(blocks: Iterator[Block], guard: AbstractContextManager[Any]) -> Iterator[pa.Table]:
    """Yield blocks as tables, each made under the guard and handed out without it."""
    while True:
        with guard:
            block = next(blocks, None)
            table = None if block is None else _table(block)
        if table is None:
            return
        yield table


def _write(path: Path, tables: Iterable[pa.Table], row_group: int = ROW_GROUP) -> None:
    """Write tables as one in row groups of a fixed size.

    The compression is pandas' own choice. Zstandard would make the packed bins a tenth smaller, but
    the real validation file, as published, is as large as bins without any compression.
    """
    writer: pq.ParquetWriter | None = None
    try:
        for group in _regrouped(tables, row_group):
            writer = writer or pq.ParquetWriter(
                path,
                group.schema,
                compression="snappy",
                use_dictionary=[name for name in group.column_names if name != "id"],
            )
            writer.write_table(group, row_group_size=row_group)
            del group  # a large one has gigabytes, and the next one is gathered now
        if writer is None:
            raise ValueError(f"{path.name} would have no eras yet: ask for a later date.")
    finally:
        if writer is not None:
            writer.close()


def _regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of equal size; the last one has what is left."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(part.num_rows for part in waiting) >= rows:
            joined = pa.concat_tables(waiting)
            waiting = [joined.slice(rows)]
            yield joined.slice(0, rows)
            del joined
    if sum(part.num_rows for part in waiting):
        yield pa.concat_tables(waiting)


def _read(path: Path) -> pa.Table:
    """Read a part a few columns at a time: each open column costs half a megabyte."""
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        blocks = [
            file.read(names[start : start + COLUMNS_AT_ONCE])
            for start in range(0, len(names), COLUMNS_AT_ONCE)
        ]
        columns = [column for block in blocks for column in block.columns]
        return pa.table(columns, schema=file.schema_arrow)


def _table(block: Block) -> pa.Table:
    rows = len(block.ids)
    columns = {
        name: pa.repeat(values, rows) if isinstance(values, str) else pa.array(values)
        for name, values in block.columns.items()
    }
    table = pa.table({**columns, "id": pa.array(block.ids)})
    return table.replace_schema_metadata({"pandas": json.dumps(_pandas_metadata(table.schema))})


def _pandas_metadata(schema: pa.Schema) -> dict[str, object]:
    """Describe to pandas that `id` is the index, as DataFrame.to_parquet would."""
    kinds = {pa.string(): ("unicode", "object")}
    columns = []
    for column in schema:
        pandas_type, numpy_type = kinds.get(column.type, (str(column.type), str(column.type)))
        columns.append(
            {
                "name": column.name,
                "field_name": column.name,
                "pandas_type": pandas_type,
                "numpy_type": numpy_type,
                "metadata": None,
            }
        )
    return {"index_columns": ["id"], "column_indexes": [], "columns": columns}
