"""Read the last known stakes from the lake, because the hour must not wait for them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import parquet
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.layout import Lake

if TYPE_CHECKING:
    import polars

DAYS_LOOKED_BACK = 7


def last_known_stakes(lake: Lake) -> dict[str, Decimal]:
    """Return the NMR staked by own model, from the newest leaderboard snapshot that knows it.

    Snapshots of the last stored week are read; models that none of them knows are absent.
    """
    import polars as pl

    stakes: dict[str, Decimal] = {}
    for day in lake.stored_days("leaderboard")[-DAYS_LOOKED_BACK:]:
        frame = read_or_set_aside(lake.leaderboard_file(day), _read)
        if frame is None:
            continue
        own = frame.filter(pl.col("own"), pl.col("nmr_staked").is_not_null())
        stakes |= {name: Decimal(str(nmr)) for name, nmr, _ in own.iter_rows()}
    return stakes


def _read(path: Path) -> polars.DataFrame:
    return parquet.read(path, ["model", "nmr_staked", "own"])
