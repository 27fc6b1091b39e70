"""The processes of the chaos run as their parent holds them: the player, its server, a receiver."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from numebot_dagster.practice.controls import Controls
from tests.chaos.player import RESULT_FILE
from tests.chaos.spares import NAME, WORKER

SPARES = 2
STARTING_SECONDS = 60.0


class Receiver:
    """An HTTP server on the loopback interface that keeps what apprise sends to it.

    Args:
        on_message: Called with the title and the text of each message, before it is answered.
    """

    def __init__(self, on_message: Callable[[str, str], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                content = json.loads(body)
                on_message(str(content.get("title")), str(content.get("message")))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self) -> str:
        """The address in apprise's words."""
        return f"json://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


class Player:
    """The participant's process that forks; see `chaos_player`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self.mutant: str | None = None
        with (folder / "player.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.player"],
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
        """Begins a `numebot` command and returns its process id."""
        asked = {"arguments": arguments, "mutant": self.mutant, "spares": SPARES}
        return int(self._ask(do="run", **asked)["pid"])

    def serve(self, arguments: list[str], log: Path, requests: Path) -> int:
        """Begins to serve a practice tournament and returns the process id."""
        files = {"log": str(log), "requests": str(requests)}
        return int(self._ask(do="serve", arguments=arguments, **files)["pid"])

    def wait(self, pid: int) -> int:
        """The exit status of a process, when it has ended; -9 when it was killed."""
        return int(self._ask(do="wait", pid=pid)["status"])

    def watch(self, round_number: int) -> list[str] | None:
        """Lets the watchdog look once; the models left to play, or None when it failed."""
        pid = int(self._ask(do="watch", round=round_number, mutant=self.mutant)["pid"])
        if self.wait(pid):
            return None
        left: list[str] = json.loads((self._folder / RESULT_FILE).read_text())
        return left

    def close(self) -> None:
        """Ends the process, and with it the server."""
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


class Server(Controls):
    """The practice tournament of a folder, served by a fork of the player.

    Args:
        folder: Holds a tournament that was made before.
        port: Where it listens, also after it was killed.
        arguments: What it is started with besides.
    """

    def __init__(self, folder: Path, port: int, arguments: list[str]) -> None:
        super().__init__(f"http://127.0.0.1:{port}", folder)
        self.requests_file = folder / "requests.jsonl"
        self._log = folder / "server.log"
        self._arguments = ["--folder", str(folder), "--port", str(port), *arguments]
        self._player: Player | None = None
        self._pid = 0

    def start(self, player: Player) -> None:
        """Starts the process and waits until it answers."""
        self._player = player
        self._pid = player.serve([*self._arguments], self._log, self.requests_file)
        deadline = time.monotonic() + STARTING_SECONDS
        while not self.is_up():
            if time.monotonic() > deadline or not is_running(self._pid):
                raise RuntimeError(f"the practice tournament did not start; see {self._log}")
            time.sleep(0.01)

    def restart(self) -> None:
        """Kills the process as a crash would, and starts it again."""
        assert self._player is not None
        self.stop()
        self.start(self._player)

    def stop(self) -> None:
        """Kills the process."""
        if self._player is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._player.wait(self._pid)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers_of(pid: int) -> list[psutil.Process]:
    """The processes in which a run's models predict."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if child.name() == NAME or WORKER in child.cmdline()]
    except psutil.Error:
        return []
