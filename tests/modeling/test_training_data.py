"""What a model sees, against the tables that the files were written from."""

from __future__ import annotations

import os
import pickle
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake.matrix import MissingColumns
from numebot_dagster.modeling.columns import UnknownColumn, aligned, resolve_features
from numebot_dagster.modeling.live_data import LiveData, read_inputs, read_live
from numebot_dagster.modeling.training_data import LookAhead, TrainingData

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


def test_chosen_eras_keep_all_arrays_in_step(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",), "all").of_eras({40, 2, 31, 99})
    kept = pl.concat([market.train, market.validation]).filter(
        pl.col("era").is_in(["0002", "0031", "0040"])
    )
    np.testing.assert_array_equal(data.matrix(), kept.select(FEATURES).to_numpy())
    assert data.ids.tolist() == kept["id"].to_list()


def test_eras_follow_each_other_as_slices(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",), "all").every(9)
    walked = list(data.by_era())
    assert [era for era, _ in walked] == [1, 10, 19, 28, 37, 46]
    assert [rows for _, rows in walked] == [slice(n * 60, n * 60 + 60) for n in range(6)]
    assert np.shares_memory(data.matrix(), data.matrix()[walked[2][1]])


def test_eras_whose_rows_do_not_lie_together_are_positions(market, tmp_path: Path) -> None:
    mixed = pl.concat([market.train[40:70], market.train[:10]])  # eras 1, 2 and 1 again
    mixed.write_parquet(tmp_path / "train.parquet")
    files = replace(market.files, train=tmp_path / "train.parquet")
    walked = dict(TrainingData(files, FEATURES, ("target",)).by_era())
    assert walked[1].tolist() == [*range(20), *range(30, 40)]
    assert walked[2] == slice(20, 30)


def test_a_matrix_is_read_once_while_it_is_held(market, tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(market.files.train.read_bytes())
    files = replace(market.files, train=path)
    first = TrainingData(files, FEATURES, ("target",))
    matrix = first.matrix()
    assert not matrix.flags.writeable  # shared between models
    same = TrainingData(files, FEATURES, ("target_agnes_20",)).matrix()
    assert np.shares_memory(same, matrix)
    assert not np.shares_memory(TrainingData(files, FEATURES[:1], ("target",)).matrix(), matrix)
    assert not np.shares_memory(first.every(2).matrix(), matrix)
    part = matrix[:5]  # a view is enough to hold it
    del matrix, same
    assert np.shares_memory(first.matrix(), part)
    other = market.train.with_columns(pl.col(FEATURES[0]) * 0)
    other.write_parquet(path)
    os.utime(path, (1, 1))
    assert (first.matrix()[:, 0] == 0).all()


def test_a_matrix_that_nobody_holds_is_let_go(market) -> None:
    data = TrainingData(market.files, FEATURES, ("target",))
    reference = weakref.ref(data.matrix().base)
    assert reference() is None


def test_tuning_never_sees_the_newest_two_years(market, tmp_path: Path) -> None:
    later = [f"{era:04d}" for era in range(51, 161) for _ in range(3)]
    long = market.train.head(len(later)).with_columns(era=pl.Series(later))
    unknown = pl.col("era").cast(pl.Int32) > 150  # of the 60-day target; the other is known
    long = long.with_columns(
        pl.when(unknown).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("target", "target_ender_60")
    )
    pl.concat([market.validation, long]).write_parquet(tmp_path / "validation.parquet")
    files = replace(market.files, validation=tmp_path / "validation.parquet")

    def eras_of(targets: tuple[str, ...], train_on: str) -> list[int]:
        data = TrainingData(files, FEATURES, targets, train_on).for_tuning()
        return sorted(set(data.eras.tolist()))

    # Labels end at 150: 47 to 150 are held out, 31 to 46 purged for 60 days.
    assert eras_of(("target",), "all") == list(range(1, 31))
    assert eras_of(("target",), "train") == list(range(1, 31))
    # Whatever is tuned on, it will be judged by the 60-day target.
    assert eras_of(("target_agnes_20",), "all") == list(range(1, 31))
    switched = pl.concat([market.validation, long]).with_columns(target=pl.col("target_agnes_20"))
    switched.write_parquet(tmp_path / "validation.parquet")
    market.train.with_columns(target=pl.col("target_agnes_20")).write_parquet(
        tmp_path / "train.parquet"
    )
    files = replace(files, train=tmp_path / "train.parquet")
    # Then labels end at 160: 57 to 160 are held out, and 8 eras purged for 20 days.
    assert eras_of(("target",), "all") == list(range(1, 49))


def test_too_little_for_tuning_is_refused(market) -> None:
    with pytest.raises(
        ValueError, match=r"no era is left .* 104 newest, up to era 46, .* 16 more .* at era 1$"
    ):
        TrainingData(market.files, FEATURES, ("target",), "all").for_tuning()


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
    assert resolve_features(path, "small") == tuple(
        f"feature_plain_simple_{letter}" for letter in "abc"
    )
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


def test_only_the_eras_asked_for_are_read_of_a_long_file(market) -> None:
    ids = market.train["id"].to_numpy()
    eras = market.train["era"].cast(pl.Int16).to_numpy()
    data = TrainingData(market.files, FEATURES, ("target",))
    [name, *_] = data.benchmark_names
    everything = aligned(ids, market.files.benchmarks, name)
    np.testing.assert_array_equal(
        aligned(ids, market.files.benchmarks, name, eras=eras), everything
    )
    # The ids of other eras are not found: their rows are not read.
    newest = np.full_like(eras, eras[-1])
    column = aligned(ids, market.files.benchmarks, name, eras=newest)
    assert np.isnan(column[eras != eras[-1]]).all()
    np.testing.assert_array_equal(column[eras == eras[-1]], everything[eras == eras[-1]])


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


def test_the_matrix_is_the_same_written_either_way_in_both_data_classes(market) -> None:
    training = TrainingData(market.files, FEATURES, ("target",))
    live = LiveData(training.ids, tuple(FEATURES), np.asarray(training.matrix))
    for data in (training, live):
        assert np.shares_memory(data.matrix, data.matrix())
        np.testing.assert_array_equal(data.matrix, data.matrix())
        for computed in (data.matrix @ np.ones(len(FEATURES)), data.matrix + 1.5):
            assert type(computed) is np.ndarray
        assert type(pickle.loads(pickle.dumps(data.matrix))) is np.ndarray
