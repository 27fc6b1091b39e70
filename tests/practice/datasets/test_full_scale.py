"""The full scale: its counts as published, and its files as they are made, on fewer eras."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from benchmarks import stand_in
from numebot_dagster.practice import creation
from numebot_dagster.practice.datasets import packing
from numebot_dagster.practice.datasets.contents import write_dataset
from numebot_dagster.practice.datasets.files import Library
from numebot_dagster.practice.datasets.packing import Making
from numebot_dagster.practice.market.market import FULL, SMALL, Market, Scale
from numebot_dagster.practice.market.universe import Growth
from numebot_dagster.practice.rules.lineup import Lineups

MONDAY = date(2026, 6, 1)
# The same way of making files on a market that is soon made.
SLIM = Scale(
    stocks=300,
    features=60,
    train_eras=20,
    validation_eras=18,
    missing_eras=3,
    benchmark_gap=4,
    meta_model_eras=10,
    shares=(0.33, 0.86),
)


def test_the_published_counts() -> None:
    """Rows and eras of v5.3 as counted in August 2026, to within two in a hundred."""
    market = Market(0, FULL)
    assert FULL.is_large
    assert not SMALL.is_large
    rows = [len(market.stock_of(market.saturday_of(era))) for era in range(1, 575, 7)]
    assert rows[0] == pytest.approx(2_314, rel=0.02)
    assert max(rows) == pytest.approx(6_009, rel=0.02)
    assert np.mean(rows) == pytest.approx(4_784, rel=0.02)
    assert np.median(rows) == pytest.approx(4_923, rel=0.02)
    later = [len(market.stock_of(market.saturday_of(era))) for era in range(575, 1232, 9)]
    assert np.mean(later) == pytest.approx(6_250, rel=0.02)
    assert len(market.stock_of(date(2026, 6, 2))) == pytest.approx(6_900, rel=0.02)
    assert market.last_validation_era(MONDAY) == 574 + 657
    assert market.last_validation_era(MONDAY + timedelta(days=7)) == 574 + 658


def test_the_published_feature_sets() -> None:
    sets = Market(0, FULL).features_json()["feature_sets"]
    assert {name: len(members) for name, members in sets.items()} == {
        "small": 42, "medium": 780, "all": 3_555, "v2_equivalent_features": 304,
        "v3_equivalent_features": 1_000, "fncv3_features": 400, "intelligence": 35,
        "charisma": 290, "strength": 135, "dexterity": 51, "constitution": 335, "wisdom": 140,
        "agility": 145, "serenity": 95, "sunshine": 325, "rain": 666, "midnight": 244,
        "faith": 372, "quantum": 807,
    }  # fmt: skip


def test_growth_turns_at_the_end_of_the_train_file() -> None:
    growth = Growth(first=0.3, middle=0.8, begins=10, turning=1010, full=2010)
    days = growth.day_of(np.array([0.0, 0.3, 0.55, 0.8, 0.825, 1.0]))
    assert days == pytest.approx([10, 10, 10 + 0.25 * 1000, 1010, 1510, 2010])


# --- files ------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process."""


def make(path: Path, name: str, parts: Path | None, today: date = MONDAY, stop: int = 0) -> int:
    """Write a file and return how many eras had to be computed; killed after ``stop`` eras."""
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if stop and len(seen) == stop:
            raise Killed

    making = Making(progress, parts=parts, keep_parts=name.endswith("validation.parquet"))
    write_dataset(Market(3, SLIM), name, path, today, None, making=making)
    return sum(later - earlier == 1 for earlier, later in zip([0, *seen], seen, strict=False))


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    name, parts = "v5.3/train.parquet", tmp_path / "parts"
    make(tmp_path / "whole.parquet", name, None)
    with pytest.raises(Killed):
        make(tmp_path / "a.parquet", name, parts, stop=12)
    kept = sorted(path.name for path in parts.glob("*.parquet"))
    assert kept == ["0001-0007-7-7.parquet"]
    assert make(tmp_path / "a.parquet", name, parts) == SLIM.train_eras - 7
    assert pl.read_parquet(tmp_path / "a.parquet").equals(
        pl.read_parquet(tmp_path / "whole.parquet")
    )
    assert not list(parts.iterdir())


def test_parts_are_joined_in_large_row_groups_that_cut_eras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LARGE_ROW_GROUP", 1_000)
    make(tmp_path / "whole.parquet", "v5.3/train.parquet", None)
    make(tmp_path / "a.parquet", "v5.3/train.parquet", tmp_path / "parts")
    assert pl.read_parquet(tmp_path / "a.parquet").equals(
        pl.read_parquet(tmp_path / "whole.parquet")
    )
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        groups = [
            file.metadata.row_group(number).num_rows
            for number in range(file.metadata.num_row_groups)
        ]
        eras = file.read(["era"]).column("era").to_pylist()
    assert groups[:-1] == [1_000] * (len(eras) // 1_000)
    assert groups[-1] == len(eras) % 1_000
    assert eras[999] == eras[1_000]


def test_large_row_groups_are_those_that_pandas_writes(tmp_path: Path) -> None:
    rows = pd.DataFrame({"feature": np.zeros(packing.LARGE_ROW_GROUP + 1, dtype=np.int8)})
    rows.to_parquet(tmp_path / "a.parquet")
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        assert file.metadata.row_group(0).num_rows == packing.LARGE_ROW_GROUP
        assert file.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_a_week_costs_the_newest_parts_only(tmp_path: Path) -> None:
    name, parts = "v5.3/validation.parquet", tmp_path / "parts"
    assert make(tmp_path / "a.parquet", name, parts) == SLIM.validation_eras
    week = MONDAY + timedelta(days=7)
    made = make(tmp_path / "b.parquet", name, parts, today=week)
    assert 0 < made < SLIM.validation_eras
    make(tmp_path / "whole.parquet", name, None, today=week)
    whole = pl.read_parquet(tmp_path / "whole.parquet")
    assert pl.read_parquet(tmp_path / "b.parquet").equals(whole)
    assert whole["era"].n_unique() == SLIM.validation_eras + 1


class LargeScale(Scale):
    """Files are made ahead, as at full scale."""

    is_large = True


def test_the_files_made_ahead_are_enough_for_the_benchmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slim = LargeScale(**{field.name: getattr(SLIM, field.name) for field in fields(Scale)})
    monkeypatch.setitem(creation.SCALES, "slim", slim)
    tournament = creation.open_tournament(tmp_path, creation.Plan(scale="slim"))
    Library(tournament, Lineups(tournament)).prepare(lambda name, done, total: None)
    source = stand_in.find(tmp_path, "all")
    assert len(source.features) == SLIM.features
    assert set(source.features) < set(pq.ParquetFile(source.path).schema_arrow.names)


@pytest.mark.heavy
def test_features_are_dictionaries_of_three_bits(tmp_path: Path) -> None:
    path = tmp_path / "live.parquet"
    write_dataset(Market(0, replace(FULL, train_eras=2, validation_eras=20)), "v5.3/live.parquet",
                  path, MONDAY, None)  # fmt: skip
    with pq.ParquetFile(path) as file:
        rows, columns = file.metadata.num_rows, file.metadata.num_columns
        chunk = file.metadata.row_group(0).column(2)
        assert chunk.physical_type == "INT32"
        assert str(file.schema.column(2).logical_type) == "Int(bitWidth=8, isSigned=true)"
        assert "RLE_DICTIONARY" in chunk.encodings
        assert chunk.total_compressed_size < 0.5 * rows
        assert chunk.compression == "SNAPPY"
    assert columns == 3_555 + 3  # era, data_type and id beside the features
    assert 10e6 < path.stat().st_size < 14e6


_MEASURE = """
import resource, sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from numebot_dagster.practice.datasets.contents import write_dataset
from numebot_dagster.practice.datasets.packing import Making
from numebot_dagster.practice.market.market import FULL, Market
scale = replace(FULL, train_eras=2, validation_eras=20, shares=None)
folder = Path(sys.argv[1])
making = Making(parts=folder / "parts")
write_dataset(Market(0, scale), "v5.3/train.parquet", folder / "t", date(2026, 6, 1), None,
              making=making)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


@pytest.mark.process
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Of all features and few eras: one era is held, and when parts are joined, one row group."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 2.0
    assert time.monotonic() - started < 60
