"""Blocks: what they hold of each original, and what shows that it is what it was."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.lake import blocks
from numebot_dagster.lake.blocks import Block, Content, Original
from numebot_dagster.lake.damaged import DamagedFile

NOW = datetime(2026, 9, 3, 12, tzinfo=UTC)
VALUES = st.one_of(
    st.lists(st.none() | st.integers(-9, 9), max_size=25),
    st.lists(st.none() | st.floats(min_value=1), max_size=25),
    st.lists(st.none() | st.text(max_size=3), max_size=25),
    st.lists(st.none() | st.booleans(), max_size=25),
    st.lists(st.none() | st.dates(), max_size=25),
)


def content(path: str, frame: pl.DataFrame, **keys: object) -> Content:
    return Content(path, frame, pl.DataFrame([keys]), (0, 0, 0))


def test_a_block_gives_back_what_it_was_given(tmp_path: Path) -> None:
    frames = {
        "a": pl.DataFrame({"x": [1, None], "at": [NOW, None]}),
        "b": pl.DataFrame({"x": [3], "added_tomorrow": [math.nan]}),
        "nmr": pl.DataFrame({"nmr": [Decimal("1.000000000000000001")] * 20}),
        "empty": pl.DataFrame(schema={"x": pl.Int64, "day": pl.Date}),
        "large": pl.DataFrame({"x": range(30_000)}),
    }
    contents = [content(path, frame, model="007") for path, frame in frames.items()]
    block, unfit = blocks.joined(None, contents)
    assert unfit == []
    path = tmp_path / "block.parquet"
    blocks.write(path, block)
    again = blocks.verify(path)
    assert [original.path for original in again.originals] == list(frames)
    for original in again.originals:
        assert again.rows_of(original).equals(frames[original.path], null_equal=True)
        assert again.rows_of(original).schema == frames[original.path].schema
    assert again.frame["model"].unique().to_list() == ["007"]
    assert blocks.read_where(path, pl.col("x") == 3)[blocks.ORIGINAL].to_list() == ["b", "large"]
    left = again.without({"a", "large"})
    assert [left.rows_of(original).height for original in left.originals] == [1, 20, 0]


def test_an_original_of_another_type_than_most_does_not_fit() -> None:
    odd = content("odd", pl.DataFrame({"x": ["1"]}))
    usual = [content(path, pl.DataFrame({"x": [1]})) for path in ("a", "b")]
    block, unfit = blocks.joined(None, [odd, *usual])
    assert unfit == ["odd"]
    assert [original.path for original in block.originals] == ["a", "b"]
    assert blocks.joined(block, [odd]) == (block, ["odd"])


@given(VALUES, VALUES)
def test_digests_are_equal_for_equal_columns_only(left: list[object], right: list[object]) -> None:
    frames = [pl.Series("x", values, strict=False).to_frame() for values in (left, right)]
    is_same = frames[0].schema == frames[1].schema and frames[0].equals(frames[1])
    assert (blocks.digest(frames[0]) == blocks.digest(frames[1])) == is_same


@pytest.mark.parametrize(
    "change",
    [
        {"x": [2, 1]},
        {"x": [1, None]},
        {"x": [1.0, 2.0]},
        {"y": [1, 2]},
        {"x": [1, 2], "y": [None, None]},
    ],
)
def test_a_digest_changes_with_the_content(change: dict[str, list[object]]) -> None:
    assert blocks.digest(pl.DataFrame(change)) != blocks.digest(pl.DataFrame({"x": [1, 2]}))


def test_the_digest_of_a_content_stays_the_same_in_every_version() -> None:
    frame = pl.DataFrame({"a": ["é", None], "b": [0.1, None], "at": [NOW, None]})
    frame = frame.with_columns(day=pl.lit(date(2026, 9, 3)), ok=pl.Series([True, None]))
    many = pl.concat([frame] * 20)
    assert (blocks.digest(frame), blocks.digest(many)) == DIGESTS


DIGESTS = ("90e28d424eb71432e87e76f9d7b8c3bc", "1231ee7671c1d9a715af3d3a2ef00df6")


@pytest.mark.parametrize("damage", [lambda old: old[:-9], lambda _: b"", lambda _: b"PAR1PAR1"])
def test_a_damaged_block_is_told(tmp_path: Path, damage) -> None:
    path = tmp_path / "block.parquet"
    blocks.write(path, blocks.joined(None, [content("a", pl.DataFrame({"x": [1]}))])[0])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFile, match="whole"):
        blocks.originals(path)


@pytest.mark.parametrize(
    "change",
    [
        {blocks.ORIGINAL: pl.lit("b")},
        {"model": pl.lit("008")},
        {"model": pl.lit(None)},
        {"date": pl.Series([date(2026, 9, 3), date(2026, 9, 4)])},
        {"vintage": pl.lit(1)},
    ],
)
def test_columns_that_are_not_of_the_original_are_proved_too(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "block.parquet"
    keys = {"model": "007", "date": date(2026, 9, 3), "vintage": None}
    block, _ = blocks.joined(None, [content("a", pl.DataFrame({"x": [1, 2]}), **keys)])
    blocks.write(path, block)
    changed = block.frame.with_columns(**change)  # type: ignore[arg-type]
    blocks._write_groups(path, Block(changed, block.originals))
    with pytest.raises(DamagedFile, match="which model, round or day a is"):
        blocks.verify(path)
    [original] = blocks.read(path).originals
    assert blocks.read(path).rows_of(original)["x"].to_list() == [1, 2]


def test_a_block_of_an_earlier_version_proves_no_such_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "block.parquet"
    block, _ = blocks.joined(None, [content("a", pl.DataFrame({"x": [1, 2]}), model="007")])
    dump = blocks._dump

    def as_before(originals: Sequence[Original]) -> bytes:
        footer = json.loads(dump(originals))
        del footer["keys"]
        return json.dumps(footer).encode()

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "_dump", as_before)
        blocks._write_groups(path, block)
    former = blocks.verify(path)
    assert former.originals == (replace(block.originals[0], keys=None),)
    later, _ = blocks.joined(former, [content("b", pl.DataFrame({"x": [3]}), model="008")])
    blocks.write(path, later, former)
    assert [original.keys is None for original in blocks.originals(path)] == [True, False]


def test_a_column_whose_name_is_damaged_is_told(tmp_path: Path) -> None:
    path = tmp_path / "block.parquet"
    block, _ = blocks.joined(None, [content("a", pl.DataFrame({"x": [1]}))])
    blocks._write_groups(path, Block(block.frame.rename({"x": "y"}), block.originals))
    with pytest.raises(DamagedFile, match="no longer holds what a held"):
        blocks.verify(path)


def test_a_block_of_another_process_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "block.parquet"
    block, _ = blocks.joined(None, [content("a", pl.DataFrame({"x": [1]}))])
    blocks.write(path, block)
    former = blocks.read(path)
    blocks.write(path, block, former)
    for seen in (None, former):
        with pytest.raises(DamagedFile, match="by another process meanwhile"):
            blocks.write(path, Block(block.frame.clear(), ()), seen)
    path.unlink()
    with pytest.raises(DamagedFile, match="by another process meanwhile"):
        blocks.write(path, block, former)


def test_rows_that_are_not_those_of_the_original_are_told(tmp_path: Path) -> None:
    path = tmp_path / "block.parquet"
    block, _ = blocks.joined(None, [content("a", pl.DataFrame({"x": [1]}))])
    with pytest.raises(DamagedFile, match="no longer holds what a held"):
        blocks.write(path, Block(block.frame.with_columns(x=pl.lit(2)), block.originals))
    assert list(tmp_path.iterdir()) == []
