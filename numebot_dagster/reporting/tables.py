"""Turn frames into tables for Markdown and for the terminal."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from numebot_dagster.reporting.numbers import MISSING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

STYLES = {
    "on_time": "green",
    "late": "yellow",
    "queued": "yellow",
    "failed": "bold red",
    "missed": "bold red",
    "confirmed": "green",
    "accepted": "cyan",
    "pending": "yellow",
    "invalid": "bold red",
}
"""Colours of the outcomes and states of a submission."""


def markdown_table(frame: pl.DataFrame) -> str:
    """Return a GitHub-style table: numbers to the right, floats to 4 digits, None as a dash."""
    numeric = [dtype.is_numeric() for dtype in frame.dtypes]
    lines = [
        [_escaped(_heading(name)) for name in frame.columns],
        ["---:" if right else ":---" for right in numeric],
        *([_escaped(_text(value)) for value in row] for row in frame.iter_rows()),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def rich_table(frame: pl.DataFrame, title: str) -> Table:
    """Return a table for the terminal, coloured by outcome, by state and by sign."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in frame:
        heading = _heading(column.name)
        numeric = column.dtype.is_numeric()
        # In a narrow terminal headings and names are broken before numbers are.
        widest = max(map(len, map(_text, column)), default=1)
        table.add_column(
            Text(heading),
            justify="right" if numeric else "left",
            min_width=widest if numeric else min(widest, 10),
            overflow="fold",
        )
    for row in frame.iter_rows():
        table.add_row(*(_coloured(value, _text(value)) for value in row))
    return table


def _heading(column: str) -> str:
    return column.replace("_", " ")


def _text(value: Any) -> str:
    """Return the text of a cell; a float that rounds to zero has no sign."""
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case float() | Decimal():
            if math.isnan(value):
                return MISSING
            rounded = f"{value:.4f}"
            return rounded.removeprefix("-") if float(rounded) == 0 else rounded
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _escaped(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _coloured(value: Any, text: str) -> Text:
    from rich.text import Text

    style = STYLES.get(value, "") if isinstance(value, str) else ""
    if isinstance(value, float | Decimal) and float(value) < 0:
        style = "red"
    return Text(text, style)
