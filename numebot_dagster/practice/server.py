"""Run the practice tournament: in this process until stopped, or in a process of its own."""

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
from numebot_dagster.practice.rules.tournament import Tournament

HOST = "127.0.0.1"
# Small matrix products on several threads wait for each other more than they work.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# By scale: the first start at full generates files for half an hour.
_STARTING_SECONDS = {"small": 60.0, "full": 7200.0}
_STOPPING_SECONDS = 10.0
_OPEN_REQUEST_SECONDS = 1  # a fault may delay an answer for an hour


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
    """Serve the tournament in a folder on the loopback interface until it is interrupted.

    Args:
        folder: Holds its state; created when missing.
        plan: Describes a new tournament.
        port: 0 means the port that the folder had before, or a free one.
        deviations: Whether GraphQL is read as leniently as by Numerai, see `leniency`.
        rate_limits: How Numerai's rate limits are enforced.
        until_stdin_closes: Whether to stop when the process that started this one is gone.
        on_ready: Called with the address when requests are accepted.
        on_progress: Called while large data files are generated, which comes first: with a file's
            name, the number of finished eras, and that of all.

    Raises:
        Refused: The port is taken, or the folder holds another tournament or is being served.
    """
    with _opened(folder, plan, port) as tournament:
        _generate_data(tournament, on_progress)
        listener = _listen(port or _former_port(folder), fixed=bool(port))
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        address = Address(url, os.getpid(), credentials(tournament))
        write_address(folder, address)
        server = _server(tournament, deviations=deviations, rate_limits=rate_limits)
        if until_stdin_closes:
            threading.Thread(target=_wait_for_end, args=(server,), daemon=True).start()
        on_ready(address)  # the port listens: early requests wait for the first answer
        server.run(sockets=[listener])


@contextmanager
def _opened(folder: Path, plan: Plan, port: int) -> Iterator[Tournament]:
    with _leaving_nothing_new(folder):
        if port:
            _listen(port, fixed=True).close()  # refuses before the data are generated
        lock = _lock(folder)
        tournament = open_tournament(folder, plan)
    try:
        yield tournament
    finally:
        tournament.state.close()
        lock.close()


def _generate_data(tournament: Tournament, on_progress: Callable[[str, int, int], None]) -> None:
    from numebot_dagster.practice.datasets.files import Library
    from numebot_dagster.practice.rules.lineup import Lineups

    Library(tournament, Lineups(tournament)).prepare(on_progress)


def _server(tournament: Tournament, *, deviations: bool, rate_limits: Enforcement) -> Any:
    """Return a uvicorn server of the tournament."""
    import uvicorn

    from numebot_dagster.practice.api.app import make_app

    app = make_app(tournament, deviations=deviations, rate_limits=rate_limits)
    config = uvicorn.Config(
        app, log_level="warning", date_header=False, timeout_graceful_shutdown=_OPEN_REQUEST_SECONDS
    )
    return uvicorn.Server(config)


class PracticeServer(Controls):
    """A practice tournament in a process of its own, which ends with this one.

    `with PracticeServer(folder) as practice:` starts it and waits until it answers.
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

    def __exit__(self, *_: object) -> None:
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
        """Start the process and wait until it answers.

        Raises:
            Refused: It ended before it answered; the message has its output.
        """
        arguments = [
            "--folder", str(self.folder), "--plan", self._plan.to_json(),
            "--port", str(self._port), "--rate-limits", self._rate_limits, "--until-stdin-closes",
            *(["--strict"] if self._strict else []),
        ]  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        with log.open("ab") as output:
            start = output.tell()
            # It ends when its standard input does.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "numebot_dagster.practice", *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**ONE_THREAD, **os.environ},
            )
        deadline = time.monotonic() + _STARTING_SECONDS.get(self._plan.scale, 60.0)
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                output_text = log.read_bytes()[start:].decode(errors="replace").strip()
                raise Refused(f"the practice tournament did not start: {output_text} (see {log})")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the process gently."""
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
        """End the process at once, as a crash would."""
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


@contextmanager
def _leaving_nothing_new(folder: Path) -> Iterator[None]:
    """Remove the folders that were created for a tournament that is then refused."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except Refused:
        if new and new[-1].exists():
            shutil.rmtree(new[-1])
        raise


def _listen(port: int, *, fixed: bool) -> socket.socket:
    """Return a socket bound to a port; if a port that is not fixed is taken, to a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        # Both may fail: of two that bind at once, the second fails only when it listens.
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
    """Return the open file whose lock keeps a second server away; a dead process holds none."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text(
            "*\n", encoding="utf-8"
        )  # holds nobody's work, but an API key
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
