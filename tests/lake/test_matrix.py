"""The read into one matrix, against polars' own reading of the same rows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numebot_dagster.lake.matrix import (
    FileReplaced,
    MissingColumns,
    NotABin,
    column_names,
    fill_matrix,
    read_ids,
    read_rows,
    select_rows,
)

FEATURES = [f"feature_{number}" for number in range(150)]  # three blocks, the last one short


def make_frame(eras: list[str], seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    bins = random.integers(0, 5, (len(eras), len(FEATURES)), dtype=np.int8)
    target = random.choice([0.0, 0.25, 0.5, 0.75, 1.0, np.nan], len(eras)).astype(np.float32)
    return pl.DataFrame(
        {"id": [f"n{row:015x}" for row in range(len(eras))], "era": eras}
    ).with_columns(pl.DataFrame(bins, schema=FEATURES), target=target)


ERAS = [f"{era:04d}" for era in range(1, 13) for _ in range(20 + era)]
FRAME = make_frame(ERAS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    FRAME.write_parquet(tmp_path / "train.parquet", row_group_size=37)
    return tmp_path / "train.parquet"


@dataclass(frozen=True)
class Rows:
    matrix: np.ndarray
    ids: np.ndarray
    eras: np.ndarray


def read_matrix(path: Path, features: list[str], **which) -> Rows:
    selection = select_rows(path, **which)
    return Rows(fill_matrix([selection], features), read_ids(selection), selection.eras)


def expected(frame: pl.DataFrame, features: list[str]) -> np.ndarray:
    return frame.select(features).to_numpy()


def test_everything(path: Path) -> None:
    read = read_matrix(path, FEATURES)
    np.testing.assert_array_equal(read.matrix, expected(FRAME, FEATURES))
    assert read.matrix.dtype == np.int8
    assert read.matrix.flags.f_contiguous
    assert read.ids.tolist() == FRAME["id"].to_list()
    assert read.eras.tolist() == [int(era) for era in ERAS]


def test_features_come_in_the_order_asked_for(path: Path) -> None:
    names = ["feature_149", "feature_0", "feature_77"]
    np.testing.assert_array_equal(read_matrix(path, names).matrix, expected(FRAME, names))


def test_chosen_eras(path: Path) -> None:
    kept = FRAME.filter(pl.col("era").is_in(["0002", "0003", "0011"]))
    read = read_matrix(path, FEATURES, keep_eras={2, 11, 3})
    np.testing.assert_array_equal(read.matrix, expected(kept, FEATURES))
    assert read.ids.tolist() == kept["id"].to_list()


def test_labelled_rows_are_those_with_a_value_in_each_column(path: Path) -> None:
    kept = FRAME.filter(pl.col("target").is_not_nan())
    selection = select_rows(path, labelled=["target"])
    assert 0 < len(selection) < len(FRAME)
    np.testing.assert_array_equal(fill_matrix([selection], FEATURES), expected(kept, FEATURES))
    assert read_rows(selection, ["id", "target"]).equals(kept.select("id", "target"))


def test_many_short_runs_are_read_as_well(tmp_path: Path) -> None:
    frame = make_frame(["0001", "0002"] * 3000)  # rows of an era never together
    frame.write_parquet(tmp_path / "a.parquet")
    read = read_matrix(tmp_path / "a.parquet", FEATURES[:3], keep_eras=[2])
    kept = frame.filter(pl.col("era") == "0002")
    np.testing.assert_array_equal(read.matrix, expected(kept, FEATURES[:3]))


def test_several_files_fill_one_matrix(path: Path, tmp_path: Path) -> None:
    other = make_frame(["0013"] * 10, seed=1)
    other.write_parquet(tmp_path / "validation.parquet")
    selections = [
        select_rows(path, keep_eras=[1, 5, 9]),
        select_rows(tmp_path / "validation.parquet"),
    ]
    kept = FRAME.filter(pl.col("era").is_in(["0001", "0005", "0009"]))
    np.testing.assert_array_equal(
        fill_matrix(selections, FEATURES), expected(pl.concat([kept, other]), FEATURES)
    )


def test_no_rows_at_all_and_none_of_one_file(path: Path) -> None:
    nothing = select_rows(path, keep_eras=[99])
    assert len(nothing) == 0
    assert fill_matrix([nothing], FEATURES).shape == (0, len(FEATURES))
    assert read_rows(nothing, ["id"]).height == 0
    picked = fill_matrix([nothing, select_rows(path, keep_eras=[2])], FEATURES)
    kept = FRAME.filter(pl.col("era") == "0002")
    np.testing.assert_array_equal(picked, expected(kept, FEATURES))


_MEASURE = """
import sys
from pathlib import Path
from numebot_dagster.lake.matrix import fill_matrix
from numebot_dagster.lake.matrix import select_rows
from numebot_dagster.modeling.worker.memory import peak_memory_mb
from numebot_dagster.modeling.worker.memory import reset_peak
path, columns = Path(sys.argv[1]), [f"feature_{n}" for n in range(400)]
fill_matrix([select_rows(path, keep_eras=[1])], columns[:2])  # what polars holds once it has run
reset_peak()
held = peak_memory_mb()
matrix = fill_matrix([select_rows(path, keep_eras=range(1, 101, int(sys.argv[2])))], columns)
print(matrix.nbytes / 1e6, peak_memory_mb() - held)
"""


@pytest.mark.process
def test_the_peak_of_memory_is_the_matrix_and_a_block(tmp_path: Path) -> None:
    rows = 400_000  # 160 MB of features; a block of them is 16 MB
    bins = pl.Series(np.random.default_rng(0).integers(0, 5, rows, dtype=np.int8))
    eras = np.repeat([f"{era:04d}" for era in range(1, 101)], rows // 100)
    features = {f"feature_{number}": bins for number in range(400)}
    pl.DataFrame({"era": eras, **features}).write_parquet(
        tmp_path / "a.parquet", row_group_size=90_000, compression="uncompressed"
    )
    for every, size in ((1, 160.0), (5, 32.0)):
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, tmp_path / "a.parquet", str(every)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        matrix, grown = map(float, done.stdout.split())
        assert matrix == size
        assert matrix <= grown < matrix + 60


def test_picked_rows(path: Path) -> None:
    selection = select_rows(path, keep_eras=[4, 7])
    picked = selection.pick(np.array([0, 1, 5, len(selection) - 1]))
    kept = FRAME.filter(pl.col("era").is_in(["0004", "0007"]))[[0, 1, 5, len(selection) - 1]]
    np.testing.assert_array_equal(fill_matrix([picked], FEATURES), expected(kept, FEATURES))
    assert picked.eras.tolist() == [4, 4, 4, 7]


def test_the_live_era(tmp_path: Path) -> None:
    make_frame(["X"] * 5).write_parquet(tmp_path / "live.parquet")
    assert read_matrix(tmp_path / "live.parquet", FEATURES).eras.tolist() == [0] * 5


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path, newer = tmp_path / "features.parquet", tmp_path / "newer"
    for names in (FEATURES[:3], FEATURES[3:6]):
        FRAME.select("era", *names).write_parquet(newer)
        newer.replace(path)
        assert column_names(path) == ["era", *names]
        expected = FRAME.select(names).to_numpy()
        np.testing.assert_array_equal(fill_matrix([select_rows(path)], names), expected)


def test_rows_that_a_file_has_lost_since_are_no_zeros(tmp_path: Path) -> None:
    path = tmp_path / "features.parquet"
    FRAME.write_parquet(path)
    whole = select_rows(path)
    some = whole.pick(np.arange(0, len(whole), 2))
    FRAME.head(50).write_parquet(path)
    for selection in (whole, some):
        with pytest.raises(
            FileReplaced, match=r"features\.parquet has changed .* no longer has \d+ rows"
        ):
            fill_matrix([selection], FEATURES[:3])
        with pytest.raises(FileReplaced):
            read_rows(selection, ["target"])


def test_missing_features_are_named(path: Path) -> None:
    with pytest.raises(MissingColumns, match=r"lacks 2 of .*: feature_new, feature_newer$"):
        read_matrix(path, ["feature_0", "feature_new", "feature_newer"])


@pytest.mark.parametrize(
    ("column", "bins"),
    [
        (pl.Series([0, 4, 2], dtype=pl.Int32), [0, 4, 2]),
        (pl.Series([0, 4, None], dtype=pl.Int8), [0, 4, 2]),
        (pl.Series([0.0, 4.0, float("nan")], dtype=pl.Float32), [0, 4, 2]),
        (pl.Series([0.0, 4.0, None], dtype=pl.Float64), [0, 4, 2]),
        (pl.Series([3, 1, 0], dtype=pl.UInt8), [3, 1, 0]),
    ],
)
def test_other_encodings_of_bins(tmp_path: Path, column: pl.Series, bins: list[int]) -> None:
    frame = pl.DataFrame({"id": ["a", "b", "c"], "era": ["X"] * 3, "feature_a": column})
    frame.write_parquet(tmp_path / "a.parquet")
    assert read_matrix(tmp_path / "a.parquet", ["feature_a"]).matrix.tolist() == [[b] for b in bins]


@pytest.mark.parametrize(
    "packing",
    [
        {"use_dictionary": False},
        {"use_dictionary": False, "compression": "none", "write_statistics": False},
        {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"},
        {"use_dictionary": True, "compression": "zstd", "data_page_version": "2.0"},
        {"use_dictionary": True, "compression": "gzip", "data_page_size": 64},
        {"use_dictionary": True, "dictionary_pagesize_limit": 1},  # falls back within a column
    ],
    ids=str,
)
def test_other_packings_of_the_file(tmp_path: Path, packing: dict) -> None:
    from pyarrow import parquet as pq

    numbers = FRAME.select(pl.col("era").cast(pl.Int32), *FEATURES[:20]).to_arrow()
    path = tmp_path / "a.parquet"
    pq.write_table(numbers, path, row_group_size=53, **packing)
    read = fill_matrix([select_rows(path, keep_eras=[3, 4, 9])], FEATURES[:20])
    kept = FRAME.filter(pl.col("era").is_in(["0003", "0004", "0009"]))
    np.testing.assert_array_equal(read, expected(kept, FEATURES[:20]))


@pytest.mark.parametrize("values", [[0.5, 1.0, 2.0], [0, 1, 300], ["a", "b", "c"]])
def test_what_is_no_bin_is_refused_by_name(tmp_path: Path, values: list) -> None:
    frame = pl.DataFrame({"id": ["a", "b", "c"], "era": ["X"] * 3, "feature_a": values})
    frame.write_parquet(tmp_path / "a.parquet")
    with pytest.raises(NotABin, match=r"a\.parquet: feature_a is not a feature"):
        read_matrix(tmp_path / "a.parquet", ["feature_a"])


def test_an_index_column_of_pandas_is_the_id(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"era": ["0001"], "feature_a": np.array([3], dtype=np.int8)},
        index=pd.Index(["n1"], name="id"),
    )
    frame.to_parquet(tmp_path / "a.parquet")
    read = read_matrix(tmp_path / "a.parquet", ["feature_a"])
    assert (read.ids.tolist(), read.matrix.tolist()) == (["n1"], [[3]])


@settings(max_examples=40, deadline=None)
@given(
    eras=st.lists(st.integers(1, 6), min_size=1, max_size=60),
    keep=st.none() | st.sets(st.integers(1, 7)),
    group=st.integers(1, 70),
)
def test_any_layout_and_selection(eras: list[int], keep: set[int] | None, group: int) -> None:
    frame = make_frame([f"{era:04d}" for era in eras])
    left = sorted(set(eras) if keep is None else set(eras) & keep)
    kept = frame.filter(pl.col("era").is_in([f"{era:04d}" for era in left]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.parquet")
        frame.write_parquet(path, row_group_size=group)
        read = read_matrix(path, FEATURES[:5], keep_eras=keep)
    np.testing.assert_array_equal(read.matrix, expected(kept, FEATURES[:5]))
    assert read.ids.tolist() == kept["id"].to_list()
