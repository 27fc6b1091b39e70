"""Write the SQL of a view over the files of a table and the blocks into which they are rolled up.

A view of our own connections names its files, so that it reads what there was at one moment. One
for other clients names patterns, which they look up each time.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import rollups
from numebot_dagster.lake.blocks import ORIGINAL
from numebot_dagster.lake.layout import Lake, path_values
from numebot_dagster.lake.tables import Table

if TYPE_CHECKING:
    import duckdb

_TRIES = 10


@dataclass(frozen=True)
class Listing:
    """The files that a view reads.

    Attributes:
        originals: files with rows that count, the newest of a uniform table first.
        blocks: files with the rows of others.
        hidden: originals, below the root, whose rows in the blocks do not count: those that are
            read themselves. A block may have more of them by the time when it is read.
    """

    originals: Sequence[str]
    blocks: Sequence[str] = ()
    hidden: Sequence[str] = ()


def listing(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> Listing:
    """Return the files of a table as they are at one moment.

    An original that is not rewritten need not be opened where a block has it. One that may be is
    taken from its own file, which may be newer than its copy.
    """
    below: dict[str, str] = {}
    start = len(f"{lake.root.absolute()}/")
    for _ in range(_TRIES):  # until no roll-up changes the blocks between the two looks
        blocks = _files(connection, lake, table.blocks)
        originals = _files(connection, lake, table.files)
        below = {path[start:]: path for path in originals}
        if blocks and not table.is_rewritten:
            for path in rollups.in_blocks(lake, table, below):
                del below[path]
        if blocks == _files(connection, lake, table.blocks):
            break
    if table.is_uniform:  # no block of such a table is replaced
        return Listing(_newest_first(below.values()), blocks)
    return Listing([*below.values()], blocks, [*below])


def sql_of_files(table: Table, files: Listing, *, all_columns: bool = False) -> str:
    """Return the statement that makes the view over some files.

    Args:
        table: the files' table.
        files: the files.
        all_columns: whether to open each file of a uniform table for its columns.
    """
    selects = []
    if files.originals:
        is_union = all_columns or not table.is_uniform
        selects.append(_of_originals(table, _list(files.originals), union=is_union))
    hidden = f"{ORIGINAL} NOT IN ({', '.join(map(_quoted, files.hidden))})" if files.hidden else ""
    for group in _alike(table, files.blocks):
        selects.append(_of_blocks(table, _list(group), hidden))
    return _view(table, selects)


def sql_of_patterns(table: Table, lake: Lake) -> str:
    """Return the statement that makes the view for other clients, over the files that match."""
    root = lake.root.absolute()
    below = f"{glob.escape(str(root))}/"
    originals = _quoted(f"{below}{table.files}")
    selects = []
    if any(root.glob(table.files)):
        selects.append(_of_originals(table, originals, union=True))
    blocks = [str(path) for path in root.glob(table.blocks)] if table.blocks else []
    hidden = f"{_quoted(f'{root}/')} || {ORIGINAL} NOT IN (SELECT file FROM glob({originals}))"  # noqa: S608
    for group in _alike(table, blocks):
        pattern = table.blocks
        if table.is_uniform:
            pattern = f"{Path(pattern).parent}/{_columns_of(group[0])}-*.parquet"
        selects.append(_of_blocks(table, _quoted(f"{below}{pattern}"), hidden))
    return _view(table, selects)


def _files(connection: duckdb.DuckDBPyConnection, lake: Lake, pattern: str) -> list[str]:
    """Return the absolute paths that match a pattern, in order."""
    if not pattern:
        return []
    whole = f"{glob.escape(str(lake.root.absolute()))}/{pattern}"
    return sorted(path for (path,) in connection.execute("FROM glob(?)", [whole]).fetchall())


def _newest_first(paths: Iterable[str]) -> list[str]:
    """Order files by round, so that the columns of a newer version are seen."""

    def number(path: str) -> int:
        value = path_values(path)["round"] or ""
        return int(value) if value.isdecimal() else 0

    return sorted(paths, key=number, reverse=True)


def _view(table: Table, selects: Sequence[str]) -> str:
    nothing = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in table.columns.items())
    casts = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in table.columns.items())
    rows = " UNION ALL BY NAME ".join([f"SELECT {nothing} WHERE false", *selects])
    return f'CREATE OR REPLACE VIEW "{table.name}" AS SELECT * REPLACE ({casts}) FROM ({rows})'  # noqa: S608


def _of_originals(table: Table, files: str, *, union: bool) -> str:
    if table.files.endswith(".json"):
        columns = ", ".join(f"{name}: {_quoted(kind)}" for name, kind in table.columns.items())
        return f"FROM read_json({files}, columns = {{{columns}}}, hive_partitioning = false)"
    return f"FROM read_parquet({files}, union_by_name = {union}, {_hive(table, table.files)})"


def _of_blocks(table: Table, files: str, condition: str) -> str:
    """Return the rows of blocks; those of a uniform table have the same columns."""
    hidden = rollups.HIDDEN if table.files.endswith(".json") else (ORIGINAL,)
    options = f"union_by_name = {not table.is_uniform}, {_hive(table, table.blocks)}"
    rows = f"SELECT * EXCLUDE ({', '.join(hidden)}) FROM read_parquet({files}, {options})"  # noqa: S608
    return f"{rows} WHERE {condition}" if condition else rows


def _hive(table: Table, pattern: str) -> str:
    """Return how columns are read from folders: with their types, so that "007" stays text."""
    keys = [part.split("=")[0] for part in pattern.split("/") if "=" in part]
    types = ", ".join(f"'{key}': {table.columns[key]}" for key in keys if key in table.columns)
    if not types:
        return "hive_partitioning = false"
    return f"hive_partitioning = true, hive_types = {{{types}}}"


def _alike(table: Table, blocks: Sequence[str]) -> list[list[str]]:
    """Return blocks in groups that are read together: of a uniform table by their columns."""
    groups: dict[str, list[str]] = {}
    for path in blocks:
        groups.setdefault(_columns_of(path) if table.is_uniform else "", []).append(path)
    return list(groups.values())


def _columns_of(block: str) -> str:
    return Path(block).stem.partition("-")[0]


def _list(paths: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, paths))}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
