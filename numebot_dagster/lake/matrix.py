"""Read features of chosen eras into one int8 matrix, in little memory.

Columns are decoded in blocks, straight into the rows of one preallocated matrix, so that the peak
of memory is the matrix and one block, whatever the layout of the file's row groups.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from numebot_dagster.lake import files

# A block of columns is decoded at once: wide ones are up to a third faster, narrow ones take less
# memory beside the matrix. So it is a small part of the matrix, between bounds in bytes, but has
# never fewer than so many columns: each block looks through the footer of the file once more.
_BLOCKS_A_MATRIX = 64
_LEAST_BLOCK, _LARGEST_BLOCK = 16_000_000, 64_000_000
_LEAST_COLUMNS = 32
# Copying run by run beats picking single rows until the runs are this many.
_MANY_RUNS = 2000
# Numerai writes a missing feature as the middle bin; so a null is read as that.
_MISSING = 2


class MissingColumns(Exception):
    """Columns that were asked for are not in the file."""


class FileReplaced(Exception):
    """A file is no longer the one in which the rows were selected."""


class NotABin(Exception):
    """A feature holds something else than small whole numbers."""


@dataclass(frozen=True)
class RowSelection:
    """Which rows of a Parquet file are wanted.

    Attributes:
        runs: (k, 2) first and past-the-end row of each run of consecutive rows.
        eras: (rows,) int16 era numbers of the wanted rows; 0 for the live era "X".
    """

    path: Path
    runs: np.ndarray
    eras: np.ndarray

    def __len__(self) -> int:
        return len(self.eras)

    def pick(self, rows: np.ndarray) -> RowSelection:
        """Return some of the selected rows, given by ascending positions among them."""
        return RowSelection(self.path, _runs_of(self.positions()[rows]), self.eras[rows])

    @property
    def span(self) -> tuple[int, int]:
        """First and past-the-end row of the part of the file that holds all wanted rows."""
        return (int(self.runs[0, 0]), int(self.runs[-1, 1])) if len(self.runs) else (0, 0)

    def positions(self) -> np.ndarray:
        """Return the (rows,) int64 positions of the selected rows in the file."""
        if not len(self.runs):
            return np.empty(0, dtype=np.int64)
        return np.concatenate([np.arange(start, stop) for start, stop in self.runs])


def select_rows(
    path: Path, *, keep_eras: Collection[int] | None = None, labelled: Sequence[str] = ()
) -> RowSelection:
    """Choose rows by era, and only those where all of the `labelled` columns have a value.

    An era need not lie within one row group, nor its rows together.

    Raises:
        MissingColumns: naming the columns that the file lacks.
    """
    _require(path, ["era", *labelled])
    era = pl.col("era").cast(pl.Int16, strict=False).fill_null(0)
    has_label = [pl.col(name).is_not_null() & pl.col(name).is_not_nan() for name in labelled]
    keep = pl.all_horizontal(has_label) if has_label else pl.lit(True)
    frame = scan(path).select(era.alias("era"), keep=keep).collect()
    eras = frame["era"].to_numpy()
    kept = frame["keep"].to_numpy().copy()
    if keep_eras is not None:
        kept &= np.isin(eras, np.fromiter(keep_eras, dtype=np.int16))
    positions = np.flatnonzero(kept)
    return RowSelection(path, _runs_of(positions), eras[positions])


def fill_matrix(selections: Sequence[RowSelection], columns: Sequence[str]) -> np.ndarray:
    """Read features of the selected rows of one or several files into one matrix.

    Returns:
        (rows of all selections, columns) int8, column-major.

    Raises:
        MissingColumns: naming the features that a file lacks.
        NotABin: a feature holds something else than whole numbers of one byte.
        FileReplaced: a file has become shorter since its rows were selected.
    """
    for selection in selections:
        _require(selection.path, columns)
    store = _fresh_memory(len(columns), sum(map(len, selections)))
    first_row = 0
    for selection in selections:
        if len(selection):
            _fill(store[:, first_row : first_row + len(selection)], selection, columns)
        first_row += len(selection)
    return store.T


def read_rows(selection: RowSelection, columns: Sequence[str]) -> pl.DataFrame:
    """Read columns of the selected rows as they are stored.

    Raises:
        MissingColumns: naming the columns that the file lacks.
        FileReplaced: the file has become shorter since its rows were selected.
    """
    _require(selection.path, columns)
    start, stop = selection.span
    spanned = _collect(_spanned(selection), selection, columns)
    return spanned if len(selection) == stop - start else spanned[selection.positions() - start]


def read_ids(selection: RowSelection) -> np.ndarray:
    """Return the ids of the selected rows, (rows,) str objects."""
    return read_rows(selection, ["id"])["id"].to_numpy()


def column_names(path: Path) -> list[str]:
    """Return the names of all columns of a Parquet file, an index column of pandas included."""
    return scan(path).collect_schema().names()


def scan(path: Path) -> pl.LazyFrame:
    """Return a lazy read of exactly this file: nothing is read from the names of its folders."""
    return _scan(path, files.version(path))


# The footer of a full-size file takes a tenth of a second and 60 MB. Those of the last two files
# stay in memory: training data lie in two, and each is read several times.
@lru_cache(maxsize=2)
def _scan(path: Path, _version: tuple[int, int, int]) -> pl.LazyFrame:
    return pl.scan_parquet(path, hive_partitioning=False, glob=False)


def _spanned(selection: RowSelection) -> pl.LazyFrame:
    start, stop = selection.span
    return scan(selection.path).slice(start, stop - start)


def _collect(
    spanned: pl.LazyFrame, selection: RowSelection, columns: Sequence[str]
) -> pl.DataFrame:
    """Return columns of the spanned rows; a shorter file must not pass for one with zeros."""
    frame = spanned.select(columns).collect()
    start, stop = selection.span
    if frame.height != stop - start:
        raise FileReplaced(
            f"{selection.path} has changed since its rows were selected: it no longer has "
            f"{stop:,} rows. Select them again"
        )
    return frame


def _require(path: Path, columns: Sequence[str]) -> None:
    present = set(column_names(path))
    missing = [name for name in columns if name not in present]
    if missing:
        shown = ", ".join(missing[:10]) + (", …" if len(missing) > 10 else "")
        raise MissingColumns(f"{path} lacks {len(missing)} of the columns asked for: {shown}")


def _runs_of(positions: np.ndarray) -> np.ndarray:
    """Return ascending positions as (k, 2) runs of consecutive ones."""
    if not len(positions):
        return np.empty((0, 2), dtype=np.int64)
    breaks = np.flatnonzero(np.diff(positions) != 1)
    starts = positions[np.concatenate([[0], breaks + 1])]
    stops = positions[np.concatenate([breaks, [len(positions) - 1]])] + 1
    return np.column_stack([starts, stops])


def _as_bins(column: pl.Series, path: Path) -> pl.Series:
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.null_count():
        column = column.fill_null(_MISSING)
    if column.dtype != pl.Int8:
        bins = column.cast(pl.Int8, strict=False)
        if not column.dtype.is_numeric() or bins.null_count() or (bins != column).any():
            raise NotABin(
                f"{path}: {column.name} is not a feature: it has values that are not whole "
                f"numbers of one byte (its type is {column.dtype})"
            )
        column = bins
    return column


def _fresh_memory(columns: int, rows: int) -> np.ndarray:
    """Return (columns, rows) int8, not yet written to, in ordinary pages of memory.

    numpy would ask for huge ones. Their first use is a little faster on bare metal, but in a
    virtual machine that gets its memory from the host only then, it took six times as long.
    """
    if not columns * rows:
        return np.empty((columns, rows), dtype=np.int8)
    memory = mmap.mmap(-1, columns * rows, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, dtype=np.int8).reshape(columns, rows)


def _fill(target: np.ndarray, selection: RowSelection, columns: Sequence[str]) -> None:
    """Copy the selected rows of the columns into the rows of the target, block by block."""
    start, stop = selection.span
    spanned = _spanned(selection)
    runs = selection.runs - start
    positions = selection.positions() - start if len(runs) > _MANY_RUNS else None

    def copy(row: np.ndarray, column: pl.Series) -> None:
        bins = _as_bins(column, selection.path)
        if len(runs) == 1:
            _copy_all(bins, row)
        elif positions is None:
            _copy_runs(bins.to_numpy(), runs, row)
        else:  # mode "raise" would copy once more
            np.take(bins.to_numpy(), positions, out=row, mode="clip")

    block_bytes = min(max(_LEAST_BLOCK, target.size // _BLOCKS_A_MATRIX), _LARGEST_BLOCK)
    width = max(_LEAST_COLUMNS, block_bytes // (stop - start))
    # As many threads as polars decodes with: most of the copying is the matrix's first use.
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        for first in range(0, len(columns), width):
            block = _collect(spanned, selection, columns[first : first + width])
            for _ in pool.map(copy, target[first : first + width], block.iter_columns()):
                pass
            del block  # before the next one is there


def _copy_all(column: pl.Series, target: np.ndarray) -> None:
    """Copy chunk by chunk: as one array, the chunks of several row groups are copied twice."""
    first = 0
    for chunk in column.get_chunks():
        target[first : first + len(chunk)] = chunk.to_numpy()
        first += len(chunk)


def _copy_runs(values: np.ndarray, runs: np.ndarray, target: np.ndarray) -> None:
    first = 0
    for start, stop in runs:
        target[first : first + stop - start] = values[start:stop]
        first += stop - start
