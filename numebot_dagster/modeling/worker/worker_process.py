"""Start a worker process, ask it within a budget, and kill it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, cast

import psutil

from numebot_dagster.modeling.worker.failures import ModelCrashed, ModelOutOfMemory, ModelTimedOut
from numebot_dagster.modeling.worker.memory import ProcessTree
from numebot_dagster.modeling.worker.messages import Answer, PhaseBegun, Request

ENTRY_POINT = "numebot_dagster.modeling.worker.entry_point"
GIGABYTE = 10**9
BACKGROUND_NICENESS = 10
LOWEST_DISK_PRIORITY = 7
_TICK = 0.05  # seconds between two looks at the memory
_START_SECONDS = 60.0
_LOG_BYTES = 64 * 1024  # how much of what a model prints is kept
# Model code has no business with the account; what it does not get, it cannot print. The settings
# are read in whatever case their names are written.
_WITHHELD = (
    "NUMERAI_PUBLIC_ID",
    "NUMERAI_SECRET_KEY",
    "NUMEBOT_NOTIFY_URLS",
    "NUMEBOT_HEARTBEAT_URL",
    "NUMEBOT_HIDDEN_ENVIRONMENT",  # may hold any of them
)


class NotStarted(Exception):
    """The process ended, or did not report, before its first request; the text is its output."""


@dataclass(frozen=True)
class Budget:
    """What a model may use.

    Attributes:
        seconds: from request to answer.
        gigabytes: memory of the process and all below it in 10^9 bytes, shared pages counted once.
        names: which attributes of the model's class set the two, for error texts.
        phases: phases with a limit of their own: its seconds, and the attribute that sets it.
    """

    seconds: float
    gigabytes: float
    names: tuple[str, str]
    phases: Mapping[str, tuple[float, str]] = field(default_factory=dict)


class _Deadline:
    """The time that is left of a budget, and of the phase that is running."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._whole = time.monotonic() + budget.seconds
        self.begin("import")

    def begin(self, phase: str) -> None:
        """Note that a phase begins."""
        self.phase = phase
        limit = self._budget.phases.get(phase)
        self._of_phase = None if limit is None else (time.monotonic() + limit[0], *limit)

    @property
    def overrun(self) -> str | None:
        """The budget that is passed, as the end of a sentence about the model."""
        now = time.monotonic()
        if self._of_phase is not None and now > self._of_phase[0]:
            _, seconds, name = self._of_phase
            return _stopped(f"took longer than {seconds:g} s", name, self.phase)
        if now > self._whole:
            seconds, name = self._budget.seconds, self._budget.names[0]
            return _stopped(f"took longer than {seconds:g} s", name, self.phase)
        return None


class WorkerProcess:
    """A worker process with its connection, its lifeline and the tail of its output."""

    def __init__(self, *, background: bool = False) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._popen = subprocess.Popen(
            [
                *(sys.executable, "-X", "faulthandler", "-m", ENTRY_POINT),
                *(str(theirs.fileno()), str(lifeline)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(), lifeline),
            env=_environment(),
            start_new_session=True,
        )
        if background:
            # Before it has threads: each has a niceness of its own, taken from the one it began in.
            _give_way(self._popen.pid)
        theirs.close()
        os.close(lifeline)
        self._connection = Connection(ours.detach())
        self._tree = ProcessTree(self._popen.pid)
        self._log = b""
        output = cast(IO[bytes], self._popen.stdout)
        self._reader = threading.Thread(target=self._keep_tail, args=(output,), daemon=True)
        self._reader.start()
        self._await_start()

    def _await_start(self) -> None:
        try:
            self._connection.send([str(Path(folder).absolute()) for folder in sys.path])
            started = self._connection.poll(_START_SECONDS) and self._connection.recv()
        except (EOFError, ConnectionError):
            started = False
        if not started:
            self.kill()
            self._reader.join(timeout=1)
            raise NotStarted(self.log_tail)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._popen.poll() is None

    @property
    def has_subprocesses(self) -> bool:
        """Whether a model has left subprocesses behind."""
        return bool(self._tree.descendants())

    @property
    def log_tail(self) -> str:
        """The end of what its models printed."""
        return self._log.decode(errors="replace").strip()

    def uses_more_than(self, gigabytes: float) -> bool:
        """Return whether it and all below it use more memory, shared pages counted once."""
        return self._tree.uses_more_than(gigabytes * GIGABYTE)

    def ask(self, request: Request, budget: Budget) -> Answer:
        """Send a request and return the answer, unless a budget is passed before.

        Raises:
            ModelTimedOut, ModelOutOfMemory: a budget was passed; the process still runs.
            ModelCrashed: the process ended.
        """
        deadline = _Deadline(budget)
        try:
            self._connection.send(request)
            while True:
                if self._connection.poll(_TICK):
                    message = self._connection.recv()
                    if not isinstance(message, PhaseBegun):
                        return cast(Answer, message)
                    deadline.begin(message.name)
                if not self.is_alive and not self._connection.poll(0):
                    raise EOFError  # a subprocess of the model may hold our connection open
                if (overrun := deadline.overrun) is not None:
                    raise ModelTimedOut(request.model, overrun, self.log_tail)
                if self.uses_more_than(budget.gigabytes):
                    what = f"used more than {budget.gigabytes:g} GB of memory"
                    text = _stopped(what, budget.names[1], deadline.phase)
                    raise ModelOutOfMemory(request.model, text, self.log_tail)
        except (EOFError, ConnectionError):
            how = self._how_it_ended(deadline.phase)
            raise ModelCrashed(request.model, how, self.log_tail) from None

    def kill(self) -> None:
        """End the process, its process group, and subprocesses that left the group."""
        self._tree.kill_descendants()
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._connection.close()
        with suppress(OSError):
            os.close(self._lifeline)

    def _how_it_ended(self, phase: str) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=5)
            self._reader.join(timeout=1)  # so that its last words are in the log
        code = self._popen.returncode
        if code is None:
            how = "closed its connection"
        elif code < 0:
            how = f"was ended by the signal {signal.Signals(-code).name}"
        else:
            how = f"ended its process with exit code {code}"
        text = f"{how} in its phase `{phase}`"
        if code == -signal.SIGKILL:
            text += " (perhaps the system ran out of memory)"
        return f"{text}\n{self.log_tail}".rstrip()

    def _keep_tail(self, output: IO[bytes]) -> None:
        with output:
            while chunk := os.read(output.fileno(), 4096):
                self._log = (self._log + chunk)[-_LOG_BYTES:]


def _give_way(pid: int) -> None:
    process = psutil.Process(pid)
    process.nice(max(BACKGROUND_NICENESS, process.nice()))
    if hasattr(process, "ionice"):  # Linux
        process.ionice(psutil.IOPRIO_CLASS_BE, LOWEST_DISK_PRIORITY)


def _stopped(what: str, attribute: str, phase: str) -> str:
    if not attribute:
        return f"{what} to be imported and was stopped: move work out of its module's top level"
    return (
        f"{what} and was stopped in its phase `{phase}`; its class sets the limit as `{attribute}`"
    )


def _environment() -> dict[str, str]:
    environment = {
        name: value for name, value in os.environ.items() if name.upper() not in _WITHHELD
    }
    package_root = str(Path(__file__).parents[3])
    paths = [package_root, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    # The order of a set must not make the canary differ.
    environment["PYTHONHASHSEED"] = "0"
    environment["PYTHONUTF8"] = "1"  # what a model prints is never lost to the locale
    # OpenMP threads that spin while they wait make small trainings ten times slower on a machine
    # that does something else too; a short spin costs nothing on an idle one.
    environment.setdefault("GOMP_SPINCOUNT", "1000")
    return environment
