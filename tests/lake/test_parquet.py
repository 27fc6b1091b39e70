"""Tables: written at once, and known to be whole."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.lake.parquet import DamagedFile, ParquetFacts

FRAME = pl.DataFrame({"id": [f"n{number}" for number in range(5000)], "prediction": [0.25] * 5000})


def test_a_table_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "model=x" / "round=5" / "a.parquet"
    parquet.write(path, FRAME)
    assert parquet.read(path).equals(FRAME)  # no column from the folder names
    assert parquet.read(path, ["prediction"]).columns == ["prediction"]


def test_a_path_with_wildcards_is_only_a_path(tmp_path: Path) -> None:
    path = tmp_path / "[a]*?" / "b.parquet"
    parquet.write(path, FRAME)
    assert parquet.read(path).equals(FRAME)


def test_creating_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.create(path, FRAME)
    with pytest.raises(FileExistsError):
        parquet.create(path, FRAME.head(1))
    assert parquet.read(path).equals(FRAME)


def test_facts_of_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write(path, FRAME)
    assert parquet.verify(path) == ParquetFacts(
        rows=5000, columns=("id", "prediction"), bytes=path.stat().st_size
    )


def test_an_empty_table_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write(path, FRAME.clear())
    assert parquet.verify(path).rows == 0


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_middle(content: bytes) -> bytes:
    """Return a footer that promises more data than there is."""
    return content[:4] + content[-1000:]


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut, "not a whole Parquet file"),
        (without_middle, "not a whole Parquet file"),
        (lambda content: b"<html>503</html>", "not a whole Parquet file"),
        (lambda content: b"", "not a whole Parquet file"),
    ],
)
def test_damage_is_seen_and_named(tmp_path: Path, damage, text: str) -> None:
    path = tmp_path / "a.parquet"
    parquet.write(path, FRAME)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFile, match=text) as caught:
        parquet.verify(path)
    assert str(path) in str(caught.value)


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write(path, FRAME)
    path.write_bytes(path.read_bytes().replace(b"prediction", b"pred\xfftion"))
    with pytest.raises(DamagedFile, match="not a whole Parquet file"):
        parquet.verify(path)


def test_a_refusal_of_the_system_is_no_damage(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.parquet"
    parquet.write(path, FRAME)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", refuse)
    with pytest.raises(PermissionError):
        parquet.verify(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"none\.parquet does not exist"):
        parquet.verify(tmp_path / "none.parquet")
