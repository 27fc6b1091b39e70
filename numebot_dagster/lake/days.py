"""Read the performance tables by day, whether a day has a file of its own or is rolled up."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import blocks, files, parquet, rollups
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.layout import Lake, path_values

if TYPE_CHECKING:
    import polars as pl


def stored_days(lake: Lake, table: str) -> list[date]:
    """Return the UTC days for which a performance table is stored, in order."""
    own = lake.stored_days(table)
    rolled_up = {
        date.fromisoformat(day)
        for path in lake.day_blocks(table)
        for original in rollups.paths_in(path)
        if (day := path_values(original).get("date"))
    }
    # The folders are looked at before and after the blocks: neither a roll-up nor its undoing in
    # between hides a day.
    return sorted({*own, *rolled_up, *lake.stored_days(table)})


def days_version(lake: Lake, table: str) -> tuple[object, ...]:
    """Return what changes with any day of a performance table, for the key of a cache."""
    own = [lake.day_file(table, day) for day in lake.stored_days(table)]
    versions: list[object] = []
    for path in (*own, *lake.day_blocks(table)):
        with suppress(FileNotFoundError):  # rolled up meanwhile
            versions.append((path, files.version(path)))
    return tuple(versions)


def read_day(lake: Lake, table: str, day: date, columns: list[str]) -> pl.DataFrame | None:
    """Return columns of a performance table of a day, or None where they are not to be had.

    A damaged file is set aside. A column that the day had not when it was rolled up is null.
    """
    own, block = lake.day_file(table, day), lake.day_block(table, day)
    original = lake.relative(own)

    def of_file(path: Path) -> pl.DataFrame:
        return parquet.read(path, columns)

    def of_block(path: Path) -> pl.DataFrame:
        import polars as pl

        if original not in rollups.paths_in(path):
            raise FileNotFoundError(path)
        rows = blocks.read_where(path, pl.col(blocks.ORIGINAL) == original)
        missing = [name for name in columns if name not in rows.columns]
        return rows.with_columns(pl.lit(None).alias(name) for name in missing).select(columns)

    # The file is looked for once more: what was rolled up may be written again in between.
    readers = ((own, of_file), (block, of_block), (own, of_file))
    frames = (read_or_set_aside(path, read) for path, read in readers)
    return next((frame for frame in frames if frame is not None), None)
