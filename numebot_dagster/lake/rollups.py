"""Roll up many small files into blocks, and write them again from there.

A roll-up writes a block aside, reads it back, compares it and gives it its name; only then are the
originals removed. A kill leaves originals that a block has as well. Whoever reads takes such rows
once: an original that exists counts, and its copy in a block does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
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


def roll_up(lake: Lake, unit: Unit, result: Result) -> None:
    """Put the originals of a unit into its block, then remove those that are to go.

    A damaged block is set aside; its originals, as far as there are any, make a new one.
    """
    digests = _digests(unit.present)
    fresh = [
        path
        for path in unit.originals
        if path in unit.removed or lake.relative(path) not in digests
    ]
    contents = dict(_contents(lake, unit.table, fresh, result))
    new = [content for content in contents.values() if digests.get(content.path) != content.digest]
    written = _write(unit, new, result) if new else None
    for path in {*unit.present, *filter(None, [written])}:
        digests = _digests([path])
        copied = [
            original
            for original in unit.removed
            if original in contents
            and digests.get(contents[original].path) == contents[original].digest
        ]
        # What was just written was read back.
        if copied and (path == written or read_or_set_aside(path, blocks.verify) is not None):
            for original in copied:
                result.rolled_up += _remove(original, contents[original], unit.kept)


def unroll(lake: Lake, path: Path, result: Result) -> None:
    """Write the originals of a block again, then remove the block.

    An original that exists stays as it is: it was never removed, or is newer.
    """
    block = read_or_set_aside(path, blocks.verify)
    if block is None:
        result.problems.append(f"{path} is damaged: its files cannot be written again")
        return
    for original in block.originals:
        result.restored += _restore(lake, block, original)
    path.unlink()
    with suppress(OSError):  # another block of the round
        path.parent.rmdir()


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
            if original.path in missing:
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
    return {
        path
        for value, asked in by_value.items()
        for block in _blocks_for(lake, table, value)
        for path in asked & paths_in(block)
    }


def _blocks_for(lake: Lake, table: Table, value: str) -> list[Path]:
    """Return the blocks that may have an original of a round, kind or day."""
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
    frame = _frame(path)
    values = _fields_of_path(table, relative)
    types = {name: table.types[name] for name in values}
    if path.suffix == ".json":
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


def _frame(path: Path) -> pl.DataFrame:
    """Read an original: a table, or the text of a JSON file as one of one row."""
    import polars as pl

    if path.suffix == ".json":
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


def _write(unit: Unit, new: Sequence[Content], result: Result) -> Path | None:
    """Write the block of a unit, with what it had before; return its path, if anything fits."""
    former = None
    target = unit.target("")
    if target in unit.present:
        former = read_or_set_aside(target, blocks.read)
    replaced = {content.path for content in new}
    kept = None if former is None else former.without(replaced)
    block, unfit = blocks.joined(kept, new)
    result.problems += [
        f"{path} stays where it is: a column has another type than in earlier files"
        for path in unfit
    ]
    if len(unfit) == len(new):
        return None
    target = unit.target(str(block.frame.schema))
    blocks.write(target, block)
    return target


def _remove(path: Path, content: Content, kept: Collection[Path]) -> bool:
    """Remove an original unless it was written again meanwhile, and the folders it leaves empty."""
    try:
        if files.version(path) != content.version:
            return False
        path.unlink()
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
        DamagedFile: what was read back is not what the original held.
    """
    path = lake.root / original.path
    frame = block.rows_of(original)
    try:
        if path.suffix == ".json":
            files.create_bytes(path, frame[TEXT][0].encode())
        else:
            parquet.create(path, frame)
    except FileExistsError:
        return False
    if blocks.digest(_frame(path)) != original.digest:
        set_aside(path, "it was not written as it had been")
        raise DamagedFile(f"{path} was not read back as it had been")
    return True
