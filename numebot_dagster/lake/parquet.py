"""Write Parquet tables at once, and check that a file is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import files
from numebot_dagster.lake.damaged import DamagedFile as DamagedFile

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ParquetFacts:
    """What the footer of a Parquet file says.

    Attributes:
        columns: names of all columns, an index column of pandas included.
    """

    rows: int
    columns: tuple[str, ...]
    bytes: int


def write(path: Path, frame: pl.DataFrame) -> None:
    """Write a table, or put a new one in the place of the old one, at once."""
    with files.writing(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


def create(path: Path, frame: pl.DataFrame) -> None:
    """Write a table that must not exist yet.

    Raises:
        FileExistsError: the file exists; it is left as it was.
    """
    with files.writing(path, overwrite=False) as temporary:
        frame.write_parquet(temporary, compression="zstd")


def read(path: Path, columns: Sequence[str] | pl.Expr | None = None) -> pl.DataFrame:
    """Read a table, or the named or selected columns; nothing is taken from the folder names.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it is no whole Parquet file.
        polars.exceptions.ColumnNotFoundError: a column is not in the file.
    """
    import polars as pl

    return _collect(path, pl.all() if columns is None else columns)


def read_where(path: Path, condition: pl.Expr) -> pl.DataFrame:
    """Read the rows of a table for which a condition holds; groups of other rows are passed over.

    Raises:
        FileNotFoundError, DamagedFile, polars.exceptions.ColumnNotFoundError: see `read`.
    """
    import polars as pl

    return _collect(path, pl.all(), condition)


def _scan(path: Path) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_parquet(path, hive_partitioning=False, glob=False)


def _collect(
    path: Path, columns: Sequence[str] | pl.Expr, condition: pl.Expr | None = None
) -> pl.DataFrame:
    import polars as pl

    def collect(path: Path) -> pl.DataFrame:
        scan = _scan(path) if condition is None else _scan(path).filter(condition)
        return scan.select(columns).collect()

    try:
        return files.read_at_once(path, collect)  # polars opens the footer and the data apart
    except pl.exceptions.ColumnNotFoundError:
        raise
    # A reader that meets nonsense may panic, which is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        raise DamagedFile(f"{path} is not a whole Parquet file: {error}") from error


def schema(path: Path) -> dict[str, str]:
    """Return the names and types of a table's columns, from its footer."""
    # Not `read_parquet_schema`, which takes brackets in the path for a pattern.
    return {name: str(kind) for name, kind in _scan(path).collect_schema().items()}


def verify(path: Path) -> ParquetFacts:
    """Check that a Parquet file is whole, by its footer and its last column of data.

    The footer says where that column lies, at the end of the data: in a file of which a part is
    missing it cannot be read.

    Raises:
        DamagedFile: naming the file and what is wrong with it.
        OSError: the system does not let this process read the file.
    """
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        size = path.stat().st_size
        with pq.ParquetFile(path) as file:
            footer = file.metadata
            columns = tuple(file.schema_arrow.names)
            if footer.num_row_groups and columns:
                file.read_row_group(footer.num_row_groups - 1, columns=list(columns[-1:]))
    except FileNotFoundError:
        raise DamagedFile(f"{path} does not exist") from None
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFile(f"{path} is not a whole Parquet file: {error}") from error
    return ParquetFacts(rows=footer.num_rows, columns=columns, bytes=size)
