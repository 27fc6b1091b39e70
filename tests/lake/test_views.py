"""Views over originals and blocks: which files are opened, and what is repeated."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from numebot_dagster.lake import catalog, parquet, tables, views
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.health import upkeep
from numebot_dagster.operations.health.upkeep import Settled
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Receipt

WHAT = Settled(frozenset({1, 2, 3}), frozenset({1, 2, 3}), date(2026, 9, 3))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def predict(lake: Lake, number: int, **more: object) -> Path:
    path = lake.predictions_file("m", number, 1, f"ff{number}")
    parquet.write(path, pl.DataFrame({"id": ["a"], "prediction": [0.5], **more}))
    return path


def damage(path: Path) -> None:
    path.write_bytes(b"no parquet")


@pytest.mark.parametrize("rolled_up", [False, True])
def test_predictions_of_one_round_open_one_rounds_files(lake: Lake, rolled_up: bool) -> None:
    paths = [predict(lake, number) for number in (1, 2, 3)]
    if rolled_up:
        upkeep.roll_up(lake, WHAT)
        paths = [lake.predictions_blocks(number)[0] for number in (1, 2, 3)]
    opened = paths[2] if not rolled_up else paths[0]  # the columns are read from one file
    for path in {*paths} - {opened, paths[1]}:
        damage(path)
    assert catalog.query(lake, "select id from predictions where round = 2")["id"].to_list() == [
        "a"
    ]
    assert len(list(lake.root.rglob("*.damaged"))) == 0


@pytest.mark.parametrize("rolled_up", [False, True])
def test_columns_of_a_newer_writer_are_kept(lake: Lake, rolled_up: bool) -> None:
    predict(lake, 1)
    predict(lake, 2, added_tomorrow=[7])
    predict(lake, 3)
    if rolled_up:
        upkeep.roll_up(lake, WHAT)
    else:  # the newest file tells the columns of a uniform table
        predict(lake, 3, added_tomorrow=[None])
    rows = catalog.query(lake, "select round, added_tomorrow from predictions order by 1").rows()
    assert rows == [(1, None), (2, 7), (3, None)]


def test_a_query_that_misses_a_file_is_repeated(lake: Lake) -> None:
    for number in (1, 2, 3):
        predict(lake, number)
    used = []

    def use(answer: duckdb.DuckDBPyRelation | None) -> int:
        used.append(answer)
        assert answer is not None
        if len(used) == 1:
            upkeep.roll_up(lake, WHAT)
        return len(answer.fetchall())

    assert catalog.run(lake, "from predictions", use) == 3
    assert len(used) == 2


@pytest.mark.parametrize("view", ["receipts", "scores"])
def test_a_block_that_is_replaced_before_it_is_read_doubles_no_row(lake: Lake, view: str) -> None:
    def write(number: int) -> None:
        receipts.append(lake, Receipt("m", number))
        score = pl.DataFrame({"model": ["m"], "value": [0.5]})
        parquet.write(lake.day_file("scores", date(2026, 8, number)), score)

    def rows(answer: duckdb.DuckDBPyRelation | None) -> int:
        upkeep.roll_up(lake, WHAT)
        assert answer is not None
        return len(answer.fetchall())

    write(1)
    upkeep.roll_up(lake, WHAT)
    for number in (2, 3):
        write(number)
        copy = Settled(frozenset(), WHAT.closed, WHAT.today)
        assert catalog.run(lake, f"from {view}", rows) == number
    receipts.append(lake, Receipt("m", 3))  # its block is replaced, but it stays
    with catalog.connect(lake) as connection:
        upkeep.roll_up(lake, copy)
        assert len(connection.execute("from receipts").fetchall()) == 4


def test_a_footer_that_duckdb_does_not_understand_once_is_no_damage(lake: Lake) -> None:
    predict(lake, 1)
    calls = []

    def use(answer: duckdb.DuckDBPyRelation | None) -> int:
        calls.append(answer)
        assert answer is not None
        if len(calls) == 1:
            raise duckdb.Error("TProtocolException: Invalid data")
        return len(answer.fetchall())

    assert catalog.run(lake, "from predictions", use) == 1
    assert list(lake.root.rglob("*.damaged")) == []


def test_a_listing_is_of_one_moment(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        predict(lake, number)
    files = views._files

    def late(connection: duckdb.DuckDBPyConnection, where: Lake, pattern: str) -> list[str]:
        paths = files(connection, where, pattern)
        if pattern == tables.PREDICTIONS.blocks and not paths:
            upkeep.roll_up(lake, WHAT)
        return paths

    monkeypatch.setattr(views, "_files", late)
    with duckdb.connect() as connection:
        listing = views.listing(connection, lake, tables.PREDICTIONS)
    assert (len(listing.originals), len(listing.blocks)) == (0, 3)
