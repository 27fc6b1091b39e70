"""Stored files are compared with their footer, their manifest, or the hash that names them."""

from __future__ import annotations

import polars as pl
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.health import stored_files
from numebot_dagster.submissions import submission_file


def problems(lake):
    return list(filter(None, stored_files.examine(lake)))


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def test_what_work_alone_needs_is_not_looked_at(lake):
    for name in ("locks/requests-1.json", "dagster/runs.json", ".part.parquet.host.1.ab.tmp"):
        (lake.root / name).parent.mkdir(exist_ok=True)
        (lake.root / name).write_text("{")
    assert list(stored_files.examine(lake)) == []


def test_a_cut_table_and_a_cut_record_are_named(lake):
    table, record = lake.round_details(1), lake.alert_file("round-missed", "round-1")
    parquet.write(table, pl.DataFrame({"round": [1]}))
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert problems(lake) == []
    table.write_bytes(table.read_bytes()[:-9])
    record.write_text("{")
    assert [text.split(" is not ")[0] for text in problems(lake)] == [str(record), str(table)]


def test_predictions_are_those_of_their_name(lake):
    ids, values = ["a", "b", "c"], pl.Series([0.25, 0.5, 0.75])
    sha256 = submission_file.prepare(ids, values.to_numpy()).sha256
    path = lake.predictions_file("m", 1, 1, sha256)
    parquet.write(path, pl.DataFrame({"id": ids, "prediction": values}))
    assert problems(lake) == []
    parquet.write(path, pl.DataFrame({"id": ids, "prediction": values.reverse()}))
    assert problems(lake) == [f"{path} does not hold the predictions that its name says"]


def test_weights_are_those_of_their_manifest(fresh_world):
    lake = fresh_world.platform.lake
    assert problems(lake) == []
    weights = next(path for path in lake.all_weights_folders()[0].path.rglob("model/*"))
    weights.write_bytes(b"")
    assert problems(lake) == [f"{weights} is not the file that was stored"]
