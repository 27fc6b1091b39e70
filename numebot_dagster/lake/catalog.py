"""Query the lake by SQL: DuckDB views over its files.

A view has its columns, with their types, even when none of its files exists yet; a column that a
newer writer added is kept behind them.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from numebot_dagster.lake import files
from numebot_dagster.lake.damaged import set_aside
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.tables import TABLES, Table

if TYPE_CHECKING:
    import duckdb
    import polars

T = TypeVar("T")

# The newest event is the state, but an attempt of which Numerai has said nothing hides no accepted
# or confirmed submission. Events of one instant are ordered by how far they got.
_LATEST_RECEIPTS = """
CREATE OR REPLACE VIEW submissions AS
WITH standing AS (
    SELECT *, max_by(state, recorded_at) FILTER (state <> 'pending')
        OVER (PARTITION BY model, "round") IN ('accepted', 'confirmed') AS is_held
    FROM receipts
)
SELECT * EXCLUDE (is_held) FROM standing
QUALIFY row_number() OVER (
    PARTITION BY model, "round"
    ORDER BY state = 'pending' AND coalesce(is_held, false), recorded_at DESC,
        confirmed_at DESC NULLS LAST, accepted_at DESC NULLS LAST, submitted_at DESC NULLS LAST
) = 1
"""

VIEWS = {
    **{table.name: table.row for table in TABLES},
    "submissions": "the present state of a model's submission to a round",
}
"""What one row of each view is, by its name."""

_QUERY = re.compile(r"\s*(select|from|with)\b", re.IGNORECASE)
# By these a query may read what views there are without naming one.
_LISTING = re.compile(
    r"\b(show|describe|pragma\w*|information_schema|(duckdb|pg|sqlite)_\w+)\b|[;(]\s*desc\b",
    re.IGNORECASE,
)


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB connection with all views over the files of the lake."""
    import duckdb

    connection = duckdb.connect()
    _create_views(connection, lake)
    return connection


def query(lake: Lake, sql: str, parameters: Sequence[object] = ()) -> polars.DataFrame:
    """Return the answer of one SQL query over the views.

    A damaged file, which makes every query over its view fail, is set aside.
    """

    def as_frame(answer: duckdb.DuckDBPyRelation | None) -> polars.DataFrame:
        if answer is None:
            raise ValueError(f"no query: {sql}")
        return answer.pl()

    return run(lake, sql, as_frame, parameters)


def run(
    lake: Lake,
    sql: str,
    use: Callable[[duckdb.DuckDBPyRelation | None], T],
    parameters: Sequence[object] = (),
) -> T:
    """Run one SQL statement over the views, and return what `use` makes of its answer.

    Args:
        lake: whose views they are.
        sql: the statement.
        use: is given the relation, or None when the statement has no answer; may be called twice.
        parameters: the values of the statement's question marks.
    """
    import duckdb

    def attempt(views: Container[str]) -> T:
        with duckdb.connect() as connection:
            _create_views(connection, lake, views)
            return use(connection.sql(sql, params=list(parameters)) if sql.strip() else None)

    try:
        return attempt(_views_of(sql))
    except duckdb.CatalogException:
        return attempt(VIEWS)  # whose message names what was probably meant
    except (
        duckdb.IOException,
        duckdb.InvalidInputException,
        duckdb.SerializationException,
        duckdb.InternalException,
    ) as error:
        is_of_query = "No files found" in str(error)
        if is_of_query or not set_damaged_aside(lake):
            raise
        return attempt(VIEWS)


def set_damaged_aside(lake: Lake) -> list[Path]:
    """Set aside every file of the views that DuckDB cannot read; return what they are called now.

    Each file is read, which takes a while: for when a query has failed.
    """
    import duckdb

    aside = []
    root = lake.root.absolute()
    with duckdb.connect() as connection:
        for table in TABLES:
            for path in sorted(root.glob(table.files)):
                try:
                    of_this_file = replace(table, files=str(path.relative_to(root)))
                    connection.execute(_view_sql(of_this_file, root))
                    connection.execute(f'FROM "{table.name}"').fetchall()
                except duckdb.Error as error:
                    if not os.access(path, os.R_OK, effective_ids=True):
                        continue  # a refusal of the operating system is no damage
                    aside.append(set_aside(path, error))
    return [path for path in aside if path is not None]


def rebuild(lake: Lake) -> Path:
    """Write `numebot.duckdb` anew, with the same views by absolute path, for other clients.

    A client that has the old file open keeps it until it opens the file again.
    """
    import duckdb

    with files.writing(lake.catalog_file) as temporary:
        with duckdb.connect(str(temporary)) as connection:
            _create_views(connection, lake)
            connection.execute("CHECKPOINT")
        # Nothing is left in the write-ahead log, whose name would not follow the rename.
        Path(f"{temporary}.wal").unlink(missing_ok=True)
    return lake.catalog_file


def _views_of(sql: str) -> Container[str]:
    """Return the views that a statement may read; to make one costs a look at each of its files."""
    if not _QUERY.match(sql) or _LISTING.search(sql):
        return VIEWS
    text = sql.casefold()
    return {name for name in VIEWS if name in text}


def _create_views(
    connection: duckdb.DuckDBPyConnection, lake: Lake, views: Container[str] = VIEWS
) -> None:
    """Make views; a file whose columns cannot be read would leave none of them."""
    import duckdb

    try:
        _create_views_once(connection, lake, views)
    except duckdb.Error:
        if not set_damaged_aside(lake):
            raise
        _create_views_once(connection, lake, views)


def _create_views_once(
    connection: duckdb.DuckDBPyConnection, lake: Lake, views: Container[str]
) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    for table in TABLES:
        if table.name in views or (table.name == "receipts" and "submissions" in views):
            connection.execute(_view_sql(table, lake.root.absolute()))
    if "submissions" in views:
        connection.execute(_LATEST_RECEIPTS)


def _view_sql(table: Table, root: Path) -> str:
    nothing = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in table.columns.items())
    casts = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in table.columns.items())
    rows = f"SELECT {nothing} WHERE false"
    if any(root.glob(table.files)):
        rows += f" UNION ALL BY NAME SELECT * FROM {_reader(table, root)}"  # noqa: S608
    return f'CREATE OR REPLACE VIEW "{table.name}" AS SELECT * REPLACE ({casts}) FROM ({rows})'  # noqa: S608


def _reader(table: Table, root: Path) -> str:
    pattern = _quoted(f"{glob.escape(str(root))}/{table.files}")
    if table.files.endswith(".json"):
        columns = ", ".join(f"{name}: {_quoted(kind)}" for name, kind in table.columns.items())
        return f"read_json({pattern}, columns = {{{columns}}}, hive_partitioning = false)"
    # Types of the folder names are given, so that a model called "007" stays text.
    keys = [part.split("=")[0] for part in table.files.split("/") if "=" in part]
    types = ", ".join(f"'{key}': {table.columns[key]}" for key in keys)
    return (
        f"read_parquet({pattern}, union_by_name = true, hive_partitioning = true, "
        f"hive_types = {{{types}}})"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
