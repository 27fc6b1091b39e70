"""`numebot up`: what a user leaves running. Rounds are played without any command."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from numebot_dagster.cli.up import _refuse_open_door
from numebot_dagster.defs.health.automation import MODULE
from numebot_dagster.defs.runs import PROCESS_TAG
from numebot_dagster.modeling.worker.worker_process import BACKGROUND_NICENESS, LOWEST_DISK_PRIORITY
from numebot_dagster.settings import Settings, SettingsError
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State
from tests.support.commands import numebot
from tests.support.forks import FORKED_SERVICES
from tests.support.world import World

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
RUNS = """
query ($partition: String!) {
  runsOrError(filter: {tags: [{key: "dagster/partition", value: $partition}]}) {
    ... on Runs { results { runId status jobName tags { key value } } }
  }
}
"""
ADD_VINTAGE = """
mutation ($key: String!) {
  addDynamicPartition(
    partitionsDefName: "vintages", partitionKey: $key, repositorySelector: {
      repositoryLocationName: "numebot_dagster.definitions", repositoryName: "__repository__"
    }
  ) { __typename }
}
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def until(what: Callable[[], Any], seconds: float, said: Callable[[], str] = str) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, said()
        time.sleep(0.5)
    return answer


class Dagster:
    """Dagster as `numebot up` runs it, asked over GraphQL as its UI does."""

    def __init__(self, port: int, password: str | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.headers = {} if password is None else {"Authorization": f"Bearer {password}"}

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/server_info", headers=self.headers, timeout=5).ok
        except requests.ConnectionError:
            return False

    def ask(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = requests.post(
            f"{self.url}/graphql", json=body, headers=self.headers, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def runs(self, number: int, job: str = "round_job") -> list[dict[str, Any]]:
        runs = self.ask(RUNS, partition=str(number))["runsOrError"]["results"]
        return [run for run in runs if run["jobName"] == job]

    def launch(self, job: str, number: int, *assets: str) -> str:
        """Materialises assets as the UI does; the id of the run."""
        params = {
            "selector": {
                "repositoryLocationName": "numebot_dagster.definitions",
                "repositoryName": "__repository__",
                "pipelineName": job,
                "assetSelection": [{"path": asset.split("/")} for asset in assets],
                "assetCheckSelection": [],
            },
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(number)}]},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]


@contextmanager
def up(
    world, log: Path, *options: str, password: str | None = None
) -> Iterator[tuple[Dagster, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, "-m", "numebot_dagster.cli.main", "up", "--port", str(port)]
    secret = {} if password is None else {"NUMEBOT_UI_PASSWORD": password}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options],
            cwd=world.folder,
            env={**world.whole_environment, FORKED_SERVICES: "", **secret},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            dagster = Dagster(port, password)
            until(lambda: process.poll() is not None or dagster.answers(), 90, log.read_text)
            assert process.poll() is None, log.read_text()
            yield dagster, process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def confirmed(world, number: int) -> set[str]:
    latest = receipts.latest(world.platform.lake, number)
    return {name for name, receipt in latest.items() if receipt.state is State.CONFIRMED}


def trainers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The models' processes that give way."""
    return [child for child in family(process) if is_trainer(child)]


def is_trainer(process: psutil.Process) -> bool:
    try:
        is_worker = "numebot_dagster.modeling.worker.entry_point" in process.cmdline()
        return is_worker and process.nice() == BACKGROUND_NICENESS
    except psutil.NoSuchProcess:  # it ended meanwhile
        return False


def start_trainings(world, dagster, process, vintage: int) -> psutil.Process:
    """More trainings than one are asked for, and the first does not end; its worker."""
    (world.folder / "hold-training").touch()
    dagster.ask(ADD_VINTAGE, key=str(vintage))
    for _ in range(4):
        dagster.launch("train_job", vintage, "training/data", "models/second/weights")
    until(lambda: trainers(process), 60)
    [trainer] = trainers(process)
    return trainer


def play_by_everything_at_once(world: World, dagster: Dagster, log: Path) -> None:
    """Play a round by the UI, which launches one model, by a command, and by the sensor."""
    number = world.open_round()
    assert world.numebot("rounds", "add").returncode == 0
    run_id = dagster.launch(
        "round_job", number, "models/second/predictions", "models/second/submission"
    )
    typed = world.numebot("run")
    assert typed.returncode == 0, typed.stderr
    endpoint = f"endpoint: a practice tournament at {world.practice.url} (environment)\n"
    assert endpoint in typed.stdout
    assert endpoint in log.read_text()
    # The sensor has a run of its own only if it looks before the command is done.
    until(
        lambda: {run["status"] for run in dagster.runs(number)} == {"SUCCESS"},
        60,
        lambda: f"{dagster.runs(number)}\n{log.read_text()}",
    )
    assert run_id in {run["runId"] for run in dagster.runs(number)}
    assert len(dagster.runs(number)) in (2, 3)
    assert confirmed(world, number) == {"steady-1", "second"}
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def kill_training(dagster: Dagster, vintage: int, trainings: list[dict[str, Any]]) -> None:
    """Kill a run, which says nothing more: the sensor's next tick tells what became of it."""
    [killed] = [run for run in trainings if run["status"] == "STARTED"]
    tags = {tag["key"]: tag["value"] for tag in killed["tags"]}
    os.kill(int(tags[PROCESS_TAG].split()[1]), signal.SIGKILL)
    until(lambda: status_of(dagster, vintage, killed["runId"]) == "FAILURE", 60)


@pytest.mark.unforked
@pytest.mark.timeout(420)
def test_rounds_are_played_by_the_sensor_and_from_the_ui(fresh_world, tmp_path):
    world = fresh_world
    world.contradict()  # sensors and runs follow the environment, not the `.env` that Dagster reads
    log = tmp_path / "up.log"
    with up(world, log) as (dagster, process):
        # The sensor: a round opens, and nobody types anything.
        vintage = world.open_round()
        until(lambda: confirmed(world, vintage) == {"steady-1", "second"}, 180, log.read_text)
        until(lambda: [run["status"] for run in dagster.runs(vintage)] == ["SUCCESS"], 30)
        assert world.submissions(vintage) == {"steady-1": 1, "second": 1}

        # A second one on the same folder would do everything twice.
        second = world.numebot("up", "--port", str(free_port()))
        assert second.returncode == 1
        assert f"as process {process.pid}" in " ".join(second.stderr.split())

        # Trainings fill what they may while the next round is played.
        trainer = start_trainings(world, dagster, process, vintage)
        play_by_everything_at_once(world, dagster, log)
        training = dagster.runs(vintage, "train_job")
        statuses = sorted(run["status"] for run in training)
        assert statuses == ["QUEUED", "QUEUED", "QUEUED", "STARTED"]
        assert trainer.is_running()
        if hasattr(trainer, "ionice"):
            assert trainer.ionice().value == LOWEST_DISK_PRIORITY
        kill_training(dagster, vintage, training)

        left = family(process)
        assert left
        process.send_signal(signal.SIGINT)  # Ctrl-C
        assert process.wait(30) == 0
    gone = psutil.wait_procs(left, timeout=10)[1]
    said = log.read_text()
    assert gone == [], said[-2000:]
    assert f" Round {vintage} is noticed" in said
    assert "steady-1: confirmed" in said
    assert not re.search("DEBUG|superseded|RUN_START", said), said


def status_of(dagster: Dagster, vintage: int, run_id: str) -> str:
    [run] = [run for run in dagster.runs(vintage, "train_job") if run["runId"] == run_id]
    return run["status"]


def test_up_says_at_once_that_a_key_is_missing(world, monkeypatch):
    monkeypatch.setattr("numebot_dagster.cli.up._serve", lambda host, port: 0)
    said, code = numebot("up", "--port", str(free_port()))
    assert (code, "Without a key" in said) == (0, False)
    for name in ("NUMERAI_PUBLIC_ID", "NUMERAI_SECRET_KEY"):
        monkeypatch.delenv(name)
    said, code = numebot("up", "--port", str(free_port()))
    assert code == 0
    assert (
        "Without a key nothing is submitted and no score is read: set NUMERAI_PUBLIC_ID and "
        "NUMERAI_SECRET_KEY in .env" in said
    )


LOCATIONS = (
    "{ locationStatusesOrError { ... on WorkspaceLocationStatusEntries { entries { name } } } }"
)
PASSWORD = "four random words"


def assert_only_read_by_who_knows_the_password(dagster: Dagster) -> None:
    assert requests.get(f"{dagster.url}/numebot/", timeout=30).status_code == 401
    board = requests.get(f"{dagster.url}/numebot/", headers=dagster.headers, timeout=30)
    assert "Nothing drawn yet" in board.text
    refused = requests.post(
        f"{dagster.url}/graphql", json={"query": ADD_VINTAGE}, headers=dagster.headers, timeout=30
    )
    assert refused.status_code == 403
    [entry] = dagster.ask(LOCATIONS)["locationStatusesOrError"]["entries"]
    assert entry["name"] == MODULE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the parent's end is not told")
def test_what_is_killed_leaves_no_daemon_behind(world, tmp_path):
    """It would go on asking for runs, beside the one of the next `numebot up`."""
    log = tmp_path / "up.log"
    with up(world, log, "--read-only", password=PASSWORD) as (dagster, process):
        assert_only_read_by_who_knows_the_password(dagster)
        assert f"The board: {dagster.url}/numebot/" in log.read_text()
        assert PASSWORD not in log.read_text()
        left = family(process)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert psutil.wait_procs(left, timeout=30)[1] == [], log.read_text()


@pytest.mark.parametrize(
    ("host", "password", "is_refused"),
    [
        ("127.0.0.1", None, False),
        ("127.0.0.2", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("", None, True),
        ("192.0.2.1", None, True),
        ("bot.example", None, True),
        ("0.0.0.0", "four random words", False),
        ("0.0.0.0", "hunter2 hun", True),
        ("0.0.0.0", "hunter2     ", True),
        ("0.0.0.0", "            ", True),
        ("127.0.0.1", "short", False),
    ],
)
def test_other_machines_are_served_with_a_password_only(host, password, is_refused):
    settings = Settings(_env_file=None, numebot_ui_password=password)
    with pytest.raises(SettingsError, match="NUMEBOT_UI_PASSWORD") if is_refused else nullcontext():
        _refuse_open_door(host, 3000, settings)


def test_an_open_door_is_refused_with_the_remedy(world):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        port = str(taken.getsockname()[1])
        refused = world.numebot("up", "--host", "0.0.0.0", "--port", port)
        assert refused.returncode == 1
        assert "Set NUMEBOT_UI_PASSWORD" in " ".join(refused.stderr.split())
        # With the word of the user it goes on, as far as the port that is taken.
        insisted = world.numebot("up", "--host", "0.0.0.0", "--port", port, "--without-password")
        assert f"cannot listen on port {port}" in " ".join(insisted.stderr.split())
