"""Build the table of `numebot status`: rounds by models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from rich.text import Text

from numebot_dagster.cli.screen import plain_table
from numebot_dagster.operations.health.status import RoundModel, Standing, Window
from numebot_dagster.operations.performance.newest_scores import PaidScores, Scored
from numebot_dagster.reporting.numbers import score

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
    windows: Sequence[Window],
    cells: Sequence[RoundModel],
    unseen: Collection[int],
    scores: PaidScores,
    width: int,
) -> Table:
    """Return a row per round with a cell per model, or a count per standing where these do not fit.

    Neighbouring rounds that nobody looked at while they were open share a row, if they ended alike.
    Once a submission has a score, that stands in place of `confirmed`.
    """
    names = list(dict.fromkeys(cell.model for cell in cells))
    rows = list(_rows(windows, cells, unseen))
    table = plain_table("round", "opens")
    # A cell is as wide as its word, its symbol and two columns of space.
    margin = 16 + max((len(_numbers(row)) for row in rows), default=0) + 10 * bool(scores.metric)
    fits = margin + sum(max(len(name), 14) + 2 for name in names) <= width
    for name in names if fits else ["models"]:
        table.add_column(name, overflow="fold")
    if scores.metric:
        table.add_column(scores.metric.upper())
    for row in rows:
        here = [cell for cell in cells if cell.round_number == row[0].number]
        scored = scores.of_round(row[0].number)
        shown = [_cell(cell, scored.get(cell.model)) for cell in here] if fits else [_counts(here)]
        opens = "" if row[-1].open_time is None else f"{row[-1].open_time:%a %d %b}"
        progress = [_progress(scored, with_median=not fits)] if scores.metric else []
        table.add_row(_numbers(row), opens, *shown, *progress)
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


def _cell(cell: RoundModel, scored: Scored | None) -> Text:
    lower = "" if cell.receipt is None or cell.receipt.rung == "live" else f" {cell.receipt.rung}"
    if scored is None:
        return _look(cell.standing, lower)
    symbol, style = LOOKS[cell.standing]
    word = "" if LOOKS[cell.standing][0] == _GOOD[0] else f" {cell.standing}"
    return Text(f"{symbol}{word} {score(scored.value)}{lower}", style)


def _progress(scored: Mapping[str, Scored], *, with_median: bool) -> str:
    """Return how far the scores of a round are, and the median of many models."""
    if not scored:
        return ""
    is_resolved = any(each.is_resolved for each in scored.values())
    day = "resolved" if is_resolved else f"day {max(each.day for each in scored.values())}"
    middle = median(each.value for each in scored.values())
    return f"{day}, median {score(middle)}" if with_median else day


def _counts(cells: Sequence[RoundModel]) -> Text:
    counted = {standing: sum(cell.standing is standing for cell in cells) for standing in Standing}
    return Text(", ").join(
        Text(f"{LOOKS[standing][0]} {count} {standing}", LOOKS[standing][1])
        for standing, count in counted.items()
        if count
    )
