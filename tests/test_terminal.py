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


@pytest.mark.process
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


IMPATIENT = "import sys; from numebot_dagster import terminal; terminal.PATIENCE = 0.1; "
# More than a pipe holds while nobody reads.
LONG_QUERY = "select repeat('x', 300_000) as text"


def start(code, *arguments):
    """Return a process with a pipe that nobody reads yet."""
    command = [sys.executable, "-c", IMPATIENT + code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@pytest.mark.process
def test_messages_do_not_wait_for_a_reader_who_stopped():
    """As a pager that shows its first page."""
    process = start("terminal.guard(); print('x' * 300_000); print('y' * 300_000)")
    assert process.wait(30) == 0
    assert 0 < len(process.stdout.read()) < 300_000
    process.stdout.close()


@pytest.mark.process
def test_the_result_of_a_command_waits_for_its_reader(tmp_path):
    process = start(
        "from numebot_dagster.cli.main import main; main()", "sql", LONG_QUERY, "--format", "csv"
    )
    assert process.stdout.read(4) == b"text"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert len(process.stdout.read()) == 300_002
    assert process.wait(30) == 0
    process.stdout.close()
