"""What only one run may do at a time: who waits says for whom and stops at the first signal."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from numebot_dagster.cli import session
from numebot_dagster.defs.instance import examine_instance
from numebot_dagster.defs.turns import READING, TRAINING, running
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.operations.diagnostics import replay

NUMEBOT = [sys.executable, "-m", "numebot_dagster.cli.main"]
HOLDER = "run 0a1b2c3d of train_job"


@pytest.fixture
def waiting(world, request):
    """Start a command that waits for the turn of another process; return what it has said."""
    command, turn = request.param
    with exclusive(world.platform.lake.lock_file(turn), holder=HOLDER):
        process = subprocess.Popen(
            [*NUMEBOT, command],
            cwd=world.folder,
            env=world.whole_environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        line = next(line for line in process.stderr if "Waiting" in line)
        yield process, line
    process.kill()
    process.wait()
    watchdog.cancel()


@pytest.mark.parametrize(
    ("waiting", "signal_"),
    [(("collect", READING), signal.SIGINT), (("train", TRAINING), signal.SIGTERM)],
    indirect=["waiting"],
)
def test_who_waits_says_for_whom_and_stops_at_the_first_signal(world, waiting, signal_):
    process, line = waiting
    assert HOLDER in line
    assert re.search(r"process \d+, since .* UTC", line)
    before = sum(psutil.Process(process.pid).cpu_times()[:2])
    time.sleep(0.5)  # there is no condition to wait for: nothing may happen meanwhile
    assert sum(psutil.Process(process.pid).cpu_times()[:2]) - before < 0.1
    process.send_signal(signal_)
    assert process.wait(20) != 0


def test_doctor_names_the_run_that_others_wait_for(world):
    settings = world.platform.settings
    session.prepare_instance(settings)
    with exclusive(world.platform.lake.lock_file(READING), holder=HOLDER):
        texts = {finding.name: finding.text for finding in examine_instance(settings)}
        assert HOLDER in texts["runs"]
    texts = {finding.name: finding.text for finding in examine_instance(settings)}
    assert HOLDER not in texts["runs"]


def test_a_replay_takes_the_turn_of_a_training(world, monkeypatch):
    lake, seen = world.platform.lake, []
    session.prepare_instance(world.platform.settings)
    monkeypatch.setattr(replay, "replay_models", lambda *_: seen.append(running(lake)) or iter(()))
    assert "not replayed" in world.numebot("doctor", "--replay").stdout
    [holders] = seen
    assert holders["trains"].startswith("numebot doctor --replay, process ")
    assert running(lake) == {}


def test_a_run_that_was_cut_off_keeps_nobody_waiting(world):
    """Its output goes into a pipe that nobody reads any more, as of `numebot collect | head -1`."""
    cut_off = subprocess.Popen(
        [*NUMEBOT, "collect"],
        cwd=world.folder,
        env=world.whole_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    cut_off.stdout.readline()
    cut_off.stdout.close()
    cut_off.wait(60)
    assert world.numebot("collect").returncode == 0
