"""What a model sees, against the tables that the files were written from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake.matrix import MissingColumns
from numebot_dagster.modeling.data import (
    LookAhead,
    TrainingData,
    UnknownColumn,
    read_inputs,
    read_live,
    resolve_features,
)

FEATURES = ["feature_plain_simple_d", "feature_plain_simple_a"]


def test_training_rows_of_the_train_file(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",))
    assert len(data) == 1800
    np.testing.assert_array_equal(data.matrix(), market.train.select(FEATURES).to_numpy())
    assert data.matrix().dtype == np.int8
    assert data.matrix().flags.f_contiguous
    assert data.ids.tolist() == market.train["id"].to_list()
    assert data.eras.tolist() == market.train["era"].cast(pl.Int32).to_list()
    np.testing.assert_array_equal(data.target(), market.train["target"].to_numpy())
    assert data.target().dtype == np.float32


def test_labels_are_chosen_by_value_and_not_by_data_type(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",), "all")
    assert sorted(set(data.eras.tolist())) == list(range(1, 47))
    later = TrainingData(market.files, FEATURES, ("target_agnes_20",), "all")
    assert sorted(set(later.eras.tolist())) == list(range(1, 51))
    both = TrainingData(market.files, FEATURES, ("target_agnes_20", "target"), "all")
    assert len(both) == len(data)
    assert not np.isnan(both.target("target")).any()


def test_thinning_keeps_all_arrays_in_step(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",), "all").every(7)
    kept = pl.concat([market.train, market.validation]).filter(
        pl.col("era").is_in([f"{era:04d}" for era in range(1, 47, 7)])
    )
    assert sorted(set(data.eras.tolist())) == [1, 8, 15, 22, 29, 36, 43]
    np.testing.assert_array_equal(data.matrix(), kept.select(FEATURES).to_numpy())
    np.testing.assert_array_equal(data.target(), kept["target"].to_numpy())
    assert data.ids.tolist() == kept["id"].to_list()


def test_picking_rows_across_both_files(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",), "all")
    positions = np.array([0, 7, 1799, 1800, 2000])
    picked = data.pick(positions)
    np.testing.assert_array_equal(picked.matrix(), data.matrix()[positions])
    assert picked.ids.tolist() == data.ids[positions].tolist()


def test_benchmarks_are_aligned_by_id_and_absent_in_early_eras(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",))
    benchmark = data.benchmark("v53_lgbm_ender60")
    assert data.benchmark_names == ("v53_lgbm_ender60",)
    assert np.isnan(benchmark[data.eras < 9]).all()
    later = data.eras >= 9
    np.testing.assert_array_equal(benchmark[later], data.matrix()[later, 0] / 4)


def test_the_meta_model_is_for_scoring_only(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",), "all")
    with pytest.raises(LookAhead, match="not known until a round has closed"):
        data.benchmark("numerai_meta_model")
    assert np.nanmax(data.meta_model) == 0.5
    assert np.isnan(data.meta_model).sum() == len(data) - 60  # era 46 alone has one and a label


def test_what_the_bare_target_is(market, tmp_path: Path) -> None:
    assert (
        TrainingData(market.files, FEATURES, ("target",), "all").what_target_is()
        == "target_ender_60"
    )
    switched = market.train.with_columns(target=pl.col("target_agnes_20"))
    switched.write_parquet(tmp_path / "train.parquet")
    files = replace(market.files, train=tmp_path / "train.parquet")
    assert TrainingData(files, FEATURES, ("target",)).what_target_is() == "target_agnes_20"
    nothing = market.train.with_columns(target=pl.col("target") / 2)
    nothing.write_parquet(tmp_path / "train.parquet")
    assert TrainingData(files, FEATURES, ("target",)).what_target_is() is None


def test_unknown_names_are_refused_with_the_known_ones(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",))
    with pytest.raises(UnknownColumn, match="`targets`"):
        data.target("target_ender_60")
    with pytest.raises(UnknownColumn, match="there are: v53_lgbm_ender60"):
        data.benchmark("v99")
    with pytest.raises(MissingColumns, match="target_none"):
        TrainingData(market.files, FEATURES, ("target_none",))
    with pytest.raises(UnknownColumn, match="no validation"):
        TrainingData(replace(market.files, validation=None), FEATURES, ("target",), "all")
    without_meta = TrainingData(replace(market.files, meta_model=None), FEATURES, ("target",))
    with pytest.raises(UnknownColumn, match="no meta model"):
        _ = without_meta.meta_model


def test_features_of_a_set_or_by_name(market) -> None:
    path = market.files.features
    assert resolve_features(path, "small") == tuple(f"feature_plain_simple_{one}" for one in "abc")
    assert resolve_features(path, FEATURES) == tuple(FEATURES)
    with pytest.raises(UnknownColumn, match="there are: small, medium, all"):
        resolve_features(path, "huge")
    with pytest.raises(UnknownColumn, match="numerai_meta_model"):
        resolve_features(path, [*FEATURES, "numerai_meta_model"])
    with pytest.raises(UnknownColumn, match="target"):
        resolve_features(path, ["target"])


def test_live_data(market) -> None:
    table = pl.read_parquet(market.live)
    live = read_live(market.live, FEATURES, market.live_benchmarks)
    assert len(live) == 200
    assert live.ids.tolist() == table["id"].to_list()
    np.testing.assert_array_equal(live.matrix, table.select(FEATURES).to_numpy())
    np.testing.assert_array_equal(live.benchmarks["v53_lgbm_ender60"], live.matrix[:, 0] / 4)
    assert not live.matrix.flags.writeable  # shared between models
    frame = live.to_pandas()
    assert (frame.index.name, frame.columns.tolist()) == ("id", FEATURES)
    frame.iloc[0, 0] = 9  # a copy: the next model still sees the data
    assert live.matrix.max() == 4


def test_live_data_without_benchmarks(market) -> None:
    assert read_live(market.live, FEATURES).benchmarks == {}


def test_inputs_are_aligned_by_id(market, tmp_path: Path) -> None:
    ids = read_live(market.live, FEATURES).ids
    values = np.linspace(0, 1, len(ids))
    frame = pl.DataFrame({"id": ids, "prediction": values}, schema_overrides={"id": pl.String})
    frame.reverse().write_parquet(tmp_path / "a.parquet")
    inputs = read_inputs(ids, {"a": tmp_path / "a.parquet"})
    np.testing.assert_array_equal(inputs["a"], values)
    frame.head(150).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(UnknownColumn, match="input a lack 50 of 200"):
        read_inputs(ids, {"a": tmp_path / "a.parquet"})
