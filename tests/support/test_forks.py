import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.support import forks

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone"),
]
PROBE = [sys.executable, "-m", "tests.support.fork_probe"]


def probe(end, folder, **more):
    return subprocess.run(
        [*PROBE, end, "second"], cwd=folder, env={**os.environ, "PROBE": "here"}, input="",
        capture_output=True, text=True, timeout=60, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [
        ("0", 0, ""),
        ("3", 3, ""),
        ("a reason", 1, "a reason"),
        ("raise", 1, "ValueError: as asked"),
        ("signal", -signal.SIGKILL, ""),
    ],
)
def test_a_fork_is_as_a_process_that_was_started(tmp_path, end, status, error):
    finished = probe(end, tmp_path)
    assert finished.returncode == status
    assert json.loads(finished.stdout)[:3] == [[end, "second"], str(tmp_path), "here"]
    assert finished.stderr.startswith("on standard error")
    assert error in finished.stderr


def test_it_was_forked_and_may_have_a_session_of_its_own(tmp_path):
    with subprocess.Popen(
        [*PROBE, "0"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process._connection is not None
        assert process.poll() is None
        output, _ = process.communicate(b"")
    assert json.loads(output)[3] == process.pid


def test_who_asks_and_leaves_ends_nothing(tmp_path):
    for content in (b"", b"\0", b"\0\0\0\2{"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(forks._nursery("commands"))
            connection.sendall(content)
    assert probe("0", tmp_path).returncode == 0
