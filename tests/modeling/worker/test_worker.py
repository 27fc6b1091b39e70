"""Worker processes: none outlives its purpose, and those in the background give way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from numebot_dagster.modeling.worker.messages import DescribeRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.modeling.worker.worker_process import (
    BACKGROUND_NICENESS,
    LOWEST_DISK_PRIORITY,
    WorkerProcess,
)


def test_a_model_that_forks_answers_once(zoo):
    first = zoo.predict("Forking")
    assert len(first.predictions) == 200
    zoo.assert_still_works()


PARENT = """
import sys
from pathlib import Path
from numebot_dagster.modeling.worker.messages import DescribeRequest
from numebot_dagster.modeling.worker.messages import ModelCode
from numebot_dagster.modeling.worker.worker import Worker
worker = Worker()
worker.describe(DescribeRequest("good", ModelCode("zoo", "Good", (sys.argv[1],))))
print(worker._process._popen.pid, flush=True)
worker.describe(DescribeRequest("slow", ModelCode("endless", "Any", (sys.argv[1],))))
"""


def test_the_worker_ends_when_its_parent_is_killed(zoo):
    (zoo.folder / "endless.py").write_text("while True: pass\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(zoo.folder)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.3)
    assert child.is_running()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    try:
        child.wait(timeout=10)
    except psutil.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        raise


def test_closing_ends_the_process(zoo):
    with Worker() as worker:
        worker.describe(DescribeRequest("good", zoo.code("Good")))
        process = psutil.Process(worker._process._popen.pid)
        assert process.is_running()
    assert not process.is_running()


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="the niceness of threads is read from /proc")
@pytest.mark.parametrize("background", [True, False])
def test_a_process_in_the_background_gives_way_with_all_its_threads(background):
    """A thread keeps the niceness of the moment when it was started, so it must be set first."""
    ours = psutil.Process().nice()
    process = WorkerProcess(background=background)
    try:
        pid = process._popen.pid
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        numbers = {int(stat.rpartition(")")[2].split()[16]) for stat in stats}
        assert numbers == {max(ours, BACKGROUND_NICENESS) if background else ours}
        lowest = psutil.Process(pid).ionice() == (psutil.IOPRIO_CLASS_BE, LOWEST_DISK_PRIORITY)
        assert lowest == background
    finally:
        process.kill()
