"""The last known stakes: read from the lake, because the hour must not wait for them."""

from __future__ import annotations

from decimal import Decimal

from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake


def last_known_stakes(lake: Lake) -> dict[str, Decimal]:
    """NMR staked by own model, from the newest leaderboard snapshot; unknown models are absent."""
    with catalog.connect(lake) as connection:
        rows = connection.execute(
            "select model, arg_max(nmr_staked, date) from leaderboard where own group by model"
        ).fetchall()
    return {model: Decimal(str(stake)) for model, stake in rows if stake is not None}
