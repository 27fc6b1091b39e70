"""Damaged files are set aside, and files that were replaced while they were read are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from numebot_dagster.lake import blocks, files, parquet
from numebot_dagster.lake.blocks import Content
from numebot_dagster.lake.damaged import DamagedFile, read_or_set_aside


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    looks = []

    def read(path: Path) -> bytes:
        looks.append(path.read_bytes())
        if len(looks) == 1:
            path.with_name("new").write_bytes(b"newer")
            path.with_name("new").replace(path)
            raise DamagedFile("half of the old one, half of the new one")
        return looks[-1]

    assert read_or_set_aside(path, read) == b"newer"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_replaced_after_it_was_read_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"no parquet")
    read_at_once = files.read_at_once

    def replaced_after(path: Path, read: Callable[[Path], object]) -> object:
        try:
            return read_at_once(path, read)
        except DamagedFile:
            parquet.write(path, pl.DataFrame({"x": [1]}))
            raise

    monkeypatch.setattr(files, "read_at_once", replaced_after)
    frame = read_or_set_aside(path, parquet.read)
    assert frame is not None
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_damaged_file_that_is_gone_costs_nothing_more(tmp_path: Path, gone: str) -> None:
    path = tmp_path / "folder" / "file"
    files.replace_bytes(path, b"no parquet")

    def read(path: Path) -> None:
        path.unlink()
        if gone == "folder":
            path.parent.rmdir()
        raise DamagedFile("no parquet")

    assert read_or_set_aside(path, read) is None


def test_a_damaged_file_is_set_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"no parquet")
    assert read_or_set_aside(path, parquet.read) is None
    assert [item.name for item in tmp_path.iterdir()] == ["file.damaged"]


def test_a_block_is_read_as_it_was_at_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def block_of(*paths: str) -> blocks.Block:
        frame, keys = pl.DataFrame({"x": [1]}), pl.DataFrame([{"model": "m"}])
        return blocks.joined(None, [Content(path, frame, keys, (0, 0, 0)) for path in paths])[0]

    path = tmp_path / "block.parquet"
    blocks.write(path, block_of("a"))
    read = parquet.read

    def replaced_after(path: Path) -> pl.DataFrame:
        frame = read(path)
        monkeypatch.setattr(parquet, "read", read)
        blocks.write(path, block_of("a", "b"), blocks.read(path))
        return frame

    monkeypatch.setattr(parquet, "read", replaced_after)
    block = blocks.read(path)
    assert (block.frame.height, len(block.originals)) == (2, 2)
