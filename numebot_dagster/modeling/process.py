"""The parent half of a worker: starts the process, asks it, and stops it at its budgets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar, cast

from numebot_dagster.lake import files
from numebot_dagster.modeling.failures import (
    ModelCrashed,
    ModelFailed,
    ModelOutOfMemory,
    ModelTimedOut,
)
from numebot_dagster.modeling.memory import ProcessTree
from numebot_dagster.modeling.messages import (
    Answer,
    DescribeRequest,
    Failure,
    ModelTraits,
    PredictRequest,
    PredictResult,
    Request,
    TrainRequest,
    TrainResult,
)

_GIGABYTE = 10**9
_TICK = 0.05  # seconds between two looks at the memory
_START_SECONDS = 60.0
_LOG_CHUNKS = 16  # of 4 kB: how much of what a model prints is kept
# Model code has no business with the account; what it does not get, it cannot print.
_WITHHELD = ("NUMERAI_PUBLIC_ID", "NUMERAI_SECRET_KEY")

T = TypeVar("T")


@dataclass(frozen=True)
class Budget:
    """What a model may use.

    Attributes:
        seconds: from request to answer.
        gigabytes: resident size of the process and its children, in 10^9 bytes.
        names: which attributes of the model's class set the two, for error texts.
    """

    seconds: float
    gigabytes: float
    names: tuple[str, str]


# The class alone can say its budgets, so its import has a fixed one.
_DESCRIBE = Budget(60.0, 8.0, ("", ""))


class Worker:
    """Runs models in a process of its own, one after another, each under its budgets.

    The process stays warm between models, and is replaced after one that failed. It is started
    when it is first needed. To be used by one thread at a time, as a context manager:

        with Worker() as worker:
            result = worker.predict(PredictRequest(...))
    """

    def __init__(self) -> None:
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and all its children; a later request starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def start(self) -> None:
        """Starts the process now, so that the first model need not wait for it."""
        if self._process is None or not self._process.is_alive:
            self.close()
            self._process = _Process()

    def describe(self, request: DescribeRequest) -> ModelTraits:
        """Imports a model's class and reads what it declares.

        Raises:
            ModelError: the import failed, hung or crashed.
        """
        return self._ask(request, _DESCRIBE, ModelTraits)

    def train(self, request: TrainRequest) -> TrainResult:
        """Trains a model and stores its weights, verified by loading them again.

        Raises:
            ModelError: what went wrong; nothing is stored then.
            FileExistsError: the weights folder exists and `overwrite` is not set.
        """
        if request.folder.exists() and not request.overwrite:
            raise FileExistsError(f"{request.folder} exists already and is never overwritten")
        traits = self.describe(DescribeRequest(request.model, request.code))
        budget = Budget(
            traits.train_time_budget,
            traits.train_memory_budget,
            ("train_time_budget", "train_memory_budget"),
        )
        try:
            return self._ask(request, budget, TrainResult)
        finally:
            if request.folder.parent.exists():
                files.sweep(request.folder.parent)

    def predict(self, request: PredictRequest) -> PredictResult:
        """Loads a model's weights, repeats its canary and predicts one round.

        The budgets are those of the weights' manifest.

        Raises:
            ModelError: what went wrong.
            DamagedWeights: the manifest cannot be read.
        """
        from numebot_dagster.modeling.weights import read_manifest

        manifest = read_manifest(request.weights)
        budget = Budget(
            manifest.time_budget, manifest.memory_budget, ("time_budget", "memory_budget")
        )
        return self._ask(request, budget, PredictResult)

    def _ask(self, request: Request, budget: Budget, expected: type[T]) -> T:
        if self._process and self._process.resident_bytes() > budget.gigabytes * _GIGABYTE / 2:
            self.close()  # what earlier models left behind is not this one's fault
        self.start()
        process = cast(_Process, self._process)
        try:
            answer = process.ask(request, budget)
        except BaseException:
            self.close()
            raise
        if isinstance(answer, Failure):
            log_tail = process.log_tail
            self.close()
            raise ModelFailed(
                request.model,
                answer.phase,
                answer.kind,
                answer.message,
                answer.traceback,
                log_tail,
            )
        if process.has_children:
            self.close()  # they would use the machine while the next model runs
        if not isinstance(answer, expected):
            raise TypeError(f"the worker answered {type(answer).__name__} to {request}")
        return answer


class _Process:
    """One child process with its connection, its lifeline and the tail of its output."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._popen = subprocess.Popen(
            [
                *(sys.executable, "-X", "faulthandler", "-m", "numebot_dagster.modeling.worker"),
                *(str(theirs.fileno()), str(lifeline)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(), lifeline),
            env=_environment(),
            start_new_session=True,
        )
        theirs.close()
        os.close(lifeline)
        self._connection = Connection(ours.detach())
        self._tree = ProcessTree(self._popen.pid)
        self._log: deque[bytes] = deque(maxlen=_LOG_CHUNKS)
        output = cast(IO[bytes], self._popen.stdout)
        self._reader = threading.Thread(target=self._keep_tail, args=(output,), daemon=True)
        self._reader.start()
        if not self._connection.poll(_START_SECONDS):
            self.kill()
            raise RuntimeError(f"the worker process did not start:\n{self.log_tail}")
        try:
            self._connection.recv()
        except EOFError:
            self.kill()
            raise RuntimeError(f"the worker process did not start:\n{self.log_tail}") from None

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def has_children(self) -> bool:
        return bool(self._tree.children())

    @property
    def log_tail(self) -> str:
        return b"".join(list(self._log)).decode(errors="replace").strip()

    def resident_bytes(self) -> int:
        return self._tree.resident_bytes()

    def ask(self, request: Request, budget: Budget) -> Answer:
        """Sends a request and waits for the answer, no longer and no larger than the budget."""
        deadline = time.monotonic() + budget.seconds
        try:
            self._connection.send(request)
            while not self._connection.poll(_TICK):
                if not self.is_alive:
                    raise EOFError  # a child of the model's may hold our connection open
                if time.monotonic() > deadline:
                    raise ModelTimedOut(request.model, _over_time(budget), self.log_tail)
                if self.resident_bytes() > budget.gigabytes * _GIGABYTE:
                    raise ModelOutOfMemory(request.model, _over_memory(budget), self.log_tail)
            return cast(Answer, self._connection.recv())
        except (EOFError, ConnectionError):
            raise ModelCrashed(request.model, self._how_it_ended(), self.log_tail) from None

    def kill(self) -> None:
        """Ends the process, its process group, and children that left the group."""
        for process_id in self._tree.children():
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._connection.close()
        with suppress(OSError):
            os.close(self._lifeline)

    def _how_it_ended(self) -> str:
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
        text = f"{how} before it answered"
        if code == -signal.SIGKILL:
            text += " (perhaps the system ran out of memory)"
        return f"{text}\n{self.log_tail}".rstrip()

    def _keep_tail(self, output: IO[bytes]) -> None:
        with output:
            while chunk := os.read(output.fileno(), 4096):
                self._log.append(chunk)


def _over_time(budget: Budget) -> str:
    return _over(f"took longer than {budget.seconds:g} s", budget.names[0])


def _over_memory(budget: Budget) -> str:
    return _over(f"used more than {budget.gigabytes:g} GB of memory", budget.names[1])


def _over(what: str, attribute: str) -> str:
    if not attribute:
        return f"{what} to be imported and was stopped: move work out of its module's top level"
    return f"{what} and was stopped; its class sets the limit as `{attribute}`"


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _WITHHELD}
    package_root = str(Path(__file__).parents[2])
    paths = [package_root, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    # The order of a set must not make the canary differ.
    environment["PYTHONHASHSEED"] = "0"
    # OpenMP threads that spin while they wait make small trainings ten times slower on a machine
    # that does something else too; a short spin costs nothing on an idle one.
    environment.setdefault("GOMP_SPINCOUNT", "1000")
    return environment
