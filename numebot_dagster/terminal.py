"""Write to standard output and standard error without ever failing.

Messages never decide about work: a reader that has gone or does not read, a disk that is full, a
closed descriptor and a stopped terminal cost what is printed, and no round. Only the result of a
command that does nothing else waits for its reader: see `wait_for_reader`.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TextIO, cast

PATIENCE = 5.0  # seconds that a message waits for a reader who does not read
_ATOMIC = 4096  # bytes that a ready pipe accepts without blocking


class _Descriptor(io.FileIO):
    """A file descriptor whose writes never raise: what it does not accept is lost.

    Attributes:
        loss: why something was lost, if it was.
    """

    def __init__(self, descriptor: int, patience: float) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.loss: OSError | None = None
        self._patience: float | None = patience
        self._is_stalled = False

    def wait_for_reader(self) -> None:
        """Wait for the reader without a limit from now on."""
        self._patience = None
        self._is_stalled = False

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Write what the descriptor accepts, and pretend that it accepted everything."""
        view = memoryview(data).cast("B")
        try:
            for start in range(0, len(view), _ATOMIC):
                self._write_all(view[start : start + _ATOMIC])
        except OSError as error:
            self.loss = self.loss or error
        return len(view)

    def _write_all(self, rest: memoryview) -> None:
        while rest:
            self._wait_for_reader()
            rest = rest[super().write(rest) or 0 :]

    def _wait_for_reader(self) -> None:
        """Wait until the descriptor is ready; after one timeout, do not wait again."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        patience = 0.0 if self._is_stalled else self._patience
        self._is_stalled = not poll.poll(None if patience is None else 1000 * patience)
        if self._is_stalled:
            raise BlockingIOError(errno.EAGAIN, "nobody reads")


def guard() -> None:
    """Replace standard output and standard error by streams that never fail or wait for long.

    Streams that something else has put in their place, as tests do, are left alone.
    """
    _open_closed_descriptors()
    if sys.stdout is sys.__stdout__:
        sys.stdout = guarded(1, PATIENCE)
    if sys.stderr is sys.__stderr__:
        sys.stderr = guarded(2, PATIENCE)


def guarded(descriptor: int, patience: float = PATIENCE) -> TextIO:
    """Return a text stream on a descriptor that never raises when it is written to."""
    buffer = io.BufferedWriter(cast(io.RawIOBase, _Descriptor(descriptor, patience)))
    return io.TextIOWrapper(buffer, errors="backslashreplace", line_buffering=True)


def wait_for_reader() -> None:
    """Let standard output wait for its reader from now on, however long that takes.

    For a command that only prints: nothing else waits for its end.
    """
    sys.stdout.flush()
    raw = _descriptor_of(sys.stdout)
    if raw is not None:
        raw.wait_for_reader()
        cast(io.TextIOWrapper, sys.stdout).reconfigure(line_buffering=raw.isatty())


def output_lost() -> OSError | None:
    """Return why a part of standard output is missing; a reader that has gone misses nothing."""
    sys.stdout.flush()
    raw = _descriptor_of(sys.stdout)
    loss = None if raw is None else raw.loss
    return None if isinstance(loss, BrokenPipeError) else loss


def _descriptor_of(stream: TextIO) -> _Descriptor | None:
    """Return what a stream of ours writes to; none for a stream that something else made."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Descriptor) else None


def _open_closed_descriptors() -> None:
    """Give closed standard descriptors to the null device, before a file of ours gets them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            else:
                os.set_inheritable(null, True)
