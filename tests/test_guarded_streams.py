"""What is printed never fails, wherever it goes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time

import pytest

from numebot_dagster import terminal

# Prints on both streams, as loudly as pipes and terminals allow, then does its work.
PRINTER = """
import logging, sys, warnings
from pathlib import Path
from numebot_dagster import terminal
terminal.guard()
import rich.console, click
rich.console.Console().print("a table")
rich.console.Console(stderr=True).print("an error")
click.echo("bytes".encode() * 40_000)
click.echo("lone \\udc80 surrogate")
logging.getLogger().error("a log line")
warnings.warn("a warning")
print("text" * 40_000)
sys.stdout.flush()
with Path(sys.argv[1]).open("w") as file:
    print(file.fileno() > 2, repr(terminal.output_lost()), file=file)
"""
LOST = "OSError(28, 'No space left on device')"


@pytest.mark.parametrize(
    ("redirections", "loss"),
    [
        ("| head -c 1", None),
        ("2>&1 | head -c 1", None),
        (">/dev/null 2>/dev/full", None),
        (">/dev/full 2>/dev/null", LOST),
        (">/dev/full 2>/dev/full", LOST),
        ("2>&- >/dev/null", None),
        (">&- 2>/dev/null", None),
        ("<&- >&- 2>&-", None),
    ],
)
def test_no_stream_stops_the_work(tmp_path, redirections, loss):
    done = tmp_path / "done"
    (tmp_path / "printer.py").write_text(PRINTER)
    command = f"{sys.executable} {tmp_path / 'printer.py'} {done} {redirections}; exit $PIPESTATUS"
    finished = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "LC_ALL": "C"}, timeout=30, capture_output=True
    )
    assert finished.returncode == 0, finished.stderr
    assert done.read_text() == f"True {loss}\n"


def test_a_terminal_that_was_stopped_delays_messages_once():
    reader, writer = pty.openpty()
    termios.tcflow(writer, termios.TCOOFF)  # as Ctrl-S does
    stream = terminal.guarded(writer, patience=0.2)
    started = time.monotonic()
    for _ in range(5):
        stream.write("a message\n")
    assert 0.2 <= time.monotonic() - started < 0.9
    termios.tcflow(writer, termios.TCOON)
    stream.write("another message\n")
    assert b"another message" in os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    stream.write("nobody reads\n")


def test_output_waits_for_a_slow_reader():
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "from numebot_dagster import terminal; terminal.guard(); print('x' * 300_000)",
        ],
        stdout=writer,
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert process.poll() is None
        assert len(file.read()) == 300_001
    assert process.wait() == 0
