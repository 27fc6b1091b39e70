"""Make small files of the shape of v5.3, and models that behave in every way a model can."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.modeling.training_data import TrainingFiles
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker.messages import (
    ModelCode,
    PredictRequest,
    PredictResult,
    TrainRequest,
)
from numebot_dagster.modeling.worker.worker import Worker

FEATURES = [f"feature_plain_simple_{letter}" for letter in "abcdefghij"]
MEDIUM = FEATURES[:6]
ROWS = 60  # per era
TRAIN_ERAS = range(1, 31)
VALIDATION_ERAS = range(31, 51)
TEST_ERAS = range(47, 51)  # their 60-day targets are not known yet
BENCHMARK_ERAS = range(9, 51)


@dataclass(frozen=True)
class Market:
    """The files, and the whole tables that they were written from."""

    files: TrainingFiles
    train: pl.DataFrame
    validation: pl.DataFrame
    live: Path
    live_benchmarks: Path


def make_rows(eras: list[str], random: np.random.Generator) -> pl.DataFrame:
    rows = len(eras)
    bins = random.integers(0, 5, (rows, len(FEATURES)), dtype=np.int8)
    signal = bins[:, 0] + bins[:, 3] + random.normal(0, 2, rows)
    target = np.digitize(signal, np.quantile(signal, [0.05, 0.25, 0.75, 0.95])) / 4
    other = random.permutation(target)
    return pl.DataFrame(
        {
            "id": [f"n{number:015x}" for number in random.integers(0, 2**59, rows)],
            "era": eras,
            "data_type": ["validation"] * rows,  # says nothing of labels
            "target": target.astype(np.float32),
            "target_agnes_20": other.astype(np.float32),
            "target_ender_60": target.astype(np.float32),
            **{name: bins[:, index] for index, name in enumerate(FEATURES)},
        }
    )


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    random = np.random.default_rng(0)
    train = make_rows([f"{era:04d}" for era in TRAIN_ERAS for _ in range(ROWS)], random)
    validation = make_rows([f"{era:04d}" for era in VALIDATION_ERAS for _ in range(ROWS)], random)
    unknown = pl.col("era").cast(pl.Int32) >= TEST_ERAS.start
    validation = validation.with_columns(
        pl.when(unknown).then(float("nan")).otherwise(pl.col(name)).cast(pl.Float32).alias(name)
        for name in ("target", "target_ender_60")
    )
    live = make_rows(["X"] * 200, random).drop("target", "target_agnes_20", "target_ender_60")
    both = pl.concat([train, validation])
    benchmarks = both.select("id", "era", v53_lgbm_ender60=pl.col("feature_plain_simple_d") / 4)
    published = benchmarks.filter(pl.col("era").cast(pl.Int32) >= BENCHMARK_ERAS.start)
    meta = validation.select("id", "era", "data_type", numerai_meta_model=pl.lit(0.5))

    train.write_parquet(folder / "train.parquet", row_group_size=700)
    validation.write_parquet(folder / "validation.parquet")
    live.write_parquet(folder / "live.parquet")
    # Neither file is in the order of the rows that it speaks of.
    published.reverse().write_parquet(folder / "benchmarks.parquet")
    meta.tail(300).write_parquet(folder / "meta_model.parquet")
    live.select(
        "id", "era", v53_lgbm_ender60=pl.col("feature_plain_simple_d") / 4
    ).reverse().write_parquet(folder / "live_benchmarks.parquet")
    sets = {"small": FEATURES[:3], "medium": MEDIUM, "all": FEATURES}
    (folder / "features.json").write_text(json.dumps({"feature_sets": sets, "targets": []}))
    files = TrainingFiles(
        features=folder / "features.json",
        train=folder / "train.parquet",
        validation=folder / "validation.parquet",
        benchmarks=(folder / "benchmarks.parquet",),
        meta_model=folder / "meta_model.parquet",
    )
    return Market(
        files, train, validation, folder / "live.parquet", folder / "live_benchmarks.parquet"
    )


@dataclass(frozen=True)
class Zoo:
    """The models of `zoo_models.py`, as modules in a folder, and a worker that runs them.

    Attributes:
        folder: where the modules are.
        good: the weights of the model `Good`.
    """

    worker: Worker
    folder: Path
    market: Market
    good: Path

    def code(self, class_name: str, module: str = "zoo") -> ModelCode:
        return ModelCode(module, class_name, (str(self.folder),))

    def train(self, class_name: str, folder: Path, inputs: tuple[str, ...] = ()) -> Path:
        request = TrainRequest(
            model=class_name.lower(),
            code=self.code(class_name),
            code_hash="0123abcd",
            vintage=1343,
            data_version="v5.3",
            data_stamp="stamp",
            files=self.market.files,
            folder=folder,
            inputs=inputs,
        )
        return self.worker.train(request).folder

    def request(self, class_name: str, folder: Path | None = None) -> PredictRequest:
        """Ask to predict the live data, with the good model's weights unless others are given."""
        return PredictRequest(
            class_name.lower(),
            self.code(class_name),
            folder or self.good,
            self.market.live,
            self.market.live_benchmarks,
        )

    def predict(self, class_name: str, folder: Path | None = None) -> PredictResult:
        return self.worker.predict(self.request(class_name, folder))

    def with_budgets(self, folder: Path, **budgets: float) -> Path:
        """Return the good model's weights under a manifest with other budgets."""
        target = folder / "weights"
        shutil.copytree(self.good, target)
        weight_store.write_manifest(
            target, replace(weight_store.read_manifest(self.good), **budgets)
        )
        return target

    def assert_still_works(self) -> None:
        result = self.predict("Good")
        live = pl.read_parquet(self.market.live)
        learned = np.load(self.good / "model" / "weights.npy")
        features = weight_store.read_manifest(self.good).features
        np.testing.assert_allclose(result.predictions, live.select(features).to_numpy() @ learned)
        assert result.ids.tolist() == live["id"].to_list()
        assert result.canary.largest_difference == 0


@pytest.fixture(scope="module")
def zoo(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(Path(__file__).with_name("zoo_models.py"), folder / "zoo.py")
    (folder / "broken_syntax.py").write_text("x = 1\nclass Broken(:\n")
    (folder / "broken_import.py").write_text("import a_package_that_is_not_there\n")
    (folder / "empty.py").write_text("from numebot_dagster.modeling import NumeraiModel\n")
    (folder / "slow_import.py").write_text("import os\nos.abort()\n")
    with Worker() as worker:
        zoo = Zoo(worker, folder, market, tmp_path_factory.mktemp("weights") / "good")
        zoo.train("Good", zoo.good)
        yield zoo
