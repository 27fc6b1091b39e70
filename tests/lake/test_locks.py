"""A lock between processes: taken in turns, and given back by the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from numebot_dagster.lake.locks import HeldElsewhere, exclusive, sole

HOLDER = """
import sys, time
from pathlib import Path
from numebot_dagster.lake.locks import exclusive

with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def held_elsewhere(tmp_path):
    """Return a lock that another process holds, and that process."""
    path = tmp_path / "locks" / "round.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    yield path, holder
    holder.kill()
    holder.wait()


@pytest.mark.process
def test_a_killed_process_does_not_keep_the_lock(held_elsewhere):
    path, holder = held_elsewhere
    waited = threading.Event()

    def kill_when_we_wait():
        assert waited.wait(10)
        os.kill(holder.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_when_we_wait)
    killer.start()
    with exclusive(path, lambda _: waited.set()):
        assert holder.wait(10) == -signal.SIGKILL
    killer.join()


def test_a_free_lock_is_taken_without_waiting(tmp_path):
    asked = []
    for _ in range(2):
        with exclusive(tmp_path / "deep" / "free.lock", asked.append):
            pass
    assert asked == []


def test_threads_of_one_process_take_turns_too(tmp_path):
    path = tmp_path / "lock"
    inside, most = [], []

    def work():
        with exclusive(path):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [1, 1, 1, 1]


def test_an_error_gives_the_lock_back(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(KeyError), exclusive(path):
        raise KeyError
    waits = []
    with exclusive(path, waits.append):
        assert waits == []


def test_a_sole_holder_is_named_to_who_comes_second(tmp_path):
    path = tmp_path / "locks" / "up.lock"
    with sole(path), pytest.raises(HeldElsewhere) as caught, sole(path):
        pass
    assert caught.value.pid == os.getpid()
    with sole(path):  # it was given back
        assert path.read_text() == str(os.getpid())


@pytest.mark.process
def test_who_is_refused_leaves_the_holders_name(held_elsewhere):
    path, holder = held_elsewhere
    path.write_text(str(holder.pid))
    for _ in range(2):
        with pytest.raises(HeldElsewhere) as caught, sole(path):
            pass
        assert caught.value.pid == holder.pid
