"""`numebot up --folder` on what a demo left behind, and the demo beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from numebot_dagster.cli.practice.folder import PracticeFolder
from numebot_dagster.practice.controls import Controls, read_address
from tests.support.commands import Finished, run_here
from tests.support.forks import FORKED_SERVICES
from tests.support.ports import free_port

COMMAND = [sys.executable, "-m", "numebot_dagster.cli.main"]


def environment() -> dict[str, str]:
    """What a newcomer's shell has: no settings of ours."""
    ours = ("NUMERAI_", "NUMEBOT_", "MODEL_CONFIGS_PATH", "DAGSTER_HOME")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def numebot(folder: Path, *arguments: str) -> Finished:
    return run_here(folder, *arguments, environment=environment())


@pytest.fixture
def demo(tmp_path: Path) -> PracticeFolder:
    """A folder in which a demo has begun and ended, before it made any data."""
    place = PracticeFolder(tmp_path / "play")
    place.claim()
    place.start().stop()
    return place


@contextmanager
def up(demo: PracticeFolder, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `numebot up` until Dagster's web server answers; nothing of it survives the test."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "up", "--folder", "play", "--port", str(port)],
            cwd=demo.path.parent,
            env={**environment(), FORKED_SERVICES: ""},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 90
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/server_info", timeout=5).ok
    except requests.ConnectionError:
        return False


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End the command, and check that nothing that it started is left."""
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) > 2
    process.send_signal(how)
    assert process.wait(60) == 0
    psutil.wait_procs(family, timeout=10)
    assert [process for process in family if is_alive(process)] == []


@pytest.mark.process
@pytest.mark.server
def test_the_tournament_answers_where_it_did_until_the_terminal_is_closed(demo, tmp_path):
    before = read_address(demo.tournament).url
    assert not Controls(before).is_up()
    log, port, home = tmp_path / "up.log", free_port(), demo.path.parent
    with up(demo, port, log) as process:
        assert "The practice tournament is running again." in log.read_text()
        assert Controls(before).is_up()
        assert f"NUMERAI_API_URL={before}" in demo.env_file.read_text()

        # What is in use is left alone.
        state = (demo.tournament / "state.sqlite").stat().st_ino
        for arguments in (["demo"], ["demo", "--fresh"]):
            refused = numebot(home, *arguments, "--folder", "play")
            assert refused.returncode == 1
            assert "is in use" in refused.stderr
            assert "stop `numebot up`" in refused.stderr
            assert "Traceback" not in refused.stderr
        assert (demo.tournament / "state.sqlite").stat().st_ino == state

        again = numebot(home, "up", "--folder", "play", "--port", str(port))
        assert again.returncode == 1
        assert "`numebot up` is already running on" in again.stderr
        assert f"kill {process.pid}" in again.stderr
        end(process, signal.SIGHUP)
        assert "Stopping, within 15 s …" in log.read_text()
    assert not Controls(before).is_up()


@pytest.mark.process
@pytest.mark.server
def test_a_taken_port_of_the_tournament_is_explained(demo):
    with socket.socket() as other:
        address = read_address(demo.tournament).url.removeprefix("http://").split(":")
        other.bind((address[0], int(address[1])))
        other.listen()
        other.settimeout(0)
        refused = numebot(demo.path.parent, "up", "--folder", "play", "--port", str(free_port()))
    assert refused.returncode == 1
    assert f"port {address[1]} is taken" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.process
def test_starting_afresh_deletes_what_a_demo_made_and_nothing_else(demo):
    (demo.path / "data" / "rounds").mkdir(parents=True)
    (demo.path / "notes.txt").write_text("mine")
    demo.remove()
    assert [path.name for path in demo.path.iterdir()] == ["notes.txt"]
    assert not demo.is_demo()
