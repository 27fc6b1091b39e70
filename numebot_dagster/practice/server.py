"""Runs the practice tournament: in this process until stopped, or in one of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.practice.controls import (
    ADDRESS_FILE,
    Address,
    Controls,
    read_address,
    write_address,
)
from numebot_dagster.practice.creation import Credentials, Plan, credentials, open_tournament
from numebot_dagster.practice.rules.clock import Refused

__all__ = ["Address", "Controls", "PracticeServer", "read_address", "serve"]

HOST = "127.0.0.1"
# Small matrix products on several threads wait for each other more than they work.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# By scale: the first start at full makes files for half an hour.
_STARTING_SECONDS = {"small": 60.0, "full": 7200.0}
_STOPPING_SECONDS = 10.0
_OPEN_REQUEST_SECONDS = 1  # a fault may hold a request for an hour, and nobody waits for the answer


def serve(
    folder: Path,
    plan: Plan,
    port: int = 0,
    *,
    deviations: bool = True,
    rate_limits: Enforcement = Enforcement.ON,
    until_stdin_closes: bool = False,
    on_ready: Callable[[Address], None] = lambda _: None,
    on_progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> None:
    """Serves the tournament in ``folder`` on the loopback interface until it is interrupted.

    Args:
        folder: Holds its state; made when missing.
        plan: What a new tournament is made of.
        port: 0 takes the port that the folder had before, else a free one.
        deviations: Whether GraphQL is read as leniently as by Numerai, see `leniency`.
        rate_limits: How Numerai's rate limits are enforced.
        until_stdin_closes: Whether to stop when the process that started this one is gone.
        on_ready: Called with the address when requests are accepted.
        on_progress: Called while large data files are made, which comes first: with a file's name,
            the eras that are done, and all of them.

    Raises:
        Refused: The port is taken, or the folder holds another tournament or is being served.
    """
    import uvicorn

    from numebot_dagster.practice.api.app import make_app
    from numebot_dagster.practice.datasets.files import Library
    from numebot_dagster.practice.rules.lineup import Lineups

    with _leaving_nothing_new(folder):
        if port:
            _listen(port, fixed=True).close()  # said before the data are made, not after
        lock = _lock(folder)
        tournament = open_tournament(folder, plan)
    Library(tournament, Lineups(tournament)).prepare(on_progress)
    listener = _listen(port or _former_port(folder), fixed=bool(port))
    address = Address(
        f"http://{HOST}:{listener.getsockname()[1]}", os.getpid(), credentials(tournament)
    )
    write_address(folder, address)
    app = make_app(tournament, deviations=deviations, rate_limits=rate_limits)
    config = uvicorn.Config(
        app, log_level="warning", date_header=False, timeout_graceful_shutdown=_OPEN_REQUEST_SECONDS
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


class PracticeServer(Controls):
    """A practice tournament in a process of its own, which ends with this one.

    ``with PracticeServer(folder) as practice:`` starts it and waits until it answers.

    Args:
        folder: Holds its state; made when missing, continued when not.
        plan: What a new tournament is made of.
        port: 0 takes a free one.
        strict: Whether GraphQL is read by the letter of the schema.
        rate_limits: How Numerai's rate limits are enforced.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan | None = None,
        *,
        port: int = 0,
        strict: bool = False,
        rate_limits: Enforcement = Enforcement.OFF,
    ) -> None:
        super().__init__("", folder)
        self.folder: Path = folder
        self._plan = plan or Plan()
        self._port = port
        self._strict = strict
        self._rate_limits = rate_limits
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
            "--rate-limits", self._rate_limits,
            *(f"--stake={model}={nmr}" for model, nmr in plan.stakes.items()),
            *([f"--rules-change-at={plan.rules_change_at}"] if plan.rules_change_at else []),
            *([f"--minutes-a-round={plan.minutes_a_round}"] if plan.minutes_a_round else []),
            *(["--real-clock"] if plan.real_clock else []),
            *(["--open-now"] if plan.open_now else []), *(["--strict"] if self._strict else []),
        ]  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        with log.open("ab") as output:
            start = output.tell()
            self._process = self._launch(arguments, output)
        deadline = time.monotonic() + _STARTING_SECONDS.get(plan.scale, 60.0)
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

    def _launch(self, arguments: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Starts the process; it ends when its standard input does."""
        return subprocess.Popen(
            [sys.executable, "-m", "numebot_dagster.practice", *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**ONE_THREAD, **os.environ},
        )

    def _answers(self) -> bool:
        assert self._process is not None
        if not (self.folder / ADDRESS_FILE).exists():
            return False
        address = read_address(self.folder)
        if address.pid != self._process.pid:
            return False
        self.url = address.url
        return self.is_up()


@contextmanager
def _leaving_nothing_new(folder: Path) -> Iterator[None]:
    """Removes the folders that were made for a tournament that is then refused."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except Refused:
        if new and new[-1].exists():
            shutil.rmtree(new[-1])
        raise


def _listen(port: int, *, fixed: bool) -> socket.socket:
    """Returns a socket bound to a port; a port that is only preferred gives way to a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        # Both may refuse: two that bind at once are told apart only when they listen.
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if fixed:
            raise Refused(
                f"port {port} is taken ({error.strerror}); choose another --port"
            ) from error
        return _listen(0, fixed=True)
    return listener


def _lock(folder: Path) -> IO[str]:
    """Returns the open file whose lock keeps a second server away; a dead process holds none."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")  # nobody's work, and a key
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


def _wait_for_end(server: Any) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
