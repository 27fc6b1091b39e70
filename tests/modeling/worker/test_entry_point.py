"""Models in a process of their own: what they declare, how they train and predict.

The models are those of `zoo_models.py`, run by a real worker process.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import psutil
import pytest

from numebot_dagster.modeling import every
from numebot_dagster.modeling.source.modules import find_module
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker.failures import ModelFailed
from numebot_dagster.modeling.worker.messages import DescribeRequest, ModelCode
from numebot_dagster.modeling.worker.worker import Worker

pytestmark = pytest.mark.unforked


def test_what_a_model_declares(zoo):
    traits = zoo.worker.describe(DescribeRequest("chooser", zoo.code("Chooser")))
    assert traits.feature_set == ("feature_plain_simple_j", "feature_plain_simple_a")
    assert (traits.targets, traits.train_on) == (("target",), "all")
    assert traits.retrain == every(weeks=3)
    assert (traits.time_budget, traits.memory_budget) == (30, 3)
    assert (traits.train_time_budget, traits.train_memory_budget) == (77, 1.5)
    assert traits.parameters == {"factor": 2.0}


def test_the_manifest_of_a_training(zoo):
    manifest = weight_store.verify(zoo.good)
    assert (manifest.model, manifest.vintage, manifest.code_hash) == ("good", 1343, "0123abcd")
    assert (manifest.data_version, manifest.data_stamp) == ("v5.3", "stamp")
    assert manifest.features == tuple(f"feature_plain_simple_{letter}" for letter in "abcdef")
    assert manifest.target_is == {"target": "target_ender_60"}
    assert manifest.parameters == {"factor": 2.0}
    assert (manifest.train_eras, manifest.first_era, manifest.last_era) == (30, 1, 30)
    assert (manifest.train_rows, manifest.canary_rows) == (1800, 500)
    assert manifest.library_versions["numpy"] == np.__version__
    assert "lightgbm" not in manifest.library_versions
    assert manifest.seconds > 0
    assert 30 < manifest.peak_memory_mb < 3000
    assert (manifest.time_budget, manifest.memory_budget) == (30, 3)
    assert set(manifest.files) == {"canary.parquet", "known_features.json", "model/weights.npy"}


def test_the_canary_holds_rows_of_all_eras_with_their_predictions(zoo):
    canary = pl.read_parquet(zoo.good / "canary.parquet")
    assert len(canary) == 500
    rows = canary.join(zoo.market.train.select("id", "era"), on="id", how="left")
    assert rows["era"].n_unique() == 30
    learned = np.load(zoo.good / "model" / "weights.npy")
    features = weight_store.read_manifest(zoo.good).features
    expected = canary.select(features).to_numpy() @ learned
    np.testing.assert_array_equal(canary["prediction"].to_numpy(), expected)


def test_a_prediction(zoo):
    zoo.assert_still_works()
    result = zoo.predict("Good")
    assert result.predictions.dtype == np.float64
    assert (result.missing_features, result.unexpected_features) == ((), ())
    assert set(result.phases) == {"import", "load", "canary", "read", "predict"}
    assert result.seconds == pytest.approx(sum(result.phases.values()))
    assert 30 < result.peak_memory_mb < 3000


def test_existing_weights_are_not_overwritten(zoo):
    before = weight_store.verify(zoo.good)
    with pytest.raises(FileExistsError, match="never overwritten"):
        zoo.train("Good", zoo.good)
    assert weight_store.verify(zoo.good) == before


@pytest.mark.parametrize("name", ["Printing", "AsSeries", "AsFloat32List", "Curious"])
def test_odd_but_good(zoo, name, monkeypatch):
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "secret")
    monkeypatch.setenv("numerai_secret_key", "secret")  # the settings take this as well
    zoo.worker.close()  # so that the process is made with that environment
    expected = zoo.predict("Good").predictions
    result = zoo.predict(name)
    np.testing.assert_allclose(result.predictions, expected, rtol=1e-6)


def test_processes_that_a_model_leaves_behind_are_ended(zoo):
    before = set(psutil.Process().children(recursive=True))
    zoo.predict("LeavingAChild")
    left = [
        process for process in psutil.Process().children(recursive=True) if process not in before
    ]
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)
    zoo.assert_still_works()


def test_training_on_all_labelled_eras_with_a_list_of_features(zoo, tmp_path):
    folder = zoo.train("Chooser", tmp_path / "weights")
    manifest = weight_store.verify(folder)
    assert (manifest.train_eras, manifest.last_era) == (46, 46)
    assert manifest.features == ("feature_plain_simple_j", "feature_plain_simple_a")
    stored = pl.read_parquet(folder / "canary.parquet")
    assert stored["prediction_type"].unique().to_list() == ["float32"]


def test_a_second_order_model(zoo, tmp_path):
    folder = zoo.train("Ensemble", tmp_path / "weights", inputs=("a-b c",))
    base = zoo.predict("Good")
    given = pl.DataFrame({"id": list(base.ids), "prediction": base.predictions})
    given.reverse().write_parquet(tmp_path / "input.parquet")
    asked = zoo.request("Ensemble", folder)
    result = zoo.worker.predict(replace(asked, inputs={"a-b c": tmp_path / "input.parquet"}))
    benchmark = pl.read_parquet(zoo.market.live)["feature_plain_simple_d"].to_numpy() / 4
    np.testing.assert_allclose(result.predictions, base.predictions + benchmark, rtol=1e-6)
    assert result.canary.largest_difference == 0
    given.head(9).write_parquet(tmp_path / "input.parquet")
    with pytest.raises(ModelFailed, match="input a-b c lack 191 of 200 live ids"):
        zoo.worker.predict(replace(asked, inputs={"a-b c": tmp_path / "input.parquet"}))


def test_a_change_of_what_a_model_predicts_shows_in_the_canary(zoo, tmp_path):
    folder = zoo.train("Drifting", tmp_path / "weights")
    asked = zoo.request("Drifting", folder)
    assert zoo.worker.predict(asked).canary.largest_difference == 0
    (zoo.folder / "drift").touch()
    assert zoo.worker.predict(asked).canary.largest_difference == pytest.approx(0.25)


def test_changed_live_features(zoo, tmp_path):
    live = pl.read_parquet(zoo.market.live)
    shuffled = live.select(reversed(live.columns)).rename({"feature_plain_simple_j": "feature_new"})
    shuffled.write_parquet(tmp_path / "live.parquet")
    asked = replace(zoo.request("Good"), live=tmp_path / "live.parquet")
    result = zoo.worker.predict(asked)
    expected = zoo.predict("Good")
    assert (result.missing_features, result.unexpected_features) == ((), ("feature_new",))
    np.testing.assert_array_equal(result.predictions, expected.predictions)
    live.drop("feature_plain_simple_b").write_parquet(tmp_path / "live.parquet")
    result = zoo.worker.predict(asked)
    assert result.missing_features == ("feature_plain_simple_b",)
    assert (len(result.ids), len(result.predictions)) == (0, 0)


def test_live_data_are_read_once_for_models_that_share_them(zoo, tmp_path):
    zoo.worker.close()
    path = tmp_path / "live.parquet"
    table = pl.read_parquet(zoo.market.live)
    table.write_parquet(path)
    asked = replace(zoo.request("Good"), live=path)
    first = zoo.worker.predict(asked)
    again = zoo.worker.predict(asked)
    assert again.phases["read"] < first.phases["read"] / 2
    table.head(50).write_parquet(path)
    assert len(zoo.worker.predict(asked).ids) == 50  # a changed file is read anew


OF_FOLDER = """
from numebot_dagster.modeling import NumeraiModel
class M(NumeraiModel):
    feature_set = [{folder!r}]
    def train(self, data): pass
    def predict(self, data): pass
    def save(self, folder): pass
    def load(self, folder): pass
"""


@pytest.mark.process
@pytest.mark.parametrize("search", [("here", "registry"), ("registry", "here"), ()], ids=str)
def test_what_runs_is_the_file_that_was_hashed(tmp_path, monkeypatch, search):
    """Whatever the order of the folders, the working directory, and the paths that Python has."""
    for name in ("here", "registry", "path"):
        module = tmp_path / name / "twice_there" / "model.py"
        module.parent.mkdir(parents=True)
        module.write_text(OF_FOLDER.format(folder=name))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "path")
    code = ModelCode("twice_there.model", "M", tuple(str(tmp_path / name) for name in search))
    expected = search[0] if search else "path"
    assert find_module(code.module, code.search_path).file.parts[-3] == expected
    with Worker() as worker:
        traits = worker.describe(DescribeRequest("m", code))
    assert traits.feature_set == (expected,)
