"""Fit tables into the width of a terminal without breaking words."""

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
    """The result of fitting a table.

    Attributes:
        left_out: titles of the columns that were removed.
        needed: width in characters with which none would be left out.
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
    sizes = [_measured(column, console) for column in table.columns]
    needed = _least(sizes) + _frame(table, console, sizes)
    titles = [str(column.header) for column in table.columns]
    left_out = []
    for title in expendable:
        if _least(sizes) + _frame(table, console, sizes) <= console.width:
            break
        if title in titles[1:]:
            place = titles.index(title)
            del table.columns[place], sizes[place], titles[place]
            for index, column in enumerate(table.columns):
                column._index = index  # by which rich pads the last one otherwise
            left_out.append(title)
    _share(table, sizes, console.width - _frame(table, console, sizes))
    return Fit(tuple(left_out), needed)


def _share(table: Table, sizes: Sequence[Measurement], room: int) -> None:
    """Give each column its natural width, and take the excess from the widest texts."""
    widths = [size.maximum for size in sizes]
    excess = max(sum(widths) - room, 0)
    for index in sorted(range(len(sizes)), key=lambda place: sizes[place].span, reverse=True):
        taken = min(excess, sizes[index].span)
        widths[index] -= taken
        excess -= taken
    if excess:
        return  # not even the longest words fit: rich breaks them
    for column, width in zip(table.columns, widths, strict=True):
        column.min_width = column.max_width = width
        column.overflow = "fold"


def _least(sizes: Sequence[Measurement]) -> int:
    """Return the width of all columns when they are as narrow as their longest words."""
    return sum(size.minimum for size in sizes)


def _frame(table: Table, console: Console, sizes: Sequence[Measurement]) -> int:
    """Return what a table needs beside its cells: borders and space between columns."""
    whole = console.measure(table, options=console.options.update(width=_ENDLESS)).maximum
    return whole - sum(size.maximum for size in sizes)


def _measured(column: Column, console: Console) -> Measurement:
    """Return the least and the natural width of a column."""
    endless = console.options.update(width=_ENDLESS)
    cells = [console.measure(cell, options=endless) for cell in (column.header, *column.cells)]
    natural = max(cell.maximum for cell in cells)
    word = min(max(cell.minimum for cell in cells), LONGEST_WORD)
    least = natural if column.no_wrap else max(word, column.min_width or 0)
    return Measurement(min(least, natural), natural)
