"""`numebot sql`: query what is stored."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from numebot_dagster.cli import session
from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.settings import load_settings

if TYPE_CHECKING:
    import polars as pl


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def sql(
    query: Annotated[str, typer.Argument(help="SQL in DuckDB's dialect.")],
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Query what is stored: rounds, weights, predictions, submissions, scores, payouts, and more.

    A row with more columns than the terminal has room for is shown as a list of its values.
    CSV, Parquet and JSON (an array of objects) go to standard output, to be redirected into a file.
    """
    import duckdb

    with session.explained():
        lake = Lake(load_settings().numerai_data_folder)
        try:
            answer = catalog.query(lake, query)
        except duckdb.Error as error:
            session.fail(f"{error}\nThe views are {', '.join(catalog.VIEW_NAMES)}.")
        _print(answer, form)


def _print(answer: pl.DataFrame, form: Format) -> None:
    if form is Format.TABLE:
        _print_table(answer)
    elif form is Format.CSV:
        typer.echo(answer.write_csv(), nl=False)
    elif form is Format.JSON:
        typer.echo(answer.write_json())
    else:
        if sys.stdout.isatty():
            session.fail("Parquet is not for a terminal: add > answer.parquet")
        answer.write_parquet(sys.stdout.buffer)


def _print_table(answer: pl.DataFrame) -> None:
    import polars as pl
    from rich.markup import escape

    from numebot_dagster.reporting.tables import rich_table

    console = session.console
    table = rich_table(answer, "")
    for column, name in zip(table.columns, answer.columns, strict=True):
        column.header = escape(name)  # as it is typed in the next query
    # Measured as if the terminal were endless: otherwise no answer is ever too wide.
    endless = console.options.update(width=100_000)
    if console.measure(table, options=endless).minimum <= console.width:
        console.print(table)
        return
    for number, row in enumerate(answer.rows(), start=1):
        values = pl.Series("value", list(row), dtype=pl.Object)
        columns = pl.Series("column", answer.columns)
        console.print(rich_table(pl.DataFrame([columns, values]), f"Row {number}"))
