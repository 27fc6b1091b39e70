"""A lock between processes that a killed process cannot keep."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from numebot_dagster.lake import files


class HeldElsewhere(Exception):
    """Another process holds the lock.

    Attributes:
        pid: that process, if it has named itself yet.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        super().__init__(f"{path} is held by process {pid or 'unknown'}")
        self.pid = pid


@contextmanager
def sole(path: Path) -> Iterator[None]:
    """Holds a lock while the block runs, without waiting for it; the file names its holder.

    Raises:
        HeldElsewhere: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            raise HeldElsewhere(path, int(pid) if pid.isdigit() else None) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds an exclusive lock on a file while the block runs; waits while another holds it.

    The operating system gives the lock back when its holder ends, even by SIGKILL.

    Args:
        path: the lock file; it is made when missing and stays empty.
        on_wait: called once when another process holds the lock, before waiting for it.
    """
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
