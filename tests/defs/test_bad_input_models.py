"""Bad input of the user's own: what models predict and do, and the weights that they do it with.

From the list of what is tried by a test (docs/bad-input.md has all of it):

- predictions: NaN, short, out of range, shuffled ids (constant: `test_failing_models.py`);
- a model that prints, forks, exits, recurses, exceeds its memory (never returns:
  `test_failing_models.py`), or whose source cannot be read;
- weights that are truncated, or of another library version.
"""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from numebot_dagster.operations.health.doctor import examine
from numebot_dagster.operations.health.findings import Verdict
from numebot_dagster.operations.health.status import weights_status
from numebot_dagster.operations.training.trainer import due_models
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, State

ZOO = '''
"""Models that mind their manners on the canary rows, and not in a round."""
import os
import subprocess
import sys
import numpy as np
from quick_models import CANARY_ROWS, Ridge

class Wild(Ridge):
    memory_budget = 1.5
    def predict(self, data):
        good = super().predict(data)
        return self.in_a_round(good, data) if len(data) > CANARY_ROWS else good

class Nan(Wild):
    def in_a_round(self, good, data):
        return np.where(np.arange(len(good)) == 7, np.nan, good)

class Short(Wild):
    def in_a_round(self, good, data):
        return good[:-1]

class OutOfRange(Wild):
    """A model may predict on any scale: what it says is ranked."""
    def in_a_round(self, good, data):
        return 1e9 * good - 4e8

class Shuffled(Wild):
    def in_a_round(self, good, data):
        import pandas as pd
        return pd.Series(good, index=data.ids)[::-1]

class Printing(Wild):
    def in_a_round(self, good, data):
        for _ in range(2000):
            print("x" * 1000)
        os.write(2, b"and on standard error")
        return good

class Forking(Wild):
    def in_a_round(self, good, data):
        if os.fork() == 0:
            return good  # the child answers too
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return good

class Exiting(Wild):
    def in_a_round(self, good, data):
        os._exit(3)

class Recursing(Wild):
    def in_a_round(self, good, data):
        return self.in_a_round(good, data)

class Greedy(Wild):
    def in_a_round(self, good, data):
        hoard = np.ones(250_000_000)
        import time
        time.sleep(30)
'''

GOOD = ("OutOfRange", "Printing", "Forking")
BAD = {
    "Nan": "1 of 5005 predictions are NaN or infinite",
    "Short": "predict returned the shape (5004,); one number per row is (5005,)",
    "Shuffled": "the ids in another order; return predictions.loc[data.ids]",
    "Exiting": "ended its process with exit code 3 in its phase `predict`",
    "Recursing": "RecursionError",
    "Greedy": "used more than 1.5 GB of memory",
}
if sys.platform == "linux":
    BAD["Unreadable"] = "unreadable.py cannot be read"


@pytest.fixture(scope="module")
def zoo(make_world):
    """Return a world whose account has a slot for each model of the zoo."""
    world = make_world()
    (world.folder / "zoo.py").write_text(ZOO)
    (world.folder / "unreadable.py").symlink_to("/proc/self/mem")  # exists, and every read fails
    for name in (*GOOD, *BAD):
        world.practice.add_model(name.lower())
    return world


@pytest.fixture
def world(zoo, enter):
    return enter(zoo)


def register_zoo(world):
    """Register the zoo between the honest ones, with their weights: all are one regression."""
    modules = {"Unreadable": "unreadable"}
    rows = [f"{name.lower()},{modules.get(name, 'zoo')}:{name}" for name in (*GOOD, *BAD)]
    rows = ["steady-1,quick_models:Ridge", *rows, "second,quick_models:Stubborn"]
    registry = world.folder / "model_configs.csv"
    registry.write_text("\n".join(["numerai_name,model_code", *rows, ""]))
    lake = world.platform.lake
    source = lake.weights_folders("steady-1")[0]
    for name in (*GOOD, *BAD):
        target = lake.weights_folder(name.lower(), source.vintage, source.code_hash)
        shutil.copytree(source.path, target)
        edit_manifest(target, model=name.lower(), memory_budget=1.5)


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    path.unlink()
    path.write_text(json.dumps(manifest))


def test_whatever_a_model_does_the_others_are_confirmed(world, run_round):
    number = world.open_round()
    register_zoo(world)
    result = run_round(world, number)
    latest = receipts.latest(world.platform.lake, number)
    good = ("steady-1", "second", *(name.lower() for name in GOOD))
    assert {name: latest[name].state for name in good} == dict.fromkeys(good, State.CONFIRMED)
    assert world.submissions(number) == dict.fromkeys(good, 1)

    assert not result.success
    [failure] = result.get_step_failure_events()
    message = failure.step_failure_data.error.message
    for name, reason in BAD.items():
        receipt = latest[name.lower()]
        assert (receipt.state, receipt.outcome) == (State.PENDING, Outcome.FAILED)
        assert reason in receipt.reason
        assert reason in message
    problems = {weights.model: weights.problem for weights in weights_status(world.platform)}
    assert problems["steady-1"] == ""
    assert BAD.get("Unreadable", "") in problems.get("unreadable", "")
    assert due_models(world.platform) == []


@pytest.fixture
def other_library(world):
    """Return the weights of one of two models, as if a library had been another one then."""
    world.register("steady-1", "second")
    folder = world.platform.lake.weights_folders("second")[0].path
    before = (folder / "manifest.json").read_text()
    versions = json.loads(before)["library_versions"]
    edit_manifest(folder, library_versions={**versions, "numpy": "1.0.0"})
    yield
    (folder / "manifest.json").write_text(before)


def test_weights_of_another_library_are_named_and_play_if_their_canary_does(
    world, other_library, run_round
):
    findings = [finding for finding in examine(world.platform) if finding.name == "weights"]
    assert [finding.verdict for finding in findings] == [Verdict.OK, Verdict.WARNING]
    assert "trained with numpy 1.0.0 (now " in findings[1].text
    assert findings[1].remedy.startswith("numebot train --models second")
    problems = {weights.model: weights.problem for weights in weights_status(world.platform)}
    assert problems["steady-1"] == ""
    assert "trained with numpy 1.0.0" in problems["second"]

    number = world.open_round()
    assert run_round(world, number).success
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def test_truncated_weights_stop_their_model_alone(world, run_round):
    world.register("steady-1", "second")
    number = world.open_round()
    weights = world.platform.lake.weights_folders("second")[0].path / "model" / "weights.npy"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    try:
        assert not run_round(world, number).success
    finally:
        weights.write_bytes(content)
    reason = receipts.latest(world.platform.lake, number)["second"].reason
    assert "weights.npy is not the file that was stored" in reason
    assert "numebot train --models second" in reason
    assert world.submissions(number) == {"steady-1": 1}

    assert run_round(world, number).success
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
