"""Read how models stand in rounds, for the pages of the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.operations.causes import one_line
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.status import RoundModel, Standing
from numebot_dagster.operations.platform import Platform
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Rung

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.today import Cell

BAD = (Standing.FAILED, Standing.INVALID, Standing.MISSED, Standing.UNREADABLE)

_STAKES = """
select model, nmr_staked from leaderboard
where own and date = (select max(date) from leaderboard) and nmr_staked is not null
"""


def stakes(platform: Platform) -> dict[str, float]:
    """Return the stake of each model in NMR, by the newest leaderboard."""
    return dict(catalog.query(platform.lake, _STAKES).rows())


def standings(platform: Platform, rounds: Sequence[int]) -> dict[tuple[str, int], RoundModel]:
    """Return how each model stands in each of these rounds that it has tried."""
    if not rounds:
        return {}
    numbers = ", ".join(map(str, rounds))
    frame = catalog.query(platform.lake, f"from submissions where round in ({numbers})")
    rows = [receipts.from_row(row) for row in frame.iter_rows(named=True)]
    return {
        (receipt.model, receipt.round_number): RoundModel(
            receipt.round_number,
            receipt.model,
            status.standing_of(receipt),
            receipt,
            " ".join(filter(None, (receipt.reason, receipt.rung_reason))),
        )
        for receipt in rows
    }


def state_of(cell: RoundModel) -> tuple[Cell, str]:
    """Return how a model stands as one of the states of operation, and what to say of it."""
    from numebot_dagster.reporting.pages.today import Cell

    text = one_line(f"{cell.standing}{': ' if cell.reason else ''}{cell.reason}")
    if cell.standing in BAD:
        return Cell.FAILED, text
    if cell.standing in (Standing.LATE, Standing.QUEUED):
        return Cell.LATE, text
    if cell.standing in (Standing.SENDING, Standing.WAITING):
        return Cell.OPEN, text
    if cell.receipt is not None and cell.receipt.rung is not Rung.LIVE:
        return Cell.LOWER, text
    return Cell.ON_TIME, text
