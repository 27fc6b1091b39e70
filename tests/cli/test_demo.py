"""The newcomer's first minute: `numebot demo`, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import model_code
from numebot_dagster.cli.practice.folder import PracticeFolder
from numebot_dagster.practice.controls import read_address
from tests.support.commands import Finished, run_here

COMMAND = [sys.executable, "-m", "numebot_dagster.cli.main"]
COUNT = "select count(*) as n from submissions where outcome='on_time' and state='confirmed'"


def environment() -> dict[str, str]:
    """What a newcomer's shell has: no settings of ours."""
    ours = ("NUMERAI_", "NUMEBOT_", "MODEL_CONFIGS_PATH", "DAGSTER_HOME")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def numebot(folder: Path, *arguments: str) -> Finished:
    return run_here(folder, *arguments, environment=environment())


def confirmed(folder: Path) -> int:
    answer = numebot(folder, "sql", COUNT, "--format", "csv")
    assert answer.returncode == 0, answer.stderr
    return int(answer.stdout.splitlines()[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


def plant_few_trees(folder: Path) -> None:
    """Give a demo the shipped models with a hundredth of their trees."""
    PracticeFolder(folder).claim()
    shipped = Path(model_code.__file__).parent
    (folder / "model_code").mkdir()
    for path in shipped.glob("*.py"):
        code = path.read_text().replace("trees = 2000", "trees = 20")
        (folder / "model_code" / path.name).write_text(code)


@pytest.mark.process
@pytest.mark.timeout(600)
def test_a_demo_that_was_killed_is_continued_and_ends_confirmed(home):
    plant_few_trees(home / "play")
    killed = subprocess.Popen(
        [*COMMAND, "demo", "--rounds", "1", "--folder", "play"],
        cwd=home,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    manifests = home / "play" / "data" / "weights"
    deadline = time.monotonic() + 120
    while not list(manifests.rglob("manifest.json")):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server = psutil.Process(read_address(home / "play" / "practice-tournament").pid)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    server.wait(30)  # it ends when the demo has ended

    second = numebot(home, "demo", "--rounds", "1", "--folder", "play")
    assert second.returncode == 0, second.stdout + second.stderr
    for said in ("What happened", "example_model", "lightgbm_model", "noise on day 1"):
        assert said in second.stdout
    assert "numebot up --folder play" in second.stdout
    assert confirmed(home / "play") == 2  # rounds x models


@pytest.mark.process
@pytest.mark.slow  # the test before this one continues a demo, too
def test_a_demo_that_has_ended_plays_another_round(home):
    finished = numebot(home, "demo", "--rounds", "1", "--folder", "whole")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    before = confirmed(home / "whole")
    again = numebot(home, "demo", "--rounds", "1", "--folder", "whole")
    assert again.returncode == 0, again.stdout + again.stderr
    assert confirmed(home / "whole") == before + 2


def test_a_folder_that_is_not_a_demos_is_left_alone(home):
    other = home / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    finished = numebot(home, "demo", "--folder", "other", "--fresh")
    assert finished.returncode == 1
    assert "is not empty and holds no demo" in finished.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
