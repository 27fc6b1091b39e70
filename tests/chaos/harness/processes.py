"""Hold the processes of the chaos run in their parent: the player and its tournament server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from numebot_dagster.practice.server import PracticeServer
from tests.chaos.harness.player import RESULT_FILE
from tests.chaos.harness.spares import NAME, WORKER

SPARES = 2
STARTING_SECONDS = 60.0


class Player:
    """The participant's process that forks; see `player`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self.changes: Mapping[str, str] = {}  # of the product, for what is started from now on
        with (folder / "player.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.harness.player"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        self._read()

    def start(self, *arguments: str) -> int:
        """Begin a `numebot` command and return its process id."""
        asked = {"arguments": arguments, "changes": self.changes, "spares": SPARES}
        return int(self._ask(do="run", **asked)["pid"])

    def serve(self, arguments: list[str], log: Path, requests: Path) -> int:
        """Begin to serve a practice tournament and return the process id."""
        files = {"log": str(log), "requests": str(requests)}
        return int(self._ask(do="serve", arguments=arguments, **files)["pid"])

    def wait(self, pid: int) -> int:
        """Return the exit status of a process when it has ended; -9 when it was killed."""
        return int(self._ask(do="wait", pid=pid)["status"])

    def watch(self, round_number: int) -> list[str] | None:
        """Let the watchdog look once; return the models left to play, or None when it failed."""
        pid = int(self._ask(do="watch", round=round_number, changes=self.changes)["pid"])
        if self.wait(pid):
            return None
        left: list[str] = json.loads((self._folder / RESULT_FILE).read_text())
        return left

    def close(self) -> None:
        """End the process, and with it the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the player ended; see {self._folder / 'player.log'}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class ForkedServer(PracticeServer):
    """The practice tournament of a folder, served by a fork of the player.

    Args:
        folder: Holds a tournament that was made before.
        port: Where it listens, also after it was killed.
        arguments: What it is started with besides.
    """

    def __init__(self, folder: Path, port: int, arguments: list[str]) -> None:
        super().__init__(folder, port=port)
        self.url = f"http://127.0.0.1:{port}"
        self.requests_file = folder / "requests.jsonl"
        self.player: Player | None = None
        self._log = folder / "server.log"
        self._arguments = ["--folder", str(folder), "--port", str(port), *arguments]
        self._pid = 0

    def start(self) -> None:
        """Start the process and wait until it answers."""
        assert self.player is not None
        self._pid = self.player.serve([*self._arguments], self._log, self.requests_file)
        deadline = time.monotonic() + STARTING_SECONDS
        while not self.is_up():
            if time.monotonic() > deadline or not is_running(self._pid):
                raise RuntimeError(f"the practice tournament did not start; see {self._log}")
            time.sleep(0.01)

    def restart(self) -> None:
        """Kill the process as a crash would, and start it again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Kill the process."""
        if self.player is not None and self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self.player.wait(self._pid)
            self._pid = 0


def is_running(pid: int) -> bool:
    """Return whether a process is there and not only waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the processes in which a run's models predict."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if child.name() == NAME or WORKER in child.cmdline()]
    except psutil.Error:
        return []
