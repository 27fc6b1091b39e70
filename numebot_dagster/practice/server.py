"""Runs the practice tournament: in this process until stopped, or in one of its own."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import requests

from numebot_dagster.practice.clock import Refused
from numebot_dagster.practice.creation import Credentials, Plan, credentials, open_tournament

HOST = "127.0.0.1"
ADDRESS_FILE = "practice.json"
_STARTING_SECONDS = 60.0
_STOPPING_SECONDS = 10.0


@dataclass(frozen=True)
class Address:
    """Where a practice tournament is served, and with which credentials."""

    url: str
    pid: int
    credentials: Credentials

    def dotenv(self) -> str:
        """Returns the settings that point a client here, as lines of a ``.env`` file."""
        return (
            f"NUMERAI_API_URL={self.url}\n"
            f"NUMERAI_PUBLIC_ID={self.credentials.public_id}\n"
            f"NUMERAI_SECRET_KEY={self.credentials.secret_key}\n"
        )


def serve(
    folder: Path,
    plan: Plan,
    port: int = 0,
    *,
    deviations: bool = True,
    until_stdin_closes: bool = False,
    on_ready: Callable[[Address], None] = lambda _: None,
) -> None:
    """Serves the tournament in ``folder`` on the loopback interface until it is interrupted.

    Args:
        folder: Holds its state; made when missing.
        plan: What a new tournament is made of.
        port: 0 takes the port that the folder had before, else a free one.
        deviations: Whether GraphQL lets the known deviations of released clients through.
        until_stdin_closes: Whether to stop when the process that started this one is gone.
        on_ready: Called with the address when requests are accepted.

    Raises:
        Refused: The port is taken, or the folder holds another tournament or is being served.
    """
    import uvicorn

    from numebot_dagster.practice.app import make_app

    lock = _lock(folder)
    tournament = open_tournament(folder, plan)
    listener = _listen(port or _former_port(folder), fixed=bool(port))
    address = Address(
        f"http://{HOST}:{listener.getsockname()[1]}", os.getpid(), credentials(tournament)
    )
    _write_address(folder, address)
    config = uvicorn.Config(
        make_app(tournament, deviations=deviations), log_level="warning", date_header=False
    )
    server = uvicorn.Server(config)
    if until_stdin_closes:
        threading.Thread(target=_wait_for_end, args=(server,), daemon=True).start()
    try:
        on_ready(address)  # the port listens: whoever comes now waits for the first answer
        server.run(sockets=[listener])
    finally:
        tournament.state.close()
        lock.close()


def read_address(folder: Path) -> Address:
    """Returns where the tournament of ``folder`` is or was last served.

    Raises:
        Refused: It was never served.
    """
    path = folder / ADDRESS_FILE
    if not path.exists():
        raise Refused(
            f"{folder} holds no practice tournament; start one with "
            f"`numebot practice serve --folder {folder}`"
        )
    held = json.loads(path.read_text(encoding="utf-8"))
    return Address(held["url"], held["pid"], Credentials(held["public_id"], held["secret_key"]))


class Controls:
    """The control API of a running practice tournament."""

    def __init__(self, url: str) -> None:
        self.url = url

    def state(self) -> dict[str, Any]:
        """Returns clock, rounds, models and submissions."""
        return self._call("GET", "state")

    def advance(self, to: str | None = None, *, days: float = 0, hours: float = 0) -> str:
        """Moves the clock forward and returns its new instant; see `Tournament.advance`."""
        return str(self._call("POST", "advance", to=to, days=days, hours=hours)["now"])

    def set_position(self, model: str, nmr: str, number: int | None = None) -> None:
        """Sets the stake on a model, for one round or from the next one to close."""
        self._call("POST", "positions", model=model, nmr=nmr, round=number)

    def add_model(self, name: str) -> str:
        """Adds a model slot and returns its id."""
        return str(self._call("POST", "models", name=name)["id"])

    def is_up(self) -> bool:
        """Returns whether the tournament answers."""
        try:
            return requests.get(f"{self.url}/practice/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _call(self, method: str, name: str, /, **body: Any) -> dict[str, Any]:
        url = f"{self.url}/practice/{name}"
        try:
            answer = requests.request(method, url, json=body if body else None, timeout=600)
        except requests.ConnectionError as error:
            raise Refused(
                f"no practice tournament answers at {self.url}; start it with "
                "`numebot practice serve`"
            ) from error
        if answer.status_code == 400:
            raise Refused(answer.json()["errors"][0]["message"])
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class PracticeServer(Controls):
    """A practice tournament in a process of its own, which ends with this one.

    ``with PracticeServer(folder) as practice:`` starts it and waits until it answers.

    Args:
        folder: Holds its state; made when missing, continued when not.
        plan: What a new tournament is made of.
        port: 0 takes a free one.
        strict: Whether GraphQL refuses the known deviations of released clients too.
    """

    def __init__(
        self, folder: Path, plan: Plan | None = None, *, port: int = 0, strict: bool = False
    ) -> None:
        super().__init__("")
        self.folder = folder
        self._plan = plan or Plan()
        self._port = port
        self._strict = strict
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PracticeServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def credentials(self) -> Credentials:
        """The account's API key."""
        return read_address(self.folder).credentials

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Starts the process and waits until it answers.

        Raises:
            Refused: It ended before it answered; the text is what it said.
        """
        plan = self._plan
        arguments = [
            "--folder", str(self.folder), "--port", str(self._port), "--seed", str(plan.seed),
            "--scale", plan.scale, "--start", plan.start.isoformat(),
            "--models", ",".join(plan.models), "--until-stdin-closes",
            *(f"--stake={model}={nmr}" for model, nmr in plan.stakes.items()),
            *(["--real-clock"] if plan.real_clock else []), *(["--strict"] if self._strict else []),
        ]  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        with log.open("ab") as output:
            start = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "numebot_dagster.practice", *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _STARTING_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                said = log.read_bytes()[start:].decode(errors="replace").strip()
                raise Refused(f"the practice tournament did not start: {said} (see {log})")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the process gently."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Ends the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _answers(self) -> bool:
        assert self._process is not None
        if not (self.folder / ADDRESS_FILE).exists():
            return False
        address = read_address(self.folder)
        if address.pid != self._process.pid:
            return False
        self.url = address.url
        return self.is_up()


def _listen(port: int, *, fixed: bool) -> socket.socket:
    """Returns a socket bound to a port; a port that is only preferred gives way to a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if fixed:
            raise Refused(
                f"port {port} is taken ({error.strerror}); choose another --port"
            ) from error
        return _listen(0, fixed=True)
    listener.listen(128)
    return listener


def _lock(folder: Path) -> IO[str]:
    """Returns the open file whose lock keeps a second server away; a dead process holds none."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise Refused(
            f"{folder} is already being served; see `numebot practice state --folder {folder}`"
        ) from error
    return file


def _former_port(folder: Path) -> int:
    if not (folder / ADDRESS_FILE).exists():
        return 0
    return int(read_address(folder).url.rpartition(":")[2])


def _write_address(folder: Path, address: Address) -> None:
    path = folder / ADDRESS_FILE
    temporary = path.with_suffix(".part")
    temporary.touch(mode=0o600)
    held = {"url": address.url, "pid": address.pid, **vars(address.credentials)}
    temporary.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _wait_for_end(server: Any) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
