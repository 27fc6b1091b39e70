"""A trial runs all four methods of a model on a few eras, names what fails, and stores nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from numebot_dagster.operations.health.findings import Verdict
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training.trial import CannotTry, try_model
from numebot_dagster.settings import Settings

MODELS = """
import os
import numpy as np
from numebot_dagster.modeling import NumeraiModel

class Good(NumeraiModel):
    feature_set = ("feature_true_signal_now", "feature_noise_of_a")
    time_budget, memory_budget = 20, 3
    def train(self, data):
        self.weights = (data.matrix.astype(float) - 2).T @ (data.target() - 0.5)
    def predict(self, data):
        return (data.matrix.astype(float) - 2) @ self.weights + sum(data.inputs.values())
    def save(self, folder):
        np.save(folder / "weights.npy", self.weights)
    def load(self, folder):
        self.weights = np.load(folder / "weights.npy")

class OnAll(Good):
    train_on = "all"

class NoSet(Good):
    feature_set = "huge"

class NoTrain(Good):
    def train(self, data):
        return data.matrix()[:, 99]

class NoSave(Good):
    def save(self, folder):
        raise OSError("no space")

class NoLoad(Good):
    def load(self, folder):
        open(folder / "model.txt")

class NoPredict(Good):
    def predict(self, data):
        return data.matrix @ self.slope

class Late(Good):
    def train(self, data):
        super().train(data)
        self.trained_in = os.getpid()
    def predict(self, data):
        return 1 / 0 if os.getpid() != self.trained_in else super().predict(data)
    def save(self, folder):
        super().save(folder)
        (folder / "process").write_text(str(os.getpid()))
    def load(self, folder):
        super().load(folder)
        self.trained_in = int((folder / "process").read_text())

class Forgetful(Good):
    def save(self, folder):
        np.save(folder / "weights.npy", self.weights[::-1])

class Short(Good):
    def predict(self, data):
        return np.zeros(3)

class Nan(Good):
    def predict(self, data):
        return np.where(data.matrix[:, 0] == 0, np.nan, 0.5)

class Constant(Good):
    def predict(self, data):
        return np.full(len(data), 0.5)

class Quitter(Good):
    def train(self, data):
        os._exit(7)
"""
FAILING = [
    # the model, the step that fails, what is said of it, where it is said to be
    ("NoSet", "read", "no feature set 'huge'", "see attempts:NoSet"),
    ("NoTrain", "train", "IndexError", "in train: return data.matrix()[:, 99] (if it needs"),
    ("NoSave", "save", "OSError: no space", 'in save: raise OSError("no space")'),
    ("NoLoad", "load", "model.txt", 'in load: open(folder / "model.txt")'),
    ("NoPredict", "predict", "has no attribute 'slope'", "in predict: return data.matrix @"),
    ("Forgetful", "canary", "something that predict needs is not saved", "see attempts:Forgetful"),
    ("Short", "predict", "shape (3,); one number per row is (500,)", "see attempts:Short"),
    ("Nan", "predict", "predictions are NaN or infinite", "see attempts:Nan"),
    (
        "Constant",
        "predict",
        "era 39: invalid_predictions: all 300 are 0.5",
        "see attempts:Constant",
    ),
    ("Quitter", "training", "exit code 7", ""),
]


@pytest.fixture(scope="module")
def platform(research, tmp_path_factory) -> Platform:
    folder = tmp_path_factory.mktemp("attempts")
    (folder / "attempts.py").write_text(MODELS)
    names = [*(case[0] for case in FAILING), "Good", "Late"]
    rows = [f"{name},attempts:{name}," for name in names] + ["Second,attempts:OnAll,Good"]
    (folder / "models.csv").write_text("\n".join(["numerai_name,model_code,inputs", *rows]))
    return Platform(
        Settings(
            _env_file=None,
            numerai_data_folder=research.folder / "data",
            model_configs_path=folder / "models.csv",
        )
    )


@pytest.fixture
def attempt(platform, tmp_path, monkeypatch):
    """Try a model and make sure that nothing is left of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def attempt(name, eras=4):
        before = files_of(platform.lake.root)
        findings = list(try_model(platform, platform.registry[name], eras))
        assert files_of(platform.lake.root) == before
        assert not list(tmp_path.iterdir())
        return findings

    return attempt


def files_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_good_model_passes_every_step(attempt):
    findings = attempt("Good")
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    steps = ["data", "import", "read", "train", "save", "load", "canary", "store"]
    assert [finding.name for finding in findings] == [
        *(*steps, "train time", "train memory", "predict", "predict"),
    ]
    text = {finding.name: finding.text for finding in findings}
    assert text["data"] == "vintage 1300 (v5.3): learns from eras 35 to 38, predicts eras 39 to 40"
    assert text["train time"].startswith("1200 of 12000 rows took ")
    assert "a fresh object predicts the same" in text["canary"]
    assert text["predict"].startswith("era 40: 300 rows from -")
    assert "(time_budget 20 s)" in text["predict"]
    assert "(memory_budget 3 GB)" in text["predict"]


def test_a_model_with_inputs_that_trains_on_all_eras_passes(attempt):
    findings = attempt("Second", eras=1)
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert "learns from era 38, predicts eras 39 to 40; random numbers" in findings[0].text
    assert findings[0].text.endswith(" replace its inputs Good")
    [time] = [finding.text for finding in findings if finding.name == "train time"]
    assert time.startswith("300 of 48000 rows took ")


@pytest.mark.parametrize(("name", "step", "text", "place"), FAILING)
def test_the_first_failing_method_is_named_with_its_line(attempt, name, step, text, place):
    *passed, failure = attempt(name)
    assert {finding.verdict for finding in passed} == {Verdict.OK}
    assert step not in [finding.name for finding in passed]
    assert (failure.name, failure.verdict) == (step, Verdict.FAILURE)
    assert text in failure.text
    assert place in failure.remedy
    if " in " in place:
        assert "attempts.py:" in failure.remedy


def test_what_works_in_the_training_process_alone_is_noticed(attempt):
    *passed, failure = attempt("Late")
    assert "canary" in [finding.name for finding in passed]
    assert (failure.name, failure.text) == ("predict", "ZeroDivisionError: division by zero")


def test_without_data_to_try_on_it_says_what_to_type(platform, attempt, tmp_path):
    with pytest.raises(CannotTry, match=r"40 training eras, .* give --eras 38 or fewer"):
        attempt("Good", eras=39)
    empty = platform.settings.model_copy(update={"numerai_data_folder": tmp_path / "empty"})
    with pytest.raises(CannotTry, match="`numebot train` pins today's"):
        list(try_model(Platform(empty), platform.registry["Good"], 4))
