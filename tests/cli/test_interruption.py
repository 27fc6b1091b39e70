"""Ctrl-C ends a command at once; it says what is kept, and the same command goes on from there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys


def test_ctrl_c_ends_a_run_that_goes_on_when_typed_again(world):
    number = world.open_round()
    process = subprocess.Popen(
        [sys.executable, "-m", "numebot_dagster.cli.main", "run", "--models", "steady-1,second"],
        cwd=world.folder, env=world.whole_environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = ""
    while "Plan of round" not in said:
        said += process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of its processes
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    # Of our own; a helper process of Dagster's, which copies the output, may still show its trace.
    assert not re.search(r'File ".*numebot_dagster/', said), said
    assert (
        "Interrupted. What was predicted and submitted is recorded, and nothing is submitted "
        "twice. To continue, type: numebot run --models steady-1,second"
    ) in said.splitlines()
    again = world.numebot("run")
    assert again.returncode == 0, again.stderr
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
