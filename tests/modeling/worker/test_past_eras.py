"""Predicting past eras in a worker: blocks, refits on some eras, and what the model is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.live_data import LiveData
from numebot_dagster.modeling.training_data import TrainingData
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker import past_eras
from numebot_dagster.modeling.worker.failures import ModelFailed, ModelTimedOut
from numebot_dagster.modeling.worker.messages import ModelCode, OutOfSampleRequest, TrainRequest
from numebot_dagster.modeling.worker.worker import Worker

pytestmark = pytest.mark.process

MODELS = """
import time
from pathlib import Path
import numpy as np
from numebot_dagster.modeling import LiveData
from numebot_dagster.modeling import NumeraiModel

class First(NumeraiModel):
    feature_set = "small"
    train_on = "all"
    time_budget = 5
    memory_budget = 3
    def train(self, data):
        self.newest = int(data.eras.max())
    def predict(self, data):
        assert type(data) is LiveData and data.matrix.flags.f_contiguous
        assert len(data) == 500 or not data.matrix.flags.writeable  # 500 are the canary
        return data.matrix[:, 0] + data.matrix[:, 1] / 8
    def save(self, folder):
        (folder / "newest").write_text(str(self.newest))
    def load(self, folder):
        self.newest = int((folder / "newest").read_text())

class Slow(First):
    time_budget = 0.4
    def predict(self, data):
        time.sleep(0 if len(data) == 500 else 0.1)
        return super().predict(data)

class Hanging(First):
    time_budget = 0.5
    def predict(self, data):
        time.sleep(0 if len(data) == 500 else 600)
        return super().predict(data)

class Broken(First):
    def predict(self, data):
        return super().predict(data) if len(data) == 500 else np.full(len(data), np.nan)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out_of_sample")
    (folder / "past_models.py").write_text(MODELS)
    return folder


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


def request(worker: Worker, market, folder: Path, name: str, *eras: int) -> OutOfSampleRequest:
    """Ask for eras by weights that were trained on the training file alone."""
    code = ModelCode("past_models", name, (str(folder),))
    trained = folder / name
    if not trained.is_dir():
        worker.train(
            TrainRequest(
                model=name,
                code=code,
                code_hash="00",
                vintage=1,
                data_version="v5.3",
                data_stamp="x",
                files=market.files,
                folder=trained,
                eras=tuple(range(1, 31)),
            )
        )
    return OutOfSampleRequest(name, code, trained, market.files, eras, folder / "out.parquet")


def test_a_training_may_be_kept_to_some_eras(worker, market, folder) -> None:
    request(worker, market, folder, "First")
    manifest = weight_store.read_manifest(folder / "First")
    assert (manifest.first_era, manifest.last_era, manifest.train_eras) == (1, 30, 30)
    assert (folder / "First" / "model" / "newest").read_text() == "30"


def test_every_row_is_predicted_with_or_without_a_label(worker, market, folder) -> None:
    asked = request(worker, market, folder, "First", 46, 47, 31)
    result = worker.predict_out_of_sample(asked)
    expected = market.validation.filter(pl.col("era").is_in(["0031", "0046", "0047"]))
    predictions = parquet.read(asked.predictions)
    assert result.rows == len(predictions) == 180
    assert predictions.schema == {"id": pl.String, "era": pl.Int16, "prediction": pl.Float64}
    assert predictions["id"].equals(expected["id"])
    raw = expected["feature_plain_simple_a"] + expected["feature_plain_simple_b"] / 8
    table = pl.DataFrame({"era": expected["era"], "raw": raw})
    ranks = table.select((pl.col("raw").rank().over("era") - 0.5) / 60)["raw"]
    np.testing.assert_allclose(predictions["prediction"], ranks)
    assert result.canary.largest_difference == 0


def test_the_time_of_a_round_is_given_to_each_era(worker, market, folder) -> None:
    asked = request(worker, market, folder, "Slow", *range(31, 47))
    assert worker.predict_out_of_sample(asked).seconds > 16 * 0.1 > 0.4


def test_a_model_that_hangs_is_stopped(worker, market, folder) -> None:
    with pytest.raises(ModelTimedOut, match="longer than 1 s"):
        worker.predict_out_of_sample(request(worker, market, folder, "Hanging", 31, 32))


def test_predictions_are_checked_as_in_a_round(worker, market, folder) -> None:
    with pytest.raises(ModelFailed, match="60 of 60 predictions are NaN"):
        worker.predict_out_of_sample(request(worker, market, folder, "Broken", 31))


def test_data_of_some_eras(market) -> None:
    data = TrainingData(market.files, ("feature_plain_simple_a",), ("target",), "all")
    some = data.of_eras([29, 31, 50])  # era 50 has no label
    assert sorted(set(some.eras.tolist())) == [29, 31]
    rows = pl.concat([market.train, market.validation]).filter(
        pl.col("era").is_in(["0029", "0031"])
    )
    assert some.ids.tolist() == rows["id"].to_list()
    np.testing.assert_array_equal(some.matrix()[:, 0], rows["feature_plain_simple_a"])


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (100, [(1, 2, 5), (6,)]),
        (99, [(1, 2), (5, 6)]),
        (60, [(1, 2), (5,), (6,)]),
        (1, [(1,), (2,), (5,), (6,)]),
    ],
)
def test_blocks(monkeypatch, limit: int, expected: list[tuple[int, ...]]) -> None:
    monkeypatch.setattr(past_eras, "BLOCK_BYTES", limit)
    monkeypatch.setattr(past_eras, "ROW_BYTES", 4)
    assert list(past_eras.blocks({1: 3, 2: 3, 5: 4, 6: 5}, features=6)) == expected


@given(st.dictionaries(st.integers(1, 2000), st.integers(1, 9000)), st.integers(1, 4000))
def test_blocks_hold_every_era_once_within_the_limit(rows: dict[int, int], features: int) -> None:
    blocks = list(past_eras.blocks(rows, features))
    assert [era for block in blocks for era in block] == list(rows)
    for block in blocks:
        size = sum(rows[era] for era in block) * (features + past_eras.ROW_BYTES)
        assert size <= past_eras.BLOCK_BYTES or len(block) == 1


def test_live_data_have_no_place_for_a_label() -> None:
    assert set(LiveData.__dataclass_fields__) == {
        "ids", "features", "matrix", "benchmarks", "inputs",
    }  # fmt: skip
