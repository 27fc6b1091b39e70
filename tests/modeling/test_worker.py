"""Models in a process of their own: good ones, and all the ways in which one can be bad.

The models are real modules, written into a folder and run by a real worker process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest

from numebot_dagster.modeling import every, weights
from numebot_dagster.modeling.child import (
    BACKGROUND_NICENESS,
    LOWEST_DISK_PRIORITY,
    WorkerProcess,
)
from numebot_dagster.modeling.failures import (
    ModelCrashed,
    ModelError,
    ModelFailed,
    ModelOutOfMemory,
    ModelTimedOut,
)
from numebot_dagster.modeling.messages import (
    DescribeRequest,
    Failure,
    ModelCode,
    PredictRequest,
    TrainRequest,
)
from numebot_dagster.modeling.process import Worker

PRELUDE = """
import os, sys, time
import numpy as np
from pathlib import Path
from numebot_dagster.modeling import NumeraiModel, every

class Good(NumeraiModel):
    feature_set = "medium"
    targets = ("target",)
    retrain = every(weeks=3)
    time_budget = 30
    memory_budget = 3
    factor = 2.0
    def train(self, data):
        matrix = data.every(2).matrix().astype(float)
        self.weights = matrix.T @ (data.every(2).target() - 0.5) / len(matrix) * self.factor
    def predict(self, data):
        return data.matrix @ self.weights
    def save(self, folder):
        np.save(folder / "weights.npy", self.weights)
    def load(self, folder):
        self.weights = np.load(folder / "weights.npy")

IS_LIVE = lambda data: len(data) == 200
"""

MODELS = """
class Printing(Good):
    def predict(self, data):
        os.write(1, b"x" * 3_000_000)
        print("last words", flush=True)
        print("more", file=sys.stderr, flush=True)
        print("asked:", repr(sys.stdin.read()))
        return super().predict(data)

class Forking(Good):
    def predict(self, data):
        if IS_LIVE(data):
            os.fork()  # and both come back
        return super().predict(data)

class LeavingAChild(Good):
    def predict(self, data):
        if IS_LIVE(data) and os.fork() == 0:
            os.setsid()
            time.sleep(600)
        return super().predict(data)

class Raising(Good):
    def predict(self, data):
        if IS_LIVE(data):
            return self.divide(0)
        return super().predict(data)
    def divide(self, number):
        print("about to divide", flush=True)
        return 1 / number

class Exiting(Good):
    def predict(self, data):
        if IS_LIVE(data):
            sys.exit("enough")
        return super().predict(data)

class Leaving(Good):
    def predict(self, data):
        if IS_LIVE(data):
            print("leaving", flush=True)
            os._exit(7)
        return super().predict(data)

class Dying(Good):
    def predict(self, data):
        if IS_LIVE(data):
            import ctypes
            ctypes.string_at(0)
        return super().predict(data)

class Recursing(Good):
    def predict(self, data):
        return self.predict(data) if IS_LIVE(data) else super().predict(data)

class Hanging(Good):
    time_budget = 1
    def predict(self, data):
        while IS_LIVE(data):
            pass
        return super().predict(data)

class Greedy(Good):
    memory_budget = 0.8
    def predict(self, data):
        if IS_LIVE(data):
            hoard = np.ones(150_000_000)
            time.sleep(30)
        return super().predict(data)

class GreedyChildren(Good):
    memory_budget = 0.8
    def predict(self, data):
        if IS_LIVE(data):
            if os.fork() == 0:
                hoard = np.ones(150_000_000)
                time.sleep(30)
            time.sleep(30)
        return super().predict(data)

class Wrong(Good):
    def predict(self, data):
        return self.wrong(data) if IS_LIVE(data) else super().predict(data)

class TooShort(Wrong):
    def wrong(self, data): return np.zeros(3)
class TwoColumns(Wrong):
    def wrong(self, data): return np.zeros((len(data), 1))
class HasNan(Wrong):
    def wrong(self, data): return np.where(np.arange(len(data)) < 2, np.nan, 0.5)
class HasInfinity(Wrong):
    def wrong(self, data): return np.full(len(data), np.inf)
class Nothing(Wrong):
    def wrong(self, data): return None
class Texts(Wrong):
    def wrong(self, data): return ["a"] * len(data)
class Frame(Wrong):
    def wrong(self, data): return {"prediction": 1}

class AsSeries(Good):
    def predict(self, data):
        import pandas as pd
        return pd.Series(super().predict(data), index=data.ids)

class AsFloat32List(Good):
    def predict(self, data): return [np.float32(one) for one in super().predict(data)]

class HangingTraining(Good):
    train_time_budget = 1
    def train(self, data): time.sleep(600)

class GreedyTraining(Good):
    train_memory_budget = 0.8
    def train(self, data):
        self.hoard = np.ones(150_000_000)
        time.sleep(30)

class Forgetful(Good):
    def save(self, folder): np.save(folder / "weights.npy", self.weights * 0 + [1, 2, 3, 4, 5, 6])

class Unfinished(Good):
    def save(self, folder): (folder / "half").touch(); raise OSError("disk full")

class UnknownSet(Good):
    feature_set = "huge"
class TextTargets(Good):
    targets = "target"
class OddTraining(Good):
    train_on = "everything"
class NoModel:
    pass

class Chooser(Good):
    feature_set = ["feature_plain_simple_j", "feature_plain_simple_a"]
    train_on = "all"
    train_time_budget = 77
    train_memory_budget = 1.5

class Ensemble(Good):
    def train(self, data): pass
    def predict(self, data):
        return data.inputs["a-b c"] + np.nan_to_num(data.benchmarks["v53_lgbm_ender60"])
    def save(self, folder): pass
    def load(self, folder): pass

class Drifting(Good):
    def predict(self, data):
        return super().predict(data) + (Path(__file__).with_name("drift").exists() * 0.25)

class Curious(Good):
    def predict(self, data):
        found = [name for name in os.environ if name.upper().startswith("NUMERAI")]
        return super().predict(data) + (1000.0 if found else 0.0)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "zoo.py").write_text(textwrap.dedent(PRELUDE) + textwrap.dedent(MODELS))
    (folder / "broken_syntax.py").write_text("x = 1\nclass Broken(:\n")
    (folder / "broken_import.py").write_text("import a_package_that_is_not_there\n")
    (folder / "slow_import.py").write_text("import os\nos.abort()\n")
    return folder


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def good_weights(models, market, worker, tmp_path_factory) -> Path:
    return train(worker, models, market, "Good", tmp_path_factory.mktemp("weights") / "good")


def code(models: Path, class_name: str, module: str = "zoo") -> ModelCode:
    return ModelCode(module, class_name, (str(models),))


def train(worker, models, market, class_name, folder, inputs=()) -> Path:
    request = TrainRequest(
        model=class_name.lower(),
        code=code(models, class_name),
        code_hash="0123abcd",
        vintage=1343,
        data_version="v5.3",
        data_stamp="stamp",
        files=market.files,
        folder=folder,
        inputs=inputs,
    )
    return worker.train(request).folder


def request(models, market, class_name, folder: Path) -> PredictRequest:
    return PredictRequest(
        class_name.lower(), code(models, class_name), folder, market.live, market.live_benchmarks
    )


def with_budgets(good_weights: Path, folder: Path, **budgets: float) -> Path:
    """The good model's weights under a manifest with other budgets."""
    target = folder / "weights"
    subprocess.run(["cp", "-r", good_weights, target], check=True)
    weights.write_manifest(target, replace(weights.read_manifest(good_weights), **budgets))
    return target


def assert_still_works(worker, models, market, good_weights) -> None:
    result = worker.predict(request(models, market, "Good", good_weights))
    live = pl.read_parquet(market.live)
    learned = np.load(good_weights / "model" / "weights.npy")
    features = weights.read_manifest(good_weights).features
    np.testing.assert_allclose(result.predictions, live.select(features).to_numpy() @ learned)
    assert result.ids.tolist() == live["id"].to_list()
    assert result.canary_max_difference == 0


def test_what_a_model_declares(worker, models) -> None:
    traits = worker.describe(DescribeRequest("chooser", code(models, "Chooser")))
    assert traits.feature_set == ("feature_plain_simple_j", "feature_plain_simple_a")
    assert (traits.targets, traits.train_on) == (("target",), "all")
    assert traits.retrain == every(weeks=3)
    assert (traits.time_budget, traits.memory_budget) == (30, 3)
    assert (traits.train_time_budget, traits.train_memory_budget) == (77, 1.5)
    assert traits.parameters == {"factor": 2.0}


def test_the_manifest_of_a_training(good_weights) -> None:
    manifest = weights.verify(good_weights)
    assert (manifest.model, manifest.vintage, manifest.code_hash) == ("good", 1343, "0123abcd")
    assert (manifest.data_version, manifest.data_stamp) == ("v5.3", "stamp")
    assert manifest.features == tuple(f"feature_plain_simple_{one}" for one in "abcdef")
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


def test_the_canary_holds_rows_of_all_eras_with_their_predictions(market, good_weights) -> None:
    canary = pl.read_parquet(good_weights / "canary.parquet")
    assert len(canary) == 500
    rows = canary.join(market.train.select("id", "era"), on="id", how="left")
    assert rows["era"].n_unique() == 30
    learned = np.load(good_weights / "model" / "weights.npy")
    features = weights.read_manifest(good_weights).features
    expected = canary.select(features).to_numpy() @ learned
    np.testing.assert_array_equal(canary["prediction"].to_numpy(), expected)


def test_a_prediction(worker, models, market, good_weights) -> None:
    assert_still_works(worker, models, market, good_weights)
    result = worker.predict(request(models, market, "Good", good_weights))
    assert result.predictions.dtype == np.float64
    assert (result.missing_features, result.unexpected_features) == ((), ())
    assert set(result.phases) == {"import", "load", "canary", "read", "predict"}
    assert result.seconds == pytest.approx(sum(result.phases.values()))
    assert 30 < result.peak_memory_mb < 3000


def test_existing_weights_are_not_overwritten(worker, models, market, good_weights) -> None:
    before = weights.verify(good_weights)
    with pytest.raises(FileExistsError, match="never overwritten"):
        train(worker, models, market, "Good", good_weights)
    assert weights.verify(good_weights) == before


@pytest.mark.parametrize("name", ["Printing", "AsSeries", "AsFloat32List", "Curious"])
def test_odd_but_good(worker, models, market, good_weights, name, monkeypatch) -> None:
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "secret")
    monkeypatch.setenv("numerai_secret_key", "secret")  # the settings take this as well
    worker.close()  # so that the process is made with that environment
    expected = worker.predict(request(models, market, "Good", good_weights)).predictions
    result = worker.predict(request(models, market, name, good_weights))
    np.testing.assert_allclose(result.predictions, expected, rtol=1e-6)


def test_a_model_that_forks_answers_once(worker, models, market, good_weights) -> None:
    first = worker.predict(request(models, market, "Forking", good_weights))
    assert len(first.predictions) == 200
    assert_still_works(worker, models, market, good_weights)


def test_processes_that_a_model_leaves_behind_are_ended(
    worker, models, market, good_weights
) -> None:
    before = set(psutil.Process().children(recursive=True))
    worker.predict(request(models, market, "LeavingAChild", good_weights))
    left = [one for one in psutil.Process().children(recursive=True) if one not in before]
    assert all(one.status() == psutil.STATUS_ZOMBIE for one in left)
    assert_still_works(worker, models, market, good_weights)


def test_each_phase_is_told_in_words() -> None:
    failed = ModelFailed("a", Failure("canary", "ValueError", "no such column", ""))
    assert str(failed) == "a failed to repeat its canary rows: ValueError: no such column"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("Raising", "ZeroDivisionError", "division by zero"),
        ("Exiting", "SystemExit", "enough"),
        ("Recursing", "RecursionError", "maximum recursion depth exceeded"),
        ("TooShort", "WrongPredictions", r"shape \(3,\); one number per row is \(200,\)"),
        ("TwoColumns", "WrongPredictions", r"shape \(200, 1\)"),
        ("HasNan", "WrongPredictions", "2 of 200 predictions are NaN or infinite"),
        ("HasInfinity", "WrongPredictions", "200 of 200 predictions are NaN or infinite"),
        ("Nothing", "WrongPredictions", r"shape \(\)"),
        ("Texts", "WrongPredictions", "returned list, which is not an array of numbers"),
        ("Frame", "WrongPredictions", "returned dict, which is not an array of numbers"),
    ],
)
def test_failures_of_prediction(
    worker, models, market, good_weights, name: str, kind: str, reason: str
) -> None:
    with pytest.raises(ModelFailed, match=reason) as caught:
        worker.predict(request(models, market, name, good_weights))
    assert str(caught.value).startswith(f"{name.lower()} failed to predict: {kind}: ")
    assert (caught.value.model, caught.value.phase) == (name.lower(), "predict")
    assert (caught.value.kind, type(caught.value.reason)) == (kind, str)
    assert_still_works(worker, models, market, good_weights)


def test_the_traceback_shows_the_model_and_not_us(worker, models, market, good_weights) -> None:
    with pytest.raises(ModelFailed) as caught:
        worker.predict(request(models, market, "Raising", good_weights))
    lines = (models / "zoo.py").read_text().splitlines()
    line = lines.index("        return 1 / number") + 1
    shown = caught.value.traceback.splitlines()
    assert shown[-1] == f"{models / 'zoo.py'}:{line} in divide: return 1 / number"
    assert len(shown) == 2
    assert caught.value.traceback in str(caught.value)
    assert caught.value.log_tail == "about to divide"


def test_a_long_recursion_is_shown_short(worker, models, market, good_weights) -> None:
    with pytest.raises(ModelFailed) as caught:
        worker.predict(request(models, market, "Recursing", good_weights))
    assert len(caught.value.traceback.splitlines()) == 13


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("Leaving", "leaving ended its process with exit code 7 before it answered"),
        ("Dying", "dying was ended by the signal SIGSEGV before it answered"),
    ],
)
def test_crashes(worker, models, market, good_weights, name: str, how: str) -> None:
    with pytest.raises(ModelCrashed, match=how) as caught:
        worker.predict(request(models, market, name, good_weights))
    # The last words, or the place of the fault as Python itself reports it.
    assert ("leaving" if name == "Leaving" else "zoo.py") in caught.value.log_tail
    assert_still_works(worker, models, market, good_weights)


def test_a_model_that_never_returns(worker, models, market, good_weights, tmp_path) -> None:
    folder = with_budgets(good_weights, tmp_path, time_budget=1)
    start = time.monotonic()
    with pytest.raises(ModelTimedOut, match=r"hanging took longer than 1 s .* `time_budget`"):
        worker.predict(request(models, market, "Hanging", folder))
    assert time.monotonic() - start < 6
    assert_still_works(worker, models, market, good_weights)


@pytest.mark.parametrize("name", ["Greedy", "GreedyChildren"])
def test_a_model_that_takes_too_much_memory(
    worker, models, market, good_weights, tmp_path, name: str
) -> None:
    folder = with_budgets(good_weights, tmp_path, memory_budget=0.8)
    with pytest.raises(ModelOutOfMemory, match=r"used more than 0.8 GB .* `memory_budget`"):
        worker.predict(request(models, market, name, folder))
    assert_still_works(worker, models, market, good_weights)


@pytest.mark.parametrize(
    ("name", "module", "complaint"),
    [
        ("Broken", "broken_syntax", r"failed to import: SyntaxError: .*broken_syntax\.py:2: class"),
        ("Any", "broken_import", "failed to import: ModuleNotFoundError: .*a_package_that_is_not"),
        ("Any", "not_there", "failed to import: ModuleNotFoundError: No module named 'not_there'"),
        ("Missing", "zoo", r"WrongModel: .*zoo\.py has no class Missing"),
        ("NoModel", "zoo", "WrongModel: zoo:NoModel is not a subclass"),
        ("TextTargets", "zoo", r'WrongModel: targets is the text .*write \("target",\)'),
        ("OddTraining", "zoo", 'must be "train" or "all"'),
    ],
)
def test_failures_of_import(worker, models, name: str, module: str, complaint: str) -> None:
    with pytest.raises(ModelFailed, match=f"(?s){complaint}"):
        worker.describe(DescribeRequest("x", code(models, name, module)))


def test_a_crash_at_import(worker, models) -> None:
    with pytest.raises(ModelCrashed, match="SIGABRT"):
        worker.describe(DescribeRequest("x", code(models, "Any", "slow_import")))


@pytest.mark.parametrize(
    ("name", "error", "complaint"),
    [
        ("HangingTraining", ModelTimedOut, "longer than 1 s .* `train_time_budget`"),
        ("GreedyTraining", ModelOutOfMemory, "0.8 GB .* `train_memory_budget`"),
        ("Forgetful", ModelFailed, "after save and load the model predicts otherwise"),
        ("Unfinished", ModelFailed, "failed to save: OSError: disk full"),
        ("UnknownSet", ModelFailed, "failed to read: UnknownColumn: no feature set 'huge'"),
    ],
)
def test_a_failed_training_leaves_nothing(
    worker, models, market, tmp_path, name: str, error: type[ModelError], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        train(worker, models, market, name, tmp_path / "weights" / "code=1")
    left = list((tmp_path / "weights").iterdir()) if (tmp_path / "weights").exists() else []
    assert left == []


def test_training_on_all_labelled_eras_with_a_list_of_features(
    worker, models, market, tmp_path
) -> None:
    folder = train(worker, models, market, "Chooser", tmp_path / "weights")
    manifest = weights.verify(folder)
    assert (manifest.train_eras, manifest.last_era) == (46, 46)
    assert manifest.features == ("feature_plain_simple_j", "feature_plain_simple_a")


def test_a_second_order_model(worker, models, market, good_weights, tmp_path) -> None:
    folder = train(worker, models, market, "Ensemble", tmp_path / "weights", inputs=("a-b c",))
    base = worker.predict(request(models, market, "Good", good_weights))
    given = pl.DataFrame({"id": list(base.ids), "prediction": base.predictions})
    given.reverse().write_parquet(tmp_path / "input.parquet")
    asked = request(models, market, "Ensemble", folder)
    result = worker.predict(replace(asked, inputs={"a-b c": tmp_path / "input.parquet"}))
    benchmark = pl.read_parquet(market.live)["feature_plain_simple_d"].to_numpy() / 4
    np.testing.assert_allclose(result.predictions, base.predictions + benchmark, rtol=1e-6)
    assert result.canary_max_difference == 0
    given.head(9).write_parquet(tmp_path / "input.parquet")
    with pytest.raises(ModelFailed, match="input a-b c lack 191 of 200 live ids"):
        worker.predict(replace(asked, inputs={"a-b c": tmp_path / "input.parquet"}))


def test_a_change_of_what_a_model_predicts_shows_in_the_canary(
    worker, models, market, tmp_path
) -> None:
    folder = train(worker, models, market, "Drifting", tmp_path / "weights")
    asked = request(models, market, "Drifting", folder)
    assert worker.predict(asked).canary_max_difference == 0
    (models / "drift").touch()
    assert worker.predict(asked).canary_max_difference == pytest.approx(0.25)


def test_changed_live_features(worker, models, market, good_weights, tmp_path) -> None:
    live = pl.read_parquet(market.live)
    shuffled = live.select(reversed(live.columns)).rename({"feature_plain_simple_j": "feature_new"})
    shuffled.write_parquet(tmp_path / "live.parquet")
    asked = replace(request(models, market, "Good", good_weights), live=tmp_path / "live.parquet")
    result = worker.predict(asked)
    expected = worker.predict(request(models, market, "Good", good_weights))
    assert (result.missing_features, result.unexpected_features) == ((), ("feature_new",))
    np.testing.assert_array_equal(result.predictions, expected.predictions)
    live.drop("feature_plain_simple_b").write_parquet(tmp_path / "live.parquet")
    result = worker.predict(asked)
    assert result.missing_features == ("feature_plain_simple_b",)
    assert (len(result.ids), len(result.predictions)) == (0, 0)


def test_live_data_are_read_once_for_models_that_share_them(
    worker, models, market, good_weights, tmp_path
) -> None:
    worker.close()
    path = tmp_path / "live.parquet"
    table = pl.read_parquet(market.live)
    table.write_parquet(path)
    asked = replace(request(models, market, "Good", good_weights), live=path)
    first = worker.predict(asked)
    again = worker.predict(asked)
    assert again.phases["read"] < first.phases["read"] / 2
    table.head(50).write_parquet(path)
    assert len(worker.predict(asked).ids) == 50  # a changed file is read anew


def test_a_missing_weights_folder(worker, models, market, tmp_path) -> None:
    with pytest.raises(weights.NoWeights, match=r"manifest\.json does not exist"):
        worker.predict(request(models, market, "Good", tmp_path / "none"))


PARENT = """
import sys
from pathlib import Path
from numebot_dagster.modeling.messages import DescribeRequest, ModelCode
from numebot_dagster.modeling.process import Worker
worker = Worker()
worker.describe(DescribeRequest("good", ModelCode("zoo", "Good", (sys.argv[1],))))
print(worker._process._popen.pid, flush=True)
worker.describe(DescribeRequest("slow", ModelCode("endless", "Any", (sys.argv[1],))))
"""


def test_the_worker_ends_when_its_parent_is_killed(models) -> None:
    (models / "endless.py").write_text("while True: pass\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(models)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.3)
    assert child.is_running()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    try:
        child.wait(timeout=10)
    except psutil.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        raise


def test_closing_ends_the_process(models) -> None:
    before = set(psutil.Process().children(recursive=True))
    with Worker() as worker:
        worker.describe(DescribeRequest("good", code(models, "Good")))
        assert len(set(psutil.Process().children(recursive=True)) - before) == 1
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="the niceness of threads is read from /proc")
@pytest.mark.parametrize("background", [True, False])
def test_a_process_in_the_background_gives_way_with_all_its_threads(background) -> None:
    """A thread keeps the niceness of the moment when it was started, so it must be set first."""
    ours = psutil.Process().nice()
    process = WorkerProcess(background=background)
    try:
        pid = process._popen.pid
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        found = {int(stat.rpartition(")")[2].split()[16]) for stat in stats}
        assert found == {max(ours, BACKGROUND_NICENESS) if background else ours}
        lowest = psutil.Process(pid).ionice() == (psutil.IOPRIO_CLASS_BE, LOWEST_DISK_PRIORITY)
        assert lowest == background
    finally:
        process.kill()
