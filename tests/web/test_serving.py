"""How `numebot up` ends with Dagster."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from numebot_dagster.cli import up

# Dagster's daemon has died; the process of a run goes on and holds the pipe.
DAGSTER = """
import subprocess, sys
run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(40)"])
print("the run is process", run.pid)
print("Dagster's daemon has ended, so no round is played any more")
sys.exit(1)
"""


@pytest.fixture
def _own_signals():
    """Return the handlers of this process, which `numebot up` replaces."""
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.process
@pytest.mark.usefixtures("_own_signals")
def test_a_run_that_outlives_dagster_is_not_waited_for(monkeypatch, capsys):
    start = subprocess.Popen
    command = [sys.executable, "-c", DAGSTER]
    monkeypatch.setattr(subprocess, "Popen", lambda _, **more: start(command, **more))
    began = time.monotonic()
    assert up._serve("127.0.0.1", 3000) == 1
    assert time.monotonic() - began < 15
    said = capsys.readouterr().out.splitlines()
    # What the run itself prints when it is interrupted may follow.
    assert said[1] == "Dagster's daemon has ended, so no round is played any more"
    run = int(said[0].rpartition(" ")[2])
    assert not psutil.pid_exists(run) or psutil.Process(run).status() == psutil.STATUS_ZOMBIE
