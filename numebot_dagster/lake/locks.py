"""Take turns between processes by locks that a killed process cannot keep.

They are the system's own `flock`, without `filelock` upon it. That looks every 50 ms instead of
waiting in the kernel, has no public way to the open file in which the holder is named, and on disks
without `flock` falls back to a lock that outlives a killed holder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

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
    """Hold a lock while the block runs, without waiting for it; the file names its holder.

    Raises:
        HeldElsewhere: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            raise HeldElsewhere(path, int(pid) if pid.isdigit() else None) from None
        _write_name(file, str(os.getpid()))
        yield


@contextmanager
def exclusive(
    path: Path, on_wait: Callable[[str], None] | None = None, holder: str = ""
) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs; wait while another holds it.

    The operating system gives the lock back when its holder ends, even by SIGKILL. Waiting costs
    nothing and ends with the first signal whose handler raises.

    Args:
        path: the lock file; it is made when missing and names its holder while the lock is held.
        on_wait: called once when another process holds the lock, before waiting for it, with a
            text that says who holds it and since when.
        holder: what this process shall be called in that text, besides its process id.
    """
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        try:
            with files.explained(path):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait(_name_in(file))
            fcntl.flock(file, fcntl.LOCK_EX)
        since = f"process {os.getpid()}, since {datetime.now(UTC):%d %b %H:%M:%S} UTC"
        _write_name(file, ", ".join(filter(None, [holder, since])))
        try:
            yield
        finally:
            _write_name(file, "")


def holder_of(path: Path) -> str | None:
    """Return who holds a lock and since when, or None when nobody does."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _name_in(file)
    return None


def _name_in(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "another process"


def _write_name(file: IO[str], name: str) -> None:
    """Name the holder in its lock file; on a full disk the lock holds all the same.

    Past the buffer of the file, which would fail once more when it is closed.
    """
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), name.encode())
