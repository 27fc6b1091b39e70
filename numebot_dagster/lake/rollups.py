"""Roll up many small files into blocks, and write them again from there.

A roll-up writes a block aside, reads it back, compares it and gives it its name; only then are the
originals removed. A kill leaves originals that a block has as well. Whoever reads takes such rows
once: an original that exists counts, and its copy in a block does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from numebot_dagster.lake import blocks, files, parquet, tables
from numebot_dagster.lake.blocks import Block, Content, Original
from numebot_dagster.lake.damaged import DamagedFile, read_or_set_aside, set_aside
from numebot_dagster.lake.layout import Lake, path_values
from numebot_dagster.lake.tables import Table

if TYPE_CHECKING:
    import polars as pl

TEXT = "content"
"""The column with the whole text of a JSON file."""
HIDDEN = (blocks.ORIGINAL, TEXT)
"""Columns of blocks that the views leave out."""


@dataclass(frozen=True)
class Unit:
    """Files that become one block.

    Attributes:
        target: returns the path of the block, by the columns that it will have.
        present: the blocks that have files of this kind already.
        removed: those of the originals that are removed once the block has them; the others
            are copied only.
        kept: the folders that stay when they are empty.
    """

    table: Table
    target: Callable[[str], Path]
    present: Sequence[Path]
    originals: Sequence[Path]
    removed: Collection[Path]
    kept: Collection[Path] = ()


@dataclass
class Result:
    """What was done.

    Attributes:
        rolled_up: how many files were removed, because a block has them.
        restored: how many files were written again.
        blocks: how many blocks there are now.
        problems: what was left as it was, and why.
    """

    rolled_up: int = 0
    restored: int = 0
    blocks: int = 0
    problems: list[str] = field(default_factory=list)


def roll_up(
    lake: Lake, unit: Unit, result: Result, written: Callable[[Path], None] = lambda path: None
) -> None:
    """Put the originals of a unit into its block, then remove those that are to go.

    `written` is called with the path of a block before any original of it goes.
    A block that cannot be read is set aside; its originals, as far as there are any, make another.
    """
    digests = _digests(unit.present)
    fresh = [
        path
        for path in unit.originals
        if path in unit.removed or lake.relative(path) not in digests
    ]
    contents = dict(_contents(lake, unit.table, fresh, result))
    if not contents:
        return
    present = {path: read_or_set_aside(path, blocks.read) for path in unit.present}
    checked = _checked(block for block in present.values() if block is not None)
    new = [content for content in contents.values() if _is_new(unit, content, checked, result)]
    if new:
        former = present.get(unit.target(""))
        checked |= _write(unit, former, new, result, written)
    for original in unit.removed:
        content = contents.get(original)
        if content is not None and checked.get(content.path) == content.digest:
            result.rolled_up += _remove(original, content, unit.kept)


def _checked(present: Iterable[Block]) -> dict[str, str | None]:
    """Return the digests of the originals of blocks; none where the rows are not what they were."""
    return {
        original.path: original.digest if block.is_sound(original) else None
        for block in present
        for original in block.originals
    }


def _is_new(
    unit: Unit, content: Content, digests: Mapping[str, str | None], result: Result
) -> bool:
    """Return whether a content is to be written into the block; name it where it must not be.

    Only a table that is rewritten may have a newer content of the same path. Rows that are not what
    they were are replaced, unless another block has them.
    """
    if content.path not in digests:
        return True
    digest = digests[content.path]
    if digest == content.digest:
        return False
    is_mended = digest is None and unit.target("") in unit.present
    is_replaced = unit.table.is_rewritten or is_mended
    if not is_replaced:
        result.problems.append(
            f"{content.path} stays where it is: it is not what was rolled up of it, which counts"
        )
    return is_replaced


def unroll(lake: Lake, path: Path, result: Result) -> None:
    """Write the originals of a block again, then remove the block.

    An original that exists stays as it is where it is sound, or was written again later. The block
    stays where it no longer has what an original held.
    """
    block = read_or_set_aside(path, blocks.read)
    if block is None:
        result.problems.append(f"{path} is damaged: its files cannot be written again")
        return
    table = _table_of(lake, path)
    rotten = [original for original in block.originals if not block.still_has(original)]
    for original in block.originals:
        if original in rotten:
            continue
        digest = None if table.is_rewritten else original.digest
        _set_aside_unless(lake.root / original.path, digest)
        result.restored += _restore(lake, block, original)
    if rotten:
        result.problems += [
            f"{path} stays: it no longer holds what {original.path} held" for original in rotten
        ]
        return
    path.unlink()
    with suppress(OSError):  # another block of the round
        path.parent.rmdir()


def _table_of(lake: Lake, path: Path) -> Table:
    """Return the table whose rows a block has."""
    relative = PurePosixPath(lake.relative(path))
    return next(table for table in tables.TABLES if table.blocks and relative.match(table.blocks))


def _digest_of_file(path: Path) -> str:
    return blocks.digest(_frame(path, is_text=path.suffix == ".json"))


def _set_aside_unless(path: Path, digest: str | None) -> None:
    """Set a file aside that cannot be read, or, where a digest is given, has another content."""
    content = read_or_set_aside(path, _digest_of_file)
    if None not in (content, digest) and content != digest:
        set_aside(path, "it is not what was rolled up of it")


def bring_back(lake: Lake, model_name: str, round_number: int) -> None:
    """Write a model's predictions of a round again, where they were rolled up."""
    for path in lake.predictions_blocks(round_number):
        of_model = (
            original.path
            for original in _originals(path)
            if path_values(original.path)["model"] == model_name
        )
        _bring_back(lake, path, of_model)


def day_file(lake: Lake, table: str, day: date) -> Path:
    """Return the file of a performance table of a day; one that was rolled up is a file again."""
    path = lake.day_file(table, day)
    _bring_back(lake, lake.day_block(table, day), [lake.relative(path)])
    return path


def _bring_back(lake: Lake, path: Path, originals: Iterable[str]) -> None:
    """Write originals of a block again where they are missing."""
    missing = {name for name in originals if not (lake.root / name).exists()} & paths_in(path)
    block = read_or_set_aside(path, blocks.read) if missing else None
    if block is not None:
        for original in block.originals:
            if original.path in missing and block.still_has(original):
                _restore(lake, block, original)


def predictions_files(lake: Lake, model_name: str, round_number: int) -> list[Path]:
    """Return all predictions of a model for a round; those that were rolled up are files again."""
    bring_back(lake, model_name, round_number)
    return lake.predictions_files(model_name, round_number)


def all_blocks(lake: Lake) -> list[Path]:
    """Return every block."""
    patterns = [table.blocks for table in tables.TABLES if table.blocks]
    return sorted(path for pattern in patterns for path in lake.root.glob(pattern))


def in_blocks(lake: Lake, table: Table, paths: Iterable[str]) -> set[str]:
    """Return those of some paths of originals, below the root, that a block has."""
    keys = {"receipts": "round", "predictions": "round", "alerts": "kind"}
    by_value: dict[str, set[str]] = {}
    for path in paths:
        value = path_values(path)[keys.get(table.name, "date")]
        by_value.setdefault(value or "", set()).add(path)
    asked: dict[Path, set[str]] = {}
    for value, of_value in by_value.items():
        for block in _blocks_for(lake, table, value):
            asked.setdefault(block, set()).update(of_value)
    return {path for block, of_block in asked.items() for path in of_block & paths_in(block)}


def _blocks_for(lake: Lake, table: Table, value: str) -> list[Path]:
    """Return the blocks that may have an original of a round, kind or day."""
    if table in (tables.RECEIPTS, tables.PREDICTIONS) and not value.isdecimal():
        return []  # as of a copy that somebody made beside it
    if table is tables.RECEIPTS:
        return [lake.receipts_block(int(value))]
    if table is tables.PREDICTIONS:
        return lake.predictions_blocks(int(value))
    if table is tables.ALERTS:
        return [lake.alerts_block(value)]
    return [lake.day_block(table.name, date.fromisoformat(value))]


def paths_in(path: Path) -> frozenset[str]:
    """Return the paths of the originals that a block has; none where there is no block."""
    return frozenset(original.path for original in _originals(path))


def _originals(path: Path) -> tuple[Original, ...]:
    return read_or_set_aside(path, blocks.originals) or ()


def _digests(present: Iterable[Path]) -> dict[str, str]:
    return {original.path: original.digest for path in present for original in _originals(path)}


def _contents(
    lake: Lake, table: Table, paths: Iterable[Path], result: Result
) -> Iterator[tuple[Path, Content]]:
    """Yield originals with their content; what cannot be read is left and named."""
    for path in paths:
        try:
            yield path, _content(lake, table, path)
        except FileNotFoundError:
            continue
        except (DamagedFile, ValueError) as error:
            result.problems.append(f"{path} is damaged and stays where it is: {error}")


def _content(lake: Lake, table: Table, path: Path) -> Content:
    """Return what an original holds, with what the names of its folders say."""
    import polars as pl

    version, relative = files.version(path), lake.relative(path)
    is_text = path.suffix == ".json"
    frame = _frame(path, is_text=is_text)
    values = _fields_of_path(table, relative)
    types = {name: table.types[name] for name in values}
    if is_text:
        values = _fields(table, frame[TEXT][0])
        types = dict.fromkeys(values, pl.String())
    elif reserved := {*HIDDEN} & {*frame.columns}:
        raise DamagedFile(f"it has a column {reserved.pop()}")
    return Content(relative, frame, pl.DataFrame([values], schema=types), version)


def _fields_of_path(table: Table, relative: str) -> dict[str, object]:
    """Return the values of the folders of a path that are columns of its table."""
    readers: dict[str, Callable[[str], object]] = {"BIGINT": int, "DATE": date.fromisoformat}
    return {
        name: None if value is None else readers.get(table.columns[name], str)(value)
        for name, value in path_values(relative).items()
        if name in table.columns
    }


def _frame(path: Path, *, is_text: bool) -> pl.DataFrame:
    """Read an original: a table, or the text of a JSON file as one of one row."""
    import polars as pl

    if is_text:
        return pl.DataFrame({TEXT: [path.read_bytes().decode()]})
    return parquet.read(path)


def _fields(table: Table, text: str) -> dict[str, object]:
    """Return the promised fields of a JSON record as texts."""
    record = json.loads(text)
    if not isinstance(record, dict):
        raise DamagedFile("it holds no record")
    return {name: _plain(record.get(name)) for name in table.columns}


def _plain(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _write(
    unit: Unit,
    former: Block | None,
    new: Sequence[Content],
    result: Result,
    written: Callable[[Path], None],
) -> dict[str, str]:
    """Write the block of a unit, with what it had before; return the digests of what it has."""
    replaced = {content.path for content in new}
    kept = None if former is None else former.without(replaced)
    block, unfit = blocks.joined(kept, new)
    result.problems += [
        f"{path} stays where it is: a column has another type than in earlier files"
        for path in unfit
    ]
    if len(unfit) == len(new):
        return {}
    target = unit.target(str(block.frame.schema))
    blocks.write(target, block, former)
    written(target)
    return {original.path: original.digest for original in block.originals}


def _remove(path: Path, content: Content, kept: Collection[Path]) -> bool:
    """Remove an original unless it was written again meanwhile, and the folders it leaves empty."""
    try:
        if not files.remove_unless_changed(path, content.version):
            return False
    except FileNotFoundError:
        return False
    for folder in path.parents:
        if folder in kept or "=" not in folder.name:
            break
        try:
            folder.rmdir()
        except OSError:  # it is not empty
            break
    return True


def _restore(lake: Lake, block: Block, original: Original) -> bool:
    """Write an original again where it is missing; return whether it was.

    Raises:
        DamagedFile: what was read back is not what the original held; nothing is written then.
    """
    path = lake.root / original.path
    is_text = path.suffix == ".json"
    frame = block.rows_of(original)
    try:
        with files.writing(path, overwrite=False) as temporary:
            if is_text:
                temporary.write_bytes(frame[TEXT][0].encode())
            else:
                frame.write_parquet(temporary, compression="zstd")
            if blocks.digest(_frame(temporary, is_text=is_text)) != original.digest:
                raise DamagedFile(f"{path} was not read back as it had been")
    except FileExistsError:
        return False
    return True
