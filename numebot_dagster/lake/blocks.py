"""Keep the rows of many small files in one Parquet file, with what proves each of them.

A block has all columns of its originals, those of the names of their folders, and the path of each
row's original. Its footer says of each original how many of the rows are its, which columns it had,
and the digest of its content, so that it can be checked and written again when it is long gone.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numebot_dagster.lake import files, parquet
from numebot_dagster.lake.damaged import DamagedFile

if TYPE_CHECKING:
    import polars as pl

ORIGINAL = "original"
"""The column with the path of a row's original below the root of the lake."""
_KEY = b"numebot_originals"
_ROWS_OF_A_GROUP = 10_000
_FEW_ROWS = 10


@dataclass(frozen=True)
class Original:
    """A file whose rows a block has.

    Attributes:
        path: below the root of the lake, with slashes.
        digest: of its content, see `digest`.
        columns: its own, in their order.
        first: its first row in the block.
        keys: a digest of what else its rows have, as from the names of its folders; None in blocks
            of earlier versions.
    """

    path: str
    digest: str
    columns: tuple[str, ...]
    first: int
    rows: int
    keys: str | None = None


@dataclass(frozen=True)
class Content:
    """What an original holds.

    Attributes:
        path: below the root of the lake, with slashes.
        frame: its rows as they are stored in it.
        keys: one row with what else is known of it, as from the names of its folders.
        version: of the file that was read, see `files.version`.
    """

    path: str
    frame: pl.DataFrame
    keys: pl.DataFrame
    version: tuple[int, int, int]

    @cached_property
    def digest(self) -> str:
        """The digest of the rows."""
        return digest(self.frame)

    @property
    def rows(self) -> pl.DataFrame:
        """The rows as they stand in a block."""
        import polars as pl

        missing = [name for name in self.keys.columns if name not in self.frame.columns]
        values = [self.keys[name].new_from_index(0, self.frame.height) for name in missing]
        path = pl.lit(self.path).alias(ORIGINAL)
        return self.frame.with_columns(*values).with_columns(path)


@dataclass(frozen=True)
class Block:
    """The rows of a block, and their originals in the order of their rows.

    Attributes:
        version: of the file that was read, see `files.version`.
    """

    frame: pl.DataFrame
    originals: tuple[Original, ...]
    version: tuple[int, int, int] | None = None

    def rows_of(self, original: Original) -> pl.DataFrame:
        """Return the content of an original."""
        import polars as pl

        rows = self.frame.slice(original.first, original.rows)
        return pl.DataFrame([rows.get_column(name) for name in original.columns])

    def still_has(self, original: Original) -> bool:
        """Return whether the rows of an original are what the original held."""
        has_columns = {*original.columns} <= {*self.frame.columns}
        return has_columns and digest(self.rows_of(original)) == original.digest

    def still_has_keys(self, original: Original) -> bool:
        """Return whether the other columns of its rows are what they were, where that is known."""
        rows = self.frame.slice(original.first, original.rows)
        return original.keys in (None, _digest_of_keys(rows, original.columns))

    def is_sound(self, original: Original) -> bool:
        """Return whether all columns of the rows of an original are what they were."""
        return self.still_has(original) and self.still_has_keys(original)

    def without(self, paths: Collection[str]) -> Block:
        """Return the block without the rows of some originals."""
        import polars as pl

        kept = [original for original in self.originals if original.path not in paths]
        if len(kept) == len(self.originals):
            return self
        slices = [self.frame.slice(original.first, original.rows) for original in kept]
        return Block(pl.concat([self.frame.clear(), *slices]), tuple(_renumbered(kept)))


def joined(former: Block | None, contents: Sequence[Content]) -> tuple[Block, list[str]]:
    """Return a block with more originals, and the paths of those that do not fit into it.

    An original does not fit when a column of its has another type than in most others.
    """
    import polars as pl

    schema = _usual_types(contents) if former is None else dict(former.frame.schema)
    originals = [] if former is None else list(former.originals)
    frames = [] if former is None else [former.frame]
    unfit = []
    for content in contents:
        rows = content.rows
        if any(schema.get(name, kind) != kind for name, kind in rows.schema.items()):
            unfit.append(content.path)
            continue
        schema |= dict(rows.schema)
        columns = tuple(content.frame.columns)
        keys = _digest_of_keys(rows, columns)
        originals.append(Original(content.path, content.digest, columns, 0, rows.height, keys))
        frames.append(rows)
    frame = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    return Block(frame, tuple(_renumbered(originals))), unfit


def _usual_types(contents: Sequence[Content]) -> dict[str, pl.DataType]:
    types: dict[str, Counter[pl.DataType]] = {}
    for content in contents:
        for name, kind in content.frame.schema.items():
            types.setdefault(name, Counter())[kind] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in types.items()}


def write(path: Path, block: Block, former: Block | None = None) -> None:
    """Write a block under a name that nobody reads, read it back, and give it its name.

    Args:
        path: its name.
        block: what is written.
        former: what was read of the file that it replaces; None where there must be none.

    Raises:
        DamagedFile: what was read back is not what was written, or another process wrote the
            block meanwhile, as on a shared disk without locks; nothing is changed then.
    """
    with files.writing(path) as temporary:
        _write_groups(temporary, block)
        verify(temporary)
        if originals(temporary) != block.originals or not read(temporary).frame.equals(block.frame):
            raise DamagedFile(f"{path} was not read back as it was written")
        present = files.version(path) if path.exists() else None
        if present != (None if former is None else former.version):
            raise DamagedFile(f"{path} was written by another process meanwhile")


def read(path: Path) -> Block:
    """Read a block.

    Raises:
        FileNotFoundError: there is none.
        DamagedFile: it is no whole block.
    """

    def whole(path: Path) -> Block:
        return Block(parquet.read(path), originals(path), files.version(path))

    return files.read_at_once(path, whole)


def read_where(path: Path, condition: pl.Expr) -> pl.DataFrame:
    """Read the rows of a block for which a condition holds.

    Raises:
        FileNotFoundError: there is none.
        DamagedFile: it is no whole block.
    """
    return parquet.read_where(path, condition)


def originals(path: Path) -> tuple[Original, ...]:
    """Return what a block says of its originals, from its footer.

    Raises:
        FileNotFoundError: there is no such block.
        DamagedFile: it has no such footer.
    """
    return _originals(path, files.version(path))


def verify(path: Path) -> Block:
    """Check that a block has, row by row, what its originals had; return it.

    Raises:
        DamagedFile: naming the first original that is not what it was.
    """
    block = read(path)
    if sum(original.rows for original in block.originals) != block.frame.height:
        raise DamagedFile(f"{path} does not have as many rows as its originals")
    for original in block.originals:
        if not block.still_has(original):
            raise DamagedFile(f"{path} no longer holds what {original.path} held")
        if not block.still_has_keys(original):
            raise DamagedFile(f"{path} no longer says which model, round or day {original.path} is")
    return block


def digest(frame: pl.DataFrame) -> str:
    """Return a hash of a table's columns, types and values in their order.

    It depends on nothing of a file but its content: neither on compression nor on who wrote it.
    """
    import polars as pl

    if frame.height <= _FEW_ROWS:  # for thousands of receipts
        kinds = [(name, str(kind)) for name, kind in frame.schema.items()]
        rows = json.dumps([kinds, frame.rows()], ensure_ascii=False, default=str)
        return hashlib.sha256(rows.encode()).hexdigest()[:32]
    content = hashlib.sha256(f"{frame.height}".encode())
    for column in frame.iter_columns():
        content.update(f"\n{column.name}\n{column.dtype}\n".encode())
        content.update(column.is_null().to_numpy().tobytes())
        kind = column.dtype
        if kind.is_integer() or kind.is_float() or kind.is_temporal() or kind == pl.Boolean:
            values = column.to_physical().fill_null(False if kind == pl.Boolean else 0)
            content.update(values.to_numpy().tobytes())
        else:
            text = column.to_list()
            content.update(json.dumps(text, ensure_ascii=False, default=str).encode())
    return content.hexdigest()[:32]


def _digest_of_keys(rows: pl.DataFrame, columns: Sequence[str]) -> str:
    """Return a hash of the columns of an original's rows in a block that are not its own.

    Each row has the same. Columns of other originals are null.
    """
    import polars as pl

    others = [
        column
        for column in rows.iter_columns()
        if column.name not in columns and column.null_count() < rows.height
    ]
    keys = pl.DataFrame(sorted(others, key=lambda column: column.name))
    return digest(keys if keys.height < 2 else keys.unique(maintain_order=True))


def _renumbered(originals: Iterable[Original]) -> Iterator[Original]:
    first = 0
    for original in originals:
        yield replace(original, first=first)
        first += original.rows


def _write_groups(path: Path, block: Block) -> None:
    """Write a block in groups of rows, of which large originals have their own."""
    import polars as pl
    from pyarrow import parquet as pq

    table = block.frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        first = 0
        for original in block.originals:
            end = original.first + original.rows
            if end - first >= _ROWS_OF_A_GROUP or original.rows >= _ROWS_OF_A_GROUP // 20:
                writer.write_table(table.slice(first, end - first))
                first = end
        if first < table.num_rows or not table.num_rows:
            writer.write_table(table.slice(first))
        writer.add_key_value_metadata({_KEY: _dump(block.originals)})


def _dump(originals: Sequence[Original]) -> bytes:
    columns = list(dict.fromkeys(original.columns for original in originals))
    number = {names: index for index, names in enumerate(columns)}
    rows = [
        [original.path, original.digest, original.rows, number[original.columns]]
        for original in originals
    ]
    keys = [original.keys for original in originals]
    content = {"columns": columns, "originals": rows, "keys": keys}
    return json.dumps(content, ensure_ascii=False).encode()


@lru_cache(maxsize=4096)
def _originals(path: Path, _version: tuple[int, int, int]) -> tuple[Original, ...]:
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        metadata: Mapping[bytes, bytes] = pq.read_metadata(path).metadata or {}
        content: dict[str, Any] = json.loads(metadata[_KEY])
        columns = [tuple(names) for names in content["columns"]]
        rows = content["originals"]
        keys = content.get("keys", [None] * len(rows))
        described = zip(rows, keys, strict=True)
        firsts = accumulate((row[2] for row in rows), initial=0)  # and the end of the last
        return tuple(
            Original(at, digest, columns[n], first, count, of_keys)
            for ((at, digest, count, n, *_), of_keys), first in zip(described, firsts, strict=False)
        )
    except (pa.ArrowException, KeyError, ValueError, TypeError, IndexError) as error:
        raise DamagedFile(f"{path} is no whole block: {error!r}") from error
    except OSError as error:  # pyarrow has no number for a file that is too short
        if error.errno is not None:
            raise
        raise DamagedFile(f"{path} is no whole block: {error}") from error
