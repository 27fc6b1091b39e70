"""Memory of process trees: what children share with their parent counts once."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from numebot_dagster.modeling.worker import memory
from numebot_dagster.modeling.worker.memory import ProcessTree

MEGABYTE = 10**6
FORKED_POOL = r"""
import os, sys
big = bytearray(os.urandom(1000)) * 150_000
for number in range(3):
    if os.fork() == 0:
        sum(big[::4096])  # every page is read, none is written
        own = bytearray(os.urandom(1000)) * int(sys.argv[1]) * 1000
        os.write(1, b"ready\n")
        if os.read(0, 1):  # by one of them
            more = bytearray(os.urandom(1000)) * int(sys.argv[1]) * 4000
            os.write(1, b"grown\n")
            os.read(0, 1)
        os._exit(0)
for _ in range(3):
    os.wait()
"""


def of_forked_pool(own_megabytes):
    """Start a parent that holds 150 MB and three children that read it, with some of their own."""
    return subprocess.Popen(
        [sys.executable, "-c", FORKED_POOL, str(own_megabytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="where there is no PSS, RSS is what counts")
@pytest.mark.parametrize(("own_megabytes", "over"), [(1, False), (100, True)])
def test_a_forked_pool_is_charged_for_what_it_uses(own_megabytes, over):
    with of_forked_pool(own_megabytes) as parent:
        for _ in range(3):
            assert parent.stdout.readline() == b"ready\n"
        tree = ProcessTree(parent.pid)
        limit = 350 * MEGABYTE
        started = time.monotonic()
        assert tree.uses_more_than(limit) is over
        took = time.monotonic() - started
        resident, proportional = tree.resident_bytes(), tree.proportional_bytes()
        assert resident > limit  # four times the array
        assert proportional < resident - 3 * 140 * MEGABYTE
        assert took < 1
        parent.stdin.close()


def test_shared_pages_are_looked_for_only_where_it_matters(monkeypatch):
    tree = ProcessTree(psutil.Process().pid)
    looks = []
    monkeypatch.setattr(memory, "_proportional_bytes", lambda pid: looks.append(pid) or 0)
    assert not tree.uses_more_than(1e15)
    assert looks == []
    assert not tree.uses_more_than(1)
    assert len(looks) >= 1


def test_resident_memory_stands_in_where_there_is_no_other_figure(monkeypatch):
    monkeypatch.setattr(psutil.Process, "memory_full_info", _denied)
    tree = ProcessTree(psutil.Process().pid)
    assert tree.proportional_bytes() > 10 * MEGABYTE
    assert tree.uses_more_than(10 * MEGABYTE)


def _denied(process):
    raise psutil.AccessDenied(process.pid)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="where there is no PSS, RSS is what counts")
def test_growth_ends_the_pause_between_two_looks_at_shared_pages(monkeypatch):
    monkeypatch.setattr(memory, "_PAUSE_PER_COST", 1e9)  # no second look, were it for time alone
    with of_forked_pool(60) as parent:
        for _ in range(3):
            assert parent.stdout.readline() == b"ready\n"
        tree = ProcessTree(parent.pid)
        limit = 450 * MEGABYTE
        assert not tree.uses_more_than(limit)  # some 350 of it, and 800 resident
        parent.stdin.write(b"+")
        parent.stdin.flush()
        assert parent.stdout.readline() == b"grown\n"
        assert tree.uses_more_than(limit)
        parent.stdin.close()
