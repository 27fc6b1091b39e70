"""Keep workers waiting, as forks, until the product starts one.

A worker is started by `subprocess.Popen` and needs seconds of imports. Here a fork of the player
that has them already takes its place: a child of the run, in a session of its own, with the same
arguments, environment, pipes and end. When no spare is left, the product's own way is used.
"""

from __future__ import annotations

import faulthandler
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

WORKER = "numebot_dagster.modeling.worker.entry_point"
NAME = "chaos-worker"  # what the system calls the process


class Spare:
    """A fork that waits to become a worker; afterwards what `subprocess.Popen` would be."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.stdout: IO[bytes] | None = None
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._ours.close()
            _wait_for_work(theirs)
        theirs.close()

    def become(
        self, arguments: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> None:
        """Give the fork its work.

        Args:
            arguments: the numbers that the worker knows its descriptors by.
            environment: all of it.
            descriptors: what those numbers stand for.
        """
        readable, writable = os.pipe()
        work = json.dumps({"arguments": list(arguments), "environment": dict(environment)})
        socket.send_fds(self._ours, [len(work).to_bytes(4, "big")], [*descriptors, writable])
        self._ours.sendall(work.encode())
        self._ours.close()
        os.close(writable)
        self.stdout = os.fdopen(readable, "rb", buffering=0)

    def close(self) -> None:
        """Let go of a fork that was never needed; it ends by itself."""
        self._ours.close()

    def poll(self) -> int | None:
        """Return the exit status, if it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, when it has ended."""
        import time

        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(WORKER, timeout or 0.0)
            time.sleep(0.002)
        assert self.returncode is not None
        return self.returncode


class _Subprocess:
    """The module `subprocess`, whose `Popen` takes a spare for a worker."""

    def __init__(self, spares: list[Spare]) -> None:
        self._spares = spares

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, arguments: Sequence[str], **more: Any) -> Any:  # noqa: N802
        if WORKER not in arguments or not self._spares:
            return subprocess.Popen(arguments, **more)
        spare = self._spares.pop()
        own = list(arguments)[list(arguments).index(WORKER) + 1 :]
        spare.become(own, more["env"], more["pass_fds"])
        return spare


def prepare(count: int) -> None:
    """Fork spares for the workers that the product of this process will start."""
    from numebot_dagster.modeling.worker import worker_process

    spares: list[Spare] = []
    for _ in range(count):
        spares.append(Spare())
    worker_process.subprocess = _Subprocess(spares)  # type: ignore[assignment]


def _wait_for_work(theirs: socket.socket) -> NoReturn:
    try:
        size, descriptors, *_ = socket.recv_fds(theirs, 4, 8)
        if not size:
            os._exit(0)
        length = int.from_bytes(size, "big")
        content = b""
        while len(content) < length:
            content += theirs.recv(length - len(content))
        work = json.loads(content)
        theirs.close()
        _work(work["arguments"], work["environment"], descriptors)
    finally:
        os._exit(1)


def _work(arguments: Sequence[str], environment: Mapping[str, str], descriptors: list[int]) -> None:
    from numebot_dagster.modeling.worker.entry_point import main

    os.setsid()
    Path("/proc/self/comm").write_text(NAME)
    *own, output = descriptors
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    faulthandler.enable()
    sys.argv = [WORKER, *map(str, own)]
    main()
    sys.stdout.flush()
    os._exit(0)
