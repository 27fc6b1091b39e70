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
from numebot_dagster.cli import session
from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.settings import load_settings

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE")


class Format(StrEnum):
    """How an answer is printed."""

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
    query: Annotated[str, typer.Argument(help="SQL in DuckDB's dialect.")],
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Query what is stored: rounds, weights, predictions, submissions, scores, payouts, and more.

    A row with more columns than the terminal has room for is shown as a list of its values.
    CSV, Parquet and JSON (an array of objects) go to standard output, to be redirected into a file.
    """
    import duckdb

    terminal.wait_for_reader()
    if form is Format.PARQUET and sys.stdout.isatty():
        session.fail("Parquet is not for a terminal: add > answer.parquet")
    with session.explained():
        lake = Lake(load_settings().numerai_data_folder)
        try:
            catalog.run(lake, query, lambda answer: _print(answer, form, lake))
        except duckdb.Error as error:
            session.fail(f"{error}\nThe views are {', '.join(catalog.VIEW_NAMES)}.")
    loss = terminal.output_lost()
    if loss is not None:  # the output is all that this command is for
        session.fail(f"the answer was not written whole: {loss.strerror}")


def _print(answer: duckdb.DuckDBPyRelation | None, form: Format, lake: Lake) -> None:
    if answer is None:
        session.fail('the query returns no table: type one, as in numebot sql "from submissions"')
    if form is Format.TABLE:
        frame = _as_frame(answer)
        _print_table(frame)
        if frame.is_empty():
            session.errors.print(_no_rows(lake), highlight=False, soft_wrap=True)
    else:
        _copy(answer, form)


def _no_rows(lake: Lake) -> str:
    if lake.root.is_dir():
        return "(no rows)"
    return f"(no rows: there is no data folder {lake.root} yet)"


def _copy(answer: duckdb.DuckDBPyRelation, form: Format) -> None:
    """Let DuckDB write the answer; what a format has no type for is written as text."""
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
    """Cast every column that is no number to text, which each type of DuckDB's can be."""
    columns = [
        name if kind in _NUMBERS else f"{name}::VARCHAR AS {name}"
        for name, kind in zip(map(_quoted, answer.columns), map(str, answer.types), strict=True)
    ]
    return answer.project(", ".join(columns))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _as_frame(answer: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Return the answer as Python's values; numbers alone keep a type, for their alignment."""
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
    """Name columns apart that a query calls the same."""
    return [
        name if name not in names[:index] else f"{name}:{names[:index].count(name)}"
        for index, name in enumerate(names)
    ]


def _print_table(answer: pl.DataFrame) -> None:
    """Print the answer; where it has no row, its columns, and beside it that there is none."""
    import polars as pl

    from numebot_dagster.reporting.fitting import fit
    from numebot_dagster.reporting.tables import rich_table

    console = session.console
    table = rich_table(answer, "")
    for column, name in zip(table.columns, answer.columns, strict=True):
        column.header = name  # as it is typed in the next query
    # Measured as if the terminal were endless: otherwise no answer is ever too wide.
    endless = console.options.update(width=100_000)
    if console.measure(table, options=endless).minimum <= console.width:
        fit(table, console)
        console.print(table)
        return
    if answer.is_empty():
        console.print(", ".join(answer.columns), highlight=False)
    for number, row in enumerate(answer.rows(), start=1):
        values = pl.Series("value", list(row), dtype=pl.Object)
        columns = pl.Series("column", answer.columns)
        console.print(rich_table(pl.DataFrame([columns, values]), f"Row {number}"))
