"""The practice datasets have the shape of Numerai's files and change when theirs do."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from numebot_dagster.practice.datasets.contents import (
    DATA_FILES,
    DATASET_NAMES,
    dataset_stamp,
    last_opening,
    write_dataset,
)
from numebot_dagster.practice.market.market import Market, Scale

TINY = Scale(
    stocks=400,
    features=60,
    train_eras=12,
    validation_eras=22,
    missing_eras=3,
    benchmark_gap=4,
    meta_model_eras=18,
)
MONDAY = date(2026, 6, 1)
TUESDAY = date(2026, 6, 2)
NEWEST_ERA = 34


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=3, scale=TINY)


@pytest.fixture(scope="module")
def folder(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return every file of both versions, as they are on the first Tuesday."""
    root = tmp_path_factory.mktemp("datasets")
    for name in DATASET_NAMES:
        (root / name).parent.mkdir(exist_ok=True)
        write_dataset(market, name, root / name, TUESDAY, None)
    return root


def written(market: Market, name: str, path: Path, today: date, opened: date | None) -> bytes:
    write_dataset(market, name, path, today, opened)
    return path.read_bytes()


# Names and stamps


def test_the_listing_has_four_versions_newest_first(market: Market) -> None:
    names = DATASET_NAMES
    listed = {
        version: [file for prefix, file in (name.split("/") for name in names) if prefix == version]
        for version in ("v5.3", "v5.2", "v5.1", "v5.0")
    }
    assert listed["v5.0"] == listed["v5.1"] == listed["v5.2"]
    assert names == [f"{version}/{file}" for version in listed for file in listed[version]]
    assert sorted(listed["v5.2"]) == [
        "features.json",
        "live.parquet",
        "live_benchmark_models.parquet",
        "live_example_preds.csv",
        "live_example_preds.parquet",
        "meta_model.parquet",
        "train.parquet",
        "train_benchmark_models.parquet",
        "validation.parquet",
        "validation_benchmark_models.parquet",
        "validation_example_preds.csv",
        "validation_example_preds.parquet",
    ]
    assert listed["v5.3"] == [file for file in listed["v5.2"] if not file.endswith(".csv")]


@pytest.mark.parametrize(
    "name",
    [
        "v5.3/nothing.parquet",
        "v5.3/live_example_preds.csv",
        "v4.3/train.parquet",
        "train.parquet",
        "v5.3/../x",
    ],
)
def test_other_names_are_refused(market: Market, tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyError, match="No dataset is called"):
        write_dataset(market, name, tmp_path / "file", TUESDAY, None)
    with pytest.raises(KeyError, match="No dataset is called"):
        dataset_stamp(market, name, TUESDAY, None)


@pytest.mark.parametrize(
    ("today", "opened"),
    [
        (date(2026, 6, 1), date(2026, 5, 30)),  # Monday
        (date(2026, 6, 2), date(2026, 6, 2)),
        (date(2026, 6, 5), date(2026, 6, 5)),
        (date(2026, 6, 6), date(2026, 6, 6)),
        (date(2026, 6, 7), date(2026, 6, 6)),  # Sunday
    ],
)
def test_rounds_open_from_tuesday_to_saturday(today: date, opened: date) -> None:
    assert last_opening(today) == opened


@pytest.mark.parametrize(
    ("name", "today", "opened", "stamp"),
    [
        ("v5.3/features.json", TUESDAY, None, "release"),
        ("v5.2/train.parquet", date(2027, 1, 1), None, "release"),
        ("v5.3/train_benchmark_models.parquet", TUESDAY, TUESDAY, "release"),
        ("v5.3/validation.parquet", TUESDAY, None, "era-0034"),
        ("v5.3/validation.parquet", date(2026, 6, 7), TUESDAY, "era-0034"),
        ("v5.3/validation.parquet", date(2026, 6, 8), None, "era-0035"),
        ("v5.3/meta_model.parquet", date(2026, 6, 8), None, "era-0035"),
        ("v5.3/validation_example_preds.parquet", date(2026, 6, 8), None, "era-0035"),
        ("v5.2/validation_example_preds.csv", date(2026, 6, 8), None, "era-0035"),
        ("v5.2/live_example_preds.csv", date(2026, 6, 4), TUESDAY, "round-2026-06-02"),
        ("v5.3/live.parquet", TUESDAY, None, "round-2026-06-02"),
        ("v5.3/live.parquet", date(2026, 6, 4), TUESDAY, "round-2026-06-02"),
        ("v5.3/live_benchmark_models.parquet", date(2026, 6, 8), None, "round-2026-06-06"),
    ],
)
def test_stamps(market: Market, name: str, today: date, opened: date | None, stamp: str) -> None:
    assert dataset_stamp(market, name, today, opened) == stamp


@pytest.mark.parametrize("file", DATA_FILES["v5.2"])
def test_bytes_change_exactly_when_the_stamp_does(
    market: Market, tmp_path: Path, file: str
) -> None:
    moments = [
        (MONDAY, None),
        (TUESDAY, None),
        (date(2026, 6, 3), TUESDAY),
        (date(2026, 6, 9), None),
    ]
    name = f"v5.2/{file}"
    stamps = [dataset_stamp(market, name, *moment) for moment in moments]
    contents = [written(market, name, tmp_path / file, *moment) for moment in moments]
    for stamp, content in zip(stamps, contents, strict=True):
        same_stamp = [other == stamp for other in stamps]
        assert [other == content for other in contents] == same_stamp


@pytest.mark.process
def test_another_process_writes_the_same_bytes(
    market: Market, folder: Path, tmp_path: Path
) -> None:
    names = ["v5.3/validation.parquet", "v5.2/live.parquet", "v5.3/meta_model.parquet"]
    program = f"""
from datetime import date
from pathlib import Path
from numebot_dagster.practice.datasets.contents import write_dataset
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.market import Scale
market = Market(seed=3, scale={TINY!r})
for name in {names!r}:
    path = Path({str(tmp_path)!r}) / name.replace("/", "-")
    write_dataset(market, name, path, date(2026, 6, 2), None)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    for name in names:
        other = tmp_path / name.replace("/", "-")
        assert digest(other) == digest(folder / name)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Files


def test_every_reader_sees_the_index_and_the_types(folder: Path) -> None:
    path = folder / "v5.3" / "train.parquet"
    content = json.loads((folder / "v5.3" / "features.json").read_text())
    features, targets = content["feature_sets"]["all"], content["targets"]
    frame = pd.read_parquet(path)
    assert frame.index.name == "id"
    assert list(frame.columns[:2]) == ["era", "data_type"]
    assert list(frame.columns[2:43]) == targets
    assert set(frame.columns[43:]) == set(features)
    assert (frame[features].dtypes == np.int8).all()
    assert (frame[targets].dtypes == np.float32).all()
    assert frame["era"].unique().tolist() == [f"{era:04d}" for era in range(1, 13)]
    assert frame["data_type"].unique().tolist() == ["train"]
    assert frame.index.is_unique
    assert frame.index.str.fullmatch(r"n[0-9a-f]{15}").all()
    in_polars = pl.read_parquet(path)
    assert in_polars.schema["id"] == pl.String
    assert in_polars[features[0]].dtype == pl.Int8
    assert in_polars["id"].to_list() == frame.index.tolist()
    counted = duckdb.sql(f"select era, count(*) from '{path}' group by era order by era").fetchall()
    assert counted == list(frame.groupby("era").size().items())


@pytest.mark.parametrize(("version", "labelled_to"), [("v5.3", 21), ("v5.2", 29)])
def test_validation_follows_train_and_ends_in_test_eras(
    folder: Path, version: str, labelled_to: int
) -> None:
    path = folder / version / "validation.parquet"
    frame = pd.read_parquet(path, columns=["era", "data_type", "target"])
    assert frame["era"].unique().tolist() == [f"{era:04d}" for era in range(13, NEWEST_ERA + 1)]
    assert frame["data_type"].unique().tolist() == ["validation", "test"]
    labelled = frame["data_type"] == "validation"
    assert frame["era"][labelled].max() == f"{labelled_to:04d}"
    assert frame["era"][~labelled].min() == f"{labelled_to + 1:04d}"
    assert (frame["target"].notna() == labelled).all()


@pytest.mark.parametrize(
    ("version", "column", "last_known"),
    [
        ("v5.3", "target", 21),
        ("v5.3", "target_ender_60", 21),
        ("v5.3", "target_alpha_60", 21),
        ("v5.3", "target_ender_20", 29),
        ("v5.3", "target_sam_20", 29),
        ("v5.2", "target", 29),
        ("v5.2", "target_ender_60", 21),
    ],
)
def test_targets_are_nan_until_they_are_known(
    folder: Path, version: str, column: str, last_known: int
) -> None:
    path = folder / version / "validation.parquet"
    labelled = pd.read_parquet(path, columns=["era", column]).groupby("era")[column].count()
    assert labelled.gt(0).tolist() == [era <= last_known for era in range(13, NEWEST_ERA + 1)]


@pytest.mark.parametrize(
    ("version", "same"), [("v5.3", "target_ender_60"), ("v5.2", "target_ender_20")]
)
def test_target_is_an_alias(folder: Path, version: str, same: str) -> None:
    for file in ("train.parquet", "validation.parquet"):
        frame = pd.read_parquet(folder / version / file, columns=["target", same])
        np.testing.assert_array_equal(frame["target"], frame[same])


def test_missing_features_are_two_in_every_row_of_early_eras(folder: Path) -> None:
    frame = pd.read_parquet(folder / "v5.3" / "train.parquet")
    features = [name for name in frame.columns if name.startswith("feature_")]
    constant = frame.groupby("era")[features].nunique().eq(1).sum(axis=1)
    assert constant.tolist() == [8, 8, 8] + [0] * 9  # 12 % of 60


def test_saturdays_live_rows_become_the_era(market: Market, folder: Path, tmp_path: Path) -> None:
    saturday = date(2026, 5, 30)
    write_dataset(market, "v5.3/live.parquet", tmp_path / "live.parquet", saturday, saturday)
    live = pd.read_parquet(tmp_path / "live.parquet")
    validation = pd.read_parquet(folder / "v5.3" / "validation.parquet")
    era = validation[validation["era"] == f"{NEWEST_ERA:04d}"]
    features = [name for name in live.columns if name.startswith("feature_")]
    pd.testing.assert_frame_equal(live[features], era[features])
    assert live["era"].unique().tolist() == ["X"]
    assert live["data_type"].unique().tolist() == ["live"]
    assert list(live.columns) == ["era", "data_type", *features]


def test_weekday_rounds_share_no_id_with_any_other_file(folder: Path) -> None:
    live = pd.read_parquet(folder / "v5.3" / "live.parquet").index
    for file in ("train.parquet", "validation.parquet"):
        assert live.intersection(pd.read_parquet(folder / "v5.3" / file).index).empty
    for file in ("live_benchmark_models.parquet", "live_example_preds.parquet"):
        assert pd.read_parquet(folder / "v5.3" / file).index.equals(live)


def test_a_week_later_one_era_is_new_and_one_is_labelled(
    market: Market, folder: Path, tmp_path: Path
) -> None:
    before = pd.read_parquet(folder / "v5.3" / "validation.parquet")
    later = tmp_path / "later.parquet"
    write_dataset(market, "v5.3/validation.parquet", later, date(2026, 6, 8), None)
    after = pd.read_parquet(later)
    assert after["era"].unique().tolist()[-2:] == ["0034", "0035"]
    both = after.loc[before.index]
    labelled = both["era"] <= "0021"
    pd.testing.assert_frame_equal(both[labelled], before[labelled])
    flipped = both[(both["data_type"] == "validation") & (before["data_type"] == "test")]
    assert flipped["era"].unique().tolist() == ["0022"]
    assert flipped["target"].notna().all()
    features = [name for name in before.columns if name.startswith("feature_")]
    pd.testing.assert_frame_equal(both[features], before[features])


def test_models_of_numerai_and_the_crowd_cover_the_newer_eras(folder: Path) -> None:
    def eras(file: str) -> list[int]:
        return pd.read_parquet(folder / "v5.3" / file)["era"].astype(int).unique().tolist()

    assert eras("train_benchmark_models.parquet") == list(range(5, 13))
    assert eras("validation_benchmark_models.parquet") == list(range(13, NEWEST_ERA + 1))
    assert eras("meta_model.parquet") == list(range(17, NEWEST_ERA + 1))
    meta_model = pd.read_parquet(folder / "v5.3" / "meta_model.parquet")
    assert list(meta_model.columns) == ["era", "data_type", "numerai_meta_model"]
    assert meta_model["numerai_meta_model"].between(0, 1, inclusive="neither").all()


@pytest.mark.parametrize("part", ["validation", "live"])
@pytest.mark.parametrize(
    ("version", "models", "example"),
    [
        ("v5.3", ["v53_lgbm_ender20", "v53_lgbm_ender60"], "v53_lgbm_ender60"),
        (
            "v5.2",
            [
                f"v52_lgbm_{target}{days}"
                for days in (20, 60)
                for target in ("cyrusd", "teager2b", "ender", "jasper")
            ],
            "v52_lgbm_ender20",
        ),
        (
            "v5.1",
            ["v51_lgbm_cyrusd20", "v51_lgbm_teager2b20", "v51_lgbm_cyrusd60"],
            "v51_lgbm_cyrusd20",
        ),
        (
            "v5.0",
            ["v5_lgbm_cyrusd20", "v5_lgbm_teager2b20", "v5_lgbm_cyrusd60"],
            "v5_lgbm_cyrusd20",
        ),
    ],
)
def test_the_example_is_a_benchmark(
    folder: Path, part: str, version: str, models: list[str], example: str
) -> None:
    benchmarks = pd.read_parquet(folder / version / f"{part}_benchmark_models.parquet")
    predictions = pd.read_parquet(folder / version / f"{part}_example_preds.parquet")
    assert list(benchmarks.columns) == ["era", *models]
    assert list(predictions.columns) == ["prediction"]
    pd.testing.assert_series_equal(
        predictions["prediction"], benchmarks[example], check_names=False
    )


@pytest.mark.parametrize("part", ["validation", "live"])
def test_the_older_example_is_there_as_text_too(folder: Path, part: str) -> None:
    path = folder / "v5.2" / f"{part}_example_preds.csv"
    assert path.read_text().startswith("id,prediction\nn")
    table = pd.read_csv(path, index_col="id")
    expected = pd.read_parquet(path.with_suffix(".parquet"))
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, check_exact=True)


@pytest.mark.parametrize(
    ("version", "later", "benchmark"),
    [
        ("v5.2", ["quantum"], "v52_lgbm_ender20"),
        ("v5.1", ["quantum"], "v51_lgbm_cyrusd20"),
        ("v5.0", ["faith", "quantum"], "v5_lgbm_cyrusd20"),
    ],
)
def test_older_versions_lack_later_features(
    folder: Path, version: str, later: list[str], benchmark: str
) -> None:
    newer = json.loads((folder / "v5.3" / "features.json").read_text())["feature_sets"]
    older = json.loads((folder / version / "features.json").read_text())["feature_sets"]
    assert sorted(set(newer) - set(older)) == later
    without = {name for group in later for name in newer[group]}
    assert set(older["all"]) == set(newer["all"]) - without
    columns = pq.read_schema(folder / version / "live.parquet").names
    assert {name for name in columns if name.startswith("feature_")} == set(older["all"])
    assert benchmark in pq.read_schema(folder / version / "live_benchmark_models.parquet").names
    train = pd.read_parquet(
        folder / version / "train.parquet", columns=["target", "target_ender_20"]
    )
    assert train["target"].equals(train["target_ender_20"])


def test_a_file_without_eras_is_refused(market: Market, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no eras yet"):
        write_dataset(
            market, "v5.3/validation.parquet", tmp_path / "file", date(2025, 12, 1), TUESDAY
        )


# The small scale


@pytest.mark.heavy
def test_the_small_scale_is_ready_in_seconds(tmp_path: Path) -> None:
    """A few seconds on a quiet machine; processor time, with room for a slower one."""
    start = time.process_time()
    market = Market(seed=1)
    for file in ("train.parquet", "validation.parquet"):  # the others take less than these together
        write_dataset(market, f"v5.3/{file}", tmp_path / file, TUESDAY, None)
    assert time.process_time() - start < 12
    train = pq.ParquetFile(tmp_path / "train.parquet")
    eras = train.read(["era"]).column("era").to_pylist()
    assert (eras[0], eras[-1]) == ("0503", "0574")  # as Numerai's train file ends
    validation = pq.read_table(tmp_path / "validation.parquet", columns=["era"])["era"].to_pylist()
    assert (validation[0], validation[-1]) == ("0575", "0658")
    assert train.metadata.num_row_groups == 3
    groups = [train.metadata.row_group(i).num_rows for i in range(3)]
    assert groups[:2] == [100_000, 100_000]
    assert eras[99_999] == eras[100_000]  # an era that lies in two row groups
    column = train.metadata.row_group(0).column(60)
    assert column.path_in_schema.startswith("feature_")
    assert column.compression == "SNAPPY"
    assert "RLE_DICTIONARY" in column.encodings
    assert column.total_compressed_size < 0.4 * groups[0]  # three bits a value
