"""The shipped models on a little practice-sized data: they learn, and come back the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.modeling.training_data import TrainingFiles
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker.messages import ModelCode, PredictRequest, TrainRequest
from numebot_dagster.modeling.worker.worker import Worker

pytestmark = pytest.mark.process

FEATURES = [f"feature_little_test_{number}" for number in range(20)]
MODELS = {
    "example_model": ("ExampleModel", "model.ubj"),
    "lightgbm_model": ("LightgbmModel", "model.txt"),
}


@dataclass(frozen=True)
class Data:
    files: TrainingFiles
    live: Path
    signal: np.ndarray  # what is to be found in the live rows


def make_rows(eras: list[str], seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    bins = random.integers(0, 5, (len(eras), len(FEATURES)), dtype=np.int8)
    bins[[era == "0001" for era in eras], 4] = 2  # a feature that the first era lacks
    signal = bins[:, 0] - bins[:, 4].astype(float) + (bins[:, 7] == 2)
    noisy = signal + random.normal(0, 3, len(eras))
    target = np.digitize(noisy, np.quantile(noisy, [0.05, 0.25, 0.75, 0.95])) / 4
    frame = pl.DataFrame(
        {
            "id": [f"n{number:015x}" for number in range(len(eras))],
            "era": eras,
            "target": target.astype(np.float32),
            "target_ender_60": target.astype(np.float32),
            **{name: bins[:, index] for index, name in enumerate(FEATURES)},
        }
    )
    return frame, signal


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    train, _ = make_rows([f"{era:04d}" for era in range(1, 25) for _ in range(100)], seed=1)
    live, signal = make_rows(["X"] * 500, seed=2)
    train.write_parquet(folder / "train.parquet")
    live.drop("target", "target_ender_60").write_parquet(folder / "live.parquet")
    (folder / "features.json").write_text(json.dumps({"feature_sets": {"medium": FEATURES}}))
    files = TrainingFiles(folder / "features.json", folder / "train.parquet")
    return Data(files, folder / "live.parquet", signal)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


def code(module: str) -> ModelCode:
    root = str(Path(__file__).parents[2])
    return ModelCode(f"model_code.{module}", MODELS[module][0], (root,))


def train(worker: Worker, module: str, data: Data, folder: Path) -> Path:
    return worker.train(
        TrainRequest(module, code(module), "0123abcd", 1, "v5.3", "stamp", data.files, folder)
    ).folder


@pytest.fixture(scope="module", params=list(MODELS))
def module(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(worker: Worker, module: str, data: Data, tmp_path_factory) -> Path:
    return train(worker, module, data, tmp_path_factory.mktemp(module) / "weights")


@pytest.mark.heavy
def test_the_manifest(module: str, folder: Path) -> None:
    manifest = weight_store.verify(folder)
    assert f"model/{MODELS[module][1]}" in manifest.files
    assert manifest.parameters["trees"] == 2000
    assert manifest.parameters["era_stride"] == 4
    assert manifest.parameters["tree_parameters"]["learning_rate"] == 0.01
    assert {"example_model": "xgboost", "lightgbm_model": "lightgbm"}[module] in (
        manifest.library_versions
    )


@pytest.mark.process
def test_a_model_learns_and_comes_back_the_same(
    worker: Worker, data: Data, module: str, folder: Path
) -> None:
    request = PredictRequest(module, code(module), folder, data.live)
    result = worker.predict(request)
    assert result.canary.largest_difference == 0
    assert np.corrcoef(result.predictions, data.signal)[0, 1] > 0.5

    worker.close()  # another process, another load of the library
    again = worker.predict(request)
    assert again.canary.largest_difference == 0
    np.testing.assert_array_equal(again.predictions, result.predictions)


def test_training_again_gives_the_same_model(
    worker: Worker, data: Data, tmp_path: Path, module: str, folder: Path
) -> None:
    second = train(worker, module, data, tmp_path / "second")
    predictions = [
        worker.predict(PredictRequest(module, code(module), weights, data.live)).predictions
        for weights in (folder, second)
    ]
    np.testing.assert_array_equal(*predictions)
