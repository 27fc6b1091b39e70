"""Query the lake by SQL: DuckDB views over its files.

A view has its columns, with their types, even when none of its files exists yet; a column that a
newer writer added is kept behind them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Container, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from numebot_dagster.lake import files, views
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.tables import SUBMISSIONS, TABLES, Table
from numebot_dagster.lake.views import Listing

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

# A score has the name under which it is shown, if it has one.
_PAID_METRICS = """
CREATE OR REPLACE VIEW paid_metrics AS
WITH configs AS (
    SELECT "round", unnest(from_json(score_configs, '["JSON"]')) AS config
    FROM rounds WHERE json_valid(score_configs)
)
SELECT "round", coalesce(config->>'display_name', config->>'name') AS metric,
    try_cast(config->>'default_multiplier' AS DOUBLE) AS multiplier,
    try_cast(config->>'clip_threshold' AS DOUBLE) AS clip,
    try_cast(config->>'total_score_days' AS BIGINT) AS days
FROM configs WHERE try_cast(config->>'is_payout' AS BOOLEAN)
"""

_DERIVED = {
    "submissions": ("receipts", _LATEST_RECEIPTS),
    "paid_metrics": ("rounds", _PAID_METRICS),
}
"""Views over another one: its name, and the statement."""

VIEWS = {
    **{table.name: table.row for table in TABLES},
    SUBMISSIONS.name: SUBMISSIONS.row,
    "paid_metrics": "a score that a round pays by: its multiplier, clip and scoring days",
}
"""What one row of each view is, by its name."""

_QUERY = re.compile(r"\s*(select|from|with)\b", re.IGNORECASE)
# By these a query may read what views there are without naming one.
_LISTING = re.compile(
    r"\b(show|describe|pragma\w*|information_schema|(duckdb|pg|sqlite)_\w+)\b|[;(]\s*desc\b",
    re.IGNORECASE,
)


_ATTEMPTS = 10
_DIFFERENT_COLUMNS = "schema mismatch"


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
        use: is given the relation, or None when the statement has no answer; may be called again.
        parameters: the values of the statement's question marks.
    """
    import duckdb

    def attempt(names: Container[str], *, all_columns: bool) -> T:
        with duckdb.connect() as connection:
            _create_views(connection, lake, names, all_columns=all_columns)
            return use(connection.sql(sql, params=list(parameters)) if sql.strip() else None)

    names, all_columns = _views_of(sql), False
    for left in reversed(range(_ATTEMPTS)):
        try:
            return attempt(names, all_columns=all_columns)
        except duckdb.CatalogException:
            if names is VIEWS:  # the message names what was probably meant
                raise
            names = VIEWS
        except duckdb.Error as error:
            if not left or not _may_be_of_a_file(error):
                raise
            # A file may have been replaced while it was read: look for damage if that repeats.
            if left < _ATTEMPTS - 1 and not _is_mended(lake, error):
                raise
            all_columns |= _DIFFERENT_COLUMNS in str(error)
    raise AssertionError("the last attempt returns or raises")


def _may_be_of_a_file(error: duckdb.Error) -> bool:
    """Return whether a statement may have failed because of what it read.

    DuckDB has no class of its own for a footer that is none.
    """
    import duckdb

    trouble = (
        duckdb.IOException,
        duckdb.InvalidInputException,
        duckdb.SerializationException,
        duckdb.InternalException,
    )
    return isinstance(error, trouble) or type(error) is duckdb.Error


def _is_mended(lake: Lake, error: Exception) -> bool:
    """Return whether the statement that failed so may succeed now: damaged files are set aside."""
    if _has_vanished(lake, error) or _DIFFERENT_COLUMNS in str(error):
        return True
    return "No files found" not in str(error) and bool(set_damaged_aside(lake))


def _has_vanished(lake: Lake, error: Exception) -> bool:
    """Return whether a file of the lake is missing that there was, as when it is rolled up."""
    named = (Path(name) for name in re.findall(r'"([^"]+)"', str(error)))
    inside = (path for path in named if path.is_relative_to(lake.root.absolute()))
    return any("*" not in path.name and not path.exists() for path in inside)


def set_damaged_aside(lake: Lake) -> list[Path]:
    """Set aside every file of the views that DuckDB cannot read; return those that are gone.

    Each file is read, which takes a while: for when a query has failed.
    """
    import duckdb

    gone = []
    root = lake.root.absolute()
    with duckdb.connect() as connection:
        for table in TABLES:
            alone = [(path, Listing([str(path)])) for path in root.glob(table.files)]
            if table.blocks:
                alone += [(path, Listing([], [str(path)])) for path in root.glob(table.blocks)]
            for path, files in sorted(alone, key=lambda pair: pair[0]):
                sql = views.sql_of_files(table, files)
                # A refusal of the operating system is no damage.
                if os.access(path, os.R_OK, effective_ids=True) and not read_or_set_aside(
                    path, partial(_is_readable, connection, sql, table.name)
                ):
                    gone.append(path)
    return gone


def _is_readable(connection: duckdb.DuckDBPyConnection, sql: str, view: str, _path: Path) -> bool:
    """Read a file as a whole by the view that a statement makes of it; DuckDB raises its errors."""
    connection.execute(sql)
    connection.execute(f'FROM "{view}"').fetchall()
    return True


def version(lake: Lake, names: Collection[str]) -> str:
    """Return what changes with any file of some views; none is opened."""
    root = lake.root.absolute()
    digest = hashlib.sha256()
    below = {source for name, (source, _) in _DERIVED.items() if name in names}
    for table in TABLES:
        if table.name in names or table.name in below:
            for path in sorted([*root.glob(table.files), *(root.glob(table.blocks or "-"))]):
                with suppress(FileNotFoundError):  # rolled up meanwhile
                    digest.update(f"{path}{files.version(path)}".encode())
    return digest.hexdigest()


def rebuild(lake: Lake) -> Path:
    """Write `numebot.duckdb` anew, with the same views by absolute path, for other clients.

    A client that has the old file open keeps it until it opens the file again.
    """
    import duckdb

    with files.writing(lake.catalog_file) as temporary:
        temporary.unlink()  # DuckDB takes an empty file for a damaged one
        with duckdb.connect(str(temporary)) as connection:
            _create_views(connection, lake, by_pattern=True)
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
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    names: Container[str] = VIEWS,
    *,
    by_pattern: bool = False,
    all_columns: bool = False,
) -> None:
    """Make views; a file whose columns cannot be read would leave none of them."""
    import duckdb

    def create() -> None:
        connection.execute("SET TimeZone = 'UTC'")
        derived = {name: view for name, view in _DERIVED.items() if name in names}
        below = {source for source, _ in derived.values()}
        for table in TABLES:
            if table.name in names or table.name in below:
                connection.execute(view_of(table))
        for _, statement in derived.values():
            connection.execute(statement)

    def view_of(table: Table) -> str:
        if by_pattern:
            return views.sql_of_patterns(table, lake)
        present = views.listing(connection, lake, table)
        return views.sql_of_files(table, present, all_columns=all_columns)

    try:
        create()
    except duckdb.Error as error:
        if not _has_vanished(lake, error):
            set_damaged_aside(lake)
        create()
