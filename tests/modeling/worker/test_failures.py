"""All the ways in which a model can be bad: each is told in words, and the next one works."""

from __future__ import annotations

import time

import pytest

from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker.failures import (
    ModelCrashed,
    ModelFailed,
    ModelOutOfMemory,
    ModelTimedOut,
)
from numebot_dagster.modeling.worker.messages import DescribeRequest, Failure


def test_each_phase_is_told_in_words():
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
def test_failures_of_prediction(zoo, name: str, kind: str, reason: str):
    with pytest.raises(ModelFailed, match=reason) as caught:
        zoo.predict(name)
    assert str(caught.value).startswith(f"{name.lower()} failed to predict: {kind}: ")
    assert (caught.value.model, caught.value.phase) == (name.lower(), "predict")
    assert (caught.value.kind, type(caught.value.reason)) == (kind, str)
    zoo.assert_still_works()


def test_the_traceback_shows_the_model_and_not_us(zoo):
    with pytest.raises(ModelFailed) as caught:
        zoo.predict("Raising")
    lines = (zoo.folder / "zoo.py").read_text().splitlines()
    line = lines.index("        return 1 / number") + 1
    shown = caught.value.traceback.splitlines()
    assert shown[-1] == f"{zoo.folder / 'zoo.py'}:{line} in divide: return 1 / number"
    assert len(shown) == 2
    assert caught.value.traceback in str(caught.value)
    assert caught.value.log_tail == "about to divide"


def test_a_long_recursion_is_shown_short(zoo):
    with pytest.raises(ModelFailed) as caught:
        zoo.predict("Recursing")
    assert len(caught.value.traceback.splitlines()) == 13


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("Leaving", "leaving ended its process with exit code 7 in its phase `predict`"),
        ("Dying", "dying was ended by the signal SIGSEGV in its phase `predict`"),
    ],
)
def test_crashes(zoo, name: str, how: str):
    with pytest.raises(ModelCrashed, match=how) as caught:
        zoo.predict(name)
    # The last words, or the place of the fault as Python itself reports it.
    assert ("leaving" if name == "Leaving" else "zoo.py") in caught.value.log_tail
    zoo.assert_still_works()


def test_a_model_that_never_returns(zoo, tmp_path):
    folder = zoo.with_budgets(tmp_path, time_budget=1)
    start = time.monotonic()
    with pytest.raises(
        ModelTimedOut, match=r"hanging took longer than 1 s .*`predict`; .* `time_budget`"
    ):
        zoo.predict("Hanging", folder)
    assert time.monotonic() - start < 6
    zoo.assert_still_works()


@pytest.mark.parametrize("name", ["Greedy", "GreedyChildren"])
def test_a_model_that_takes_too_much_memory(zoo, tmp_path, name: str):
    folder = zoo.with_budgets(tmp_path, memory_budget=0.8)
    with pytest.raises(ModelOutOfMemory, match=r"used more than 0.8 GB .* `memory_budget`"):
        zoo.predict(name, folder)
    zoo.assert_still_works()


@pytest.mark.parametrize(
    ("name", "module", "complaint"),
    [
        ("Broken", "broken_syntax", r"failed to import: SyntaxError: .*broken_syntax\.py:2: class"),
        ("Any", "broken_import", "failed to import: ModuleNotFoundError: .*a_package_that_is_not"),
        ("Any", "not_there", "failed to import: ModuleNotFoundError: No module named 'not_there'"),
        ("Missing", "zoo", r"zoo\.py has no class Missing; it has Good, .*: write zoo:Good in the"),
        ("Mine", "empty", r"empty\.py has no class Mine; write class Mine\(NumeraiModel\) there"),
        ("Saveless", "zoo", r"WrongModel: .*zoo\.py: Saveless does not implement load, save"),
        (
            "TextBudget",
            "zoo",
            r"time_budget is '60s'; .* seconds above 0 \(class TextBudget, ",
        ),
        ("NoMemory", "zoo", "train_memory_budget is 0; it must be a number of GB above 0"),
        ("TextRetrain", "zoo", r"retrain is 'weekly'; it must be every\(weeks=…\), never or"),
        ("NoModel", "zoo", "WrongModel: zoo:NoModel is not a subclass"),
        ("TextTargets", "zoo", r'WrongModel: targets is the text .*write \("target",\)'),
        ("OddTraining", "zoo", 'must be "train" or "all"'),
    ],
)
def test_failures_of_import(zoo, name: str, module: str, complaint: str):
    with pytest.raises(ModelFailed, match=f"(?s){complaint}"):
        zoo.worker.describe(DescribeRequest("x", zoo.code(name, module)))


def test_a_crash_at_import(zoo):
    with pytest.raises(ModelCrashed, match="SIGABRT in its phase `import`"):
        zoo.worker.describe(DescribeRequest("x", zoo.code("Any", "slow_import")))


@pytest.mark.parametrize(
    ("name", "error", "complaint"),
    [
        ("HangingTraining", ModelTimedOut, r"1 s .* phase `\w+`; .* `train_time_budget`"),
        ("HangingCanary", ModelTimedOut, "longer than 1 s .*`canary`; .* `time_budget`"),
        ("GreedyTraining", ModelOutOfMemory, "0.8 GB .* `train_memory_budget`"),
        ("Forgetful", ModelFailed, "after save and load the model predicts something else"),
        ("Unfinished", ModelFailed, "failed to save: OSError: disk full"),
        ("NeverPredicting", ModelFailed, r"failed to predict: KeyError: 'a column'\n.*zoo\.py:"),
        ("NeverLoading", ModelFailed, r"failed to load: OSError: no such file\n.*zoo\.py:"),
        ("MisspeltTarget", ModelFailed, r"`targets` names .*target_alfa_20.*; it has target, "),
        ("MisspeltFeature", ModelFailed, r"simpel_b \(did you mean feature_plain_simple_b\?\)"),
        ("UnknownSet", ModelFailed, "failed to read: UnknownColumn: no feature set 'huge'"),
    ],
)
def test_a_failed_training_leaves_nothing(zoo, tmp_path, name, error, complaint):
    with pytest.raises(error, match=complaint):
        zoo.train(name, tmp_path / "weights" / "code=1")
    left = list((tmp_path / "weights").iterdir()) if (tmp_path / "weights").exists() else []
    assert left == []


def test_a_missing_weights_folder(zoo, tmp_path):
    with pytest.raises(weight_store.NoWeights, match=r"manifest\.json does not exist"):
        zoo.predict("Good", tmp_path / "none")
