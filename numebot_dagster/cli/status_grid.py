"""Build the table of `numebot status`: rounds by models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from numebot_dagster.cli.screen import plain_table
from numebot_dagster.operations.health.status import RoundModel, Standing, Window

if TYPE_CHECKING:
    from rich.table import Table

_GOOD, _BAD, _UNDECIDED = ("\N{CHECK MARK}", "green"), ("\N{BALLOT X}", "bold red"), ("…", "yellow")
LOOKS = {
    Standing.CONFIRMED: _GOOD,
    Standing.ACCEPTED: ("\N{CHECK MARK}", "cyan"),
    Standing.ELSEWHERE: ("\N{CHECK MARK}", "yellow"),
    Standing.LATE: ("!", "yellow"),
    Standing.QUEUED: ("!", "yellow"),
    Standing.SENDING: _UNDECIDED,
    Standing.WAITING: _UNDECIDED,
    Standing.FAILED: _BAD,
    Standing.INVALID: _BAD,
    Standing.MISSED: _BAD,
    Standing.UNREADABLE: _BAD,
    Standing.UNPLAYED: ("\N{EN DASH}", "red"),
}
"""Symbol and colour of each standing."""


def grid(
    windows: Sequence[Window], cells: Sequence[RoundModel], unseen: Collection[int], width: int
) -> Table:
    """Return a row per round with a cell per model, or a count per standing where these do not fit.

    Neighbouring rounds that nobody looked at while they were open share a row, if they ended alike.
    """
    names = list(dict.fromkeys(cell.model for cell in cells))
    rows = list(_rows(windows, cells, unseen))
    table = plain_table("round", "opens")
    # A cell is as wide as its word, its symbol and two columns of space.
    margin = 16 + max((len(_numbers(row)) for row in rows), default=0)
    fits = margin + sum(max(len(name), 14) + 2 for name in names) <= width
    for name in names if fits else ["models"]:
        table.add_column(name, overflow="fold")
    for row in rows:
        here = [cell for cell in cells if cell.round_number == row[0].number]
        shown = [_cell(cell) for cell in here] if fits else [_counts(here)]
        opens = "" if row[-1].open_time is None else f"{row[-1].open_time:%a %d %b}"
        table.add_row(_numbers(row), opens, *shown)
    return table


def unplayed_stretches(
    windows: Sequence[Window], cells: Sequence[RoundModel], unseen: Collection[int]
) -> list[list[int]]:
    """Return the numbers of rounds that share a row of which nothing is recorded, oldest first."""
    recorded = {cell.round_number for cell in cells if cell.standing is not Standing.UNPLAYED}
    return [
        [window.number for window in reversed(row)]
        for row in _rows(windows, cells, unseen)
        if row[1:] and row[0].number not in recorded
    ]


def _rows(
    windows: Sequence[Window], cells: Sequence[RoundModel], unseen: Collection[int]
) -> Iterator[list[Window]]:
    """Yield the rounds of each row, the newest first."""
    standings: dict[int, list[Standing]] = {}
    for cell in cells:
        standings.setdefault(cell.round_number, []).append(cell.standing)

    def ended(window: Window) -> tuple[bool, list[Standing]]:
        return window.number in unseen, standings.get(window.number, [])

    for (is_unseen, _), group in groupby(windows, key=ended):
        if is_unseen:
            yield list(group)
        else:
            yield from ([window] for window in group)


def _numbers(row: Sequence[Window]) -> str:
    newest, oldest = row[0].number, row[-1].number
    return str(newest) if newest == oldest else f"{oldest} to {newest}"


def _look(standing: Standing, more: str = "") -> Text:
    symbol, style = LOOKS[standing]
    return Text(f"{symbol} {standing}{more}", style)


def _cell(cell: RoundModel) -> Text:
    lower = "" if cell.receipt is None or cell.receipt.rung == "live" else f" {cell.receipt.rung}"
    return _look(cell.standing, lower)


def _counts(cells: Sequence[RoundModel]) -> Text:
    counted = {standing: sum(cell.standing is standing for cell in cells) for standing in Standing}
    return Text(", ").join(
        Text(f"{LOOKS[standing][0]} {count} {standing}", LOOKS[standing][1])
        for standing, count in counted.items()
        if count
    )
