"""Fit tables into the width of a terminal without breaking a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

LONGEST_WORD = 30  # characters; what is longer is a path or a hash, and may be broken
_ENDLESS = 100_000


@dataclass(frozen=True)
class Fit:
    """What became of a table.

    Attributes:
        left_out: titles of the columns that the table no longer has.
        needed: width in characters with which none would have been left out.
    """

    left_out: tuple[str, ...]
    needed: int


def fit(table: Table, console: Console, expendable: Sequence[str] = ()) -> Fit:
    """Set the widths of a table's columns; leave out columns where they do not fit side by side.

    Args:
        table: is changed.
        console: where it will be shown.
        expendable: titles of columns that may be left out, the least useful first; the first column
            of a table always stays.
    """
    needed = _least_width(table, console)
    left_out = []
    for title in expendable:
        if _least_width(table, console) <= console.width:
            break
        kept = [column for column in table.columns if str(column.header) != title]
        if len(kept) < len(table.columns):
            table.columns[:] = kept
            for index, column in enumerate(kept):
                column._index = index  # by which rich pads the last one otherwise
            left_out.append(title)
    _share(table, console)
    return Fit(tuple(left_out), needed)


def _share(table: Table, console: Console) -> None:
    """Give each column its natural width, and take what is too much from the widest texts."""
    natural = [_measured(column, console).maximum for column in table.columns]
    least = [_measured(column, console).minimum for column in table.columns]
    excess = sum(natural) + _frame(table, console) - console.width
    widths = list(natural)
    for index in sorted(range(len(widths)), key=lambda i: natural[i] - least[i], reverse=True):
        taken = min(max(excess, 0), natural[index] - least[index])
        widths[index] -= taken
        excess -= taken
    if excess <= 0:
        for column, width in zip(table.columns, widths, strict=True):
            column.min_width = column.max_width = width
            column.overflow = "fold"


def _least_width(table: Table, console: Console) -> int:
    """Return the width of a table whose columns are as narrow as their longest words."""
    columns = sum(_measured(column, console).minimum for column in table.columns)
    return columns + _frame(table, console)


def _frame(table: Table, console: Console) -> int:
    """Return what a table needs beside its cells: borders and space between columns."""
    whole = console.measure(table, options=console.options.update(width=_ENDLESS)).maximum
    return whole - sum(_measured(column, console).maximum for column in table.columns)


def _measured(column: Column, console: Console) -> Measurement:
    """Return the least and the natural width of a column."""
    endless = console.options.update(width=_ENDLESS)
    cells = [console.measure(cell, options=endless) for cell in (column.header, *column.cells)]
    natural = max(cell.maximum for cell in cells)
    word = min(max(cell.minimum for cell in cells), LONGEST_WORD)
    least = natural if column.no_wrap else max(word, column.min_width or 0)
    return Measurement(min(least, natural), natural)
