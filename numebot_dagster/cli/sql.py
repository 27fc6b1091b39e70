"""`numebot sql`: query what is stored."""

from __future__ import annotations

import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from numebot_dagster import terminal
from numebot_dagster.cli import errors, screen
from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.settings import load_settings

if TYPE_CHECKING:
    import duckdb
    import polars as pl

ROWS_SHOWN = 100  # of a table
LISTS_SHOWN = 5  # of rows that are wider than the terminal, and take a line for each value
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE")


class Format(StrEnum):
    """Format of the output."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


_COPY_OPTIONS = {
    Format.CSV: "FORMAT csv, HEADER",
    Format.JSON: "FORMAT json, ARRAY true",
    Format.PARQUET: "FORMAT parquet, COMPRESSION zstd",
}


def sql(
    query: Annotated[str, typer.Argument(help="Query in DuckDB's SQL.")],
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
    rows: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"How many rows of a table to show; 0 for all. By default {ROWS_SHOWN}, or "
            f"{LISTS_SHOWN} that are wider than the terminal.",
        ),
    ] = None,
) -> None:
    """Query what is stored: rounds, weights, predictions, submissions, scores, payouts, and more.

    Where a row is wider than the terminal, its values are listed below each other. CSV, Parquet and
    JSON (an array of objects) are written to standard output, which you can redirect to a file.
    """
    import duckdb

    terminal.wait_for_reader()
    if form is Format.PARQUET and sys.stdout.isatty():
        errors.fail("Parquet cannot be shown in a terminal: add > answer.parquet")
    with errors.explained():
        lake = Lake(load_settings().numerai_data_folder)
        try:
            catalog.run(lake, query, lambda answer: _print(answer, form, lake, rows))
        except duckdb.Error as error:
            errors.fail(f"{error}\nThe views are {', '.join(catalog.VIEWS)}.")
    loss = terminal.output_lost()
    if loss is not None:  # the output is all that this command is for
        errors.fail(f"the answer was not written completely: {loss.strerror}")


def _print(
    answer: duckdb.DuckDBPyRelation | None, form: Format, lake: Lake, rows: int | None
) -> None:
    if answer is None:
        errors.fail('the query returns no table; type for example: numebot sql "from submissions"')
    if form is Format.TABLE:
        limit = ROWS_SHOWN if rows is None else rows
        frame = _as_frame(answer.limit(limit + 1) if limit else answer)
        shown = _print_table(frame, rows)
        if frame.is_empty():
            screen.note(_no_rows(lake))
        elif shown < len(frame):
            is_whole = not limit or len(frame) <= limit
            screen.note(_more_rows((len(frame) if is_whole else _count(answer)) - shown))
    else:
        _copy(answer, form)


def _count(answer: duckdb.DuckDBPyRelation) -> int:
    [(count,)] = answer.count("*").fetchall()
    return int(count)


def _no_rows(lake: Lake) -> str:
    if lake.root.is_dir():
        return "(no rows)"
    return f"(no rows: there is no data folder {lake.root} yet)"


def _more_rows(count: int) -> str:
    rows = "1 more row" if count == 1 else f"{count:,} more rows"
    return f"({rows}: choose some in the query, show all with --rows 0, or write --format csv)"


def _copy(answer: duckdb.DuckDBPyRelation, form: Format) -> None:
    """Let DuckDB write the answer, as text where a format lacks the type."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer")
        try:
            _write(answer, path, form)
        except (duckdb.NotImplementedException, duckdb.InvalidInputException):
            _write(_as_text(answer), path, form)
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def _write(answer: duckdb.DuckDBPyRelation, path: Path, form: Format) -> None:
    target = str(path).replace("'", "''")
    answer.query("answer", f"COPY (FROM answer) TO '{target}' ({_COPY_OPTIONS[form]})")


def _as_text(answer: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Cast every column that is no number to text, as every type of DuckDB allows."""
    columns = [
        name if kind in _NUMBERS else f"{name}::VARCHAR AS {name}"
        for name, kind in zip(map(_quoted, answer.columns), map(str, answer.types), strict=True)
    ]
    return answer.project(", ".join(columns))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _as_frame(answer: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Return the answer as Python's values; only numbers keep a type, for their alignment."""
    import polars as pl

    kinds = [str(kind) for kind in answer.types]
    try:
        rows = answer.fetchall()
    except (OverflowError, ValueError):  # Python has no year 10000
        rows = _as_text(answer).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return pl.DataFrame(
        [
            pl.Series(name, values, dtype=_polars_type(kind), strict=False)
            for name, kind, values in zip(_unique(answer.columns), kinds, columns, strict=True)
        ]
    )


def _polars_type(kind: str) -> type[pl.DataType]:
    import polars as pl

    if kind in ("FLOAT", "DOUBLE"):
        return pl.Float64
    return pl.Int64 if kind in _NUMBERS else pl.Object


def _unique(names: list[str]) -> list[str]:
    """Give columns of the same name different ones."""
    return [
        name if name not in names[:index] else f"{name}:{names[:index].count(name)}"
        for index, name in enumerate(names)
    ]


def _print_table(answer: pl.DataFrame, rows: int | None) -> int:
    """Print the first rows as a table, or where that is too wide, as lists; return how many."""
    import polars as pl

    from numebot_dagster.reporting.fitting import fit
    from numebot_dagster.reporting.tables import rich_table

    console = screen.console
    limit = ROWS_SHOWN if rows is None else rows or len(answer)
    first = answer.head(limit)
    table = rich_table(first, "")
    for column, name in zip(table.columns, answer.columns, strict=True):
        column.header = name  # as it is typed in the next query
    # Measured as if the terminal were endless: otherwise no answer is ever too wide.
    endless = console.options.update(width=100_000)
    if console.measure(table, options=endless).minimum <= console.width:
        fit(table, console)
        console.print(table)
        return len(first)
    if answer.is_empty():
        console.print(", ".join(answer.columns), highlight=False)
    if rows is None:
        first = answer.head(LISTS_SHOWN)
    for number, row in enumerate(first.rows(), start=1):
        values = pl.Series("value", list(row), dtype=pl.Object)
        columns = pl.Series("column", answer.columns)
        console.print(rich_table(pl.DataFrame([columns, values]), f"Row {number}"))
    return len(first)
