"""Practice tournaments in processes that have loaded their libraries before they start."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO
from unittest import mock

from numebot_dagster.practice.__main__ import main
from numebot_dagster.practice.server import ONE_THREAD, PracticeServer

_CONTEXT = get_context("forkserver")
# pytest as well, which is the main module that a child loads again.
_CONTEXT.set_forkserver_preload(
    ["numebot_dagster.practice.api.app", "numerai_tools.submissions", "pytest"]
)


class QuickServer(PracticeServer):
    """The same tournament in a forked process: to load everything anew takes two seconds."""

    def _launch(self, arguments: list[str], output: IO[bytes]) -> _Process:
        sys.audit("tests.server")
        return _Process(arguments, Path(output.name))


class _Process:
    """A forked process, with what `PracticeServer` uses of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        parent, self.stdin = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_serve, args=(arguments, parent, log), daemon=True)
        with mock.patch.dict(os.environ, ONE_THREAD):
            self._process.start()
        parent.close()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("practice", timeout or 0)
        return self._process.exitcode


def _serve(arguments: list[str], parent: Connection, log: Path) -> None:
    """Serve until the other end of the pipe `parent` is closed, or the parent process ends."""
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    sys.stdin = os.fdopen(parent.fileno(), closefd=False)
    main(arguments)
