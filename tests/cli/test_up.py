"""`numebot up`: what a user leaves running. Rounds are played without any command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.receipts import State

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
    ... on Runs { results { runId status jobName } }
  }
}
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(what: Callable[[], Any], seconds: float, said: Callable[[], str] = str) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, said()
        time.sleep(0.5)
    return found


class Dagster:
    """Dagster as `numebot up` runs it, asked over GraphQL as its UI does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/server_info", timeout=5).ok
        except requests.ConnectionError:
            return False

    def ask(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def runs(self, number: int) -> list[dict[str, str]]:
        return self.ask(RUNS, partition=str(number))["runsOrError"]["results"]


@contextmanager
def up(world, log: Path) -> Iterator[tuple[Dagster, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, "-m", "numebot_dagster.cli.main", "up", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=world.folder,
            env=world.whole_environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            dagster = Dagster(port)
            until(dagster.answers, 90, log.read_text)
            yield dagster, process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def confirmed(world, number: int) -> set[str]:
    latest = receipts.latest(world.platform.lake, number)
    return {name for name, one in latest.items() if one.state is State.CONFIRMED}


@pytest.mark.timeout(420)
def test_rounds_are_played_by_the_sensor_and_from_the_ui(fresh_world, tmp_path):
    world = fresh_world
    log = tmp_path / "up.log"
    with up(world, log) as (dagster, process):
        # The sensor: a round opens, and nobody types anything.
        number = world.open_round()
        until(lambda: confirmed(world, number) == {"steady-1", "second"}, 180, log.read_text)
        until(lambda: [run["status"] for run in dagster.runs(number)] == ["SUCCESS"], 30)
        assert world.submissions(number) == {"steady-1": 1, "second": 1}

        # The UI, which launches one model while the sensor is about to play the same round.
        number = world.open_round()
        assert world.numebot("rounds", "add").returncode == 0
        run_id = launch(dagster, number, "second")
        until(lambda: confirmed(world, number) == {"steady-1", "second"}, 180, log.read_text)
        until(
            lambda: {run["status"] for run in dagster.runs(number)} == {"SUCCESS"},
            60,
            lambda: f"{dagster.runs(number)}\n{log.read_text()}",
        )
        assert run_id in {run["runId"] for run in dagster.runs(number)}
        assert world.submissions(number) == {"steady-1": 1, "second": 1}

        left = family(process)
        assert left
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    gone = psutil.wait_procs(left, timeout=10)[1]
    assert gone == [], log.read_text()[-2000:]


def launch(dagster: Dagster, number: int, model: str) -> str:
    """Materialises one model's predictions and submission as the UI does; the id of the run."""
    params = {
        "selector": {
            "repositoryLocationName": "numebot_dagster.definitions",
            "repositoryName": "__repository__",
            "pipelineName": "round_job",
            "assetSelection": [
                {"path": ["models", model, "predictions"]},
                {"path": ["models", model, "submission"]},
            ],
            "assetCheckSelection": [],
        },
        "runConfigData": {},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(number)}]},
    }
    launched = dagster.ask(LAUNCH, params=params)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return launched["run"]["runId"]


def test_an_interrupt_leaves_no_process_behind(world, tmp_path):
    log = tmp_path / "up.log"
    with up(world, log) as (_, process):
        left = family(process)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
    assert psutil.wait_procs(left, timeout=10)[1] == []
