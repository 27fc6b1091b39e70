"""The last known stakes: read from the lake, because the hour must not wait for them."""

from __future__ import annotations

from decimal import Decimal

from numebot_dagster.lake import parquet
from numebot_dagster.lake.layout import Lake

DAYS_LOOKED_BACK = 7


def last_known_stakes(lake: Lake) -> dict[str, Decimal]:
    """NMR staked by own model, from the newest leaderboard snapshot that knows it.

    Snapshots of the last stored week are read; models that none of them knows are absent.
    """
    import polars as pl

    stakes: dict[str, Decimal] = {}
    for day in lake.stored_days("leaderboard")[-DAYS_LOOKED_BACK:]:
        frame = parquet.read(lake.leaderboard_file(day), ["model", "nmr_staked", "own"])
        own = frame.filter(pl.col("own"), pl.col("nmr_staked").is_not_null())
        stakes |= {name: Decimal(str(nmr)) for name, nmr, _ in own.iter_rows()}
    return stakes
