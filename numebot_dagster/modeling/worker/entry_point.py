"""Answer requests in the worker process, one model after another.

Started as `python -m numebot_dagster.modeling.worker.entry_point CONNECTION LIFELINE`, the numbers
of two inherited file descriptors. The platform's `sys.path` and then requests come over the first,
and answers go over it. Nothing comes over the second, but it closes when the platform's process
ends, however it ends, and then this process group ends too.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from numebot_dagster.modeling.worker import execution
from numebot_dagster.modeling.worker.messages import Answer, Failure, PhaseBegun, Request

# Frames of our own code and of the import machinery say nothing about the model.
_OURS = (str(Path(__file__).parents[2]), str(Path(importlib.__file__).parent), "<frozen")


def main() -> None:
    """Answer requests until the platform closes the connection."""
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_platform, args=(int(sys.argv[2]),), daemon=True).start()
    own_process = os.getpid()
    # The platform hashed the source that it found there; by a path of its own, this process could
    # import another file of the same name.
    sys.path[:] = connection.recv()
    connection.send("ready")

    def announce(phase: str) -> None:
        if os.getpid() == own_process:
            connection.send(PhaseBegun(phase))

    while True:
        try:
            request: Request = connection.recv()
        except EOFError:
            return
        answer = _answer(request, announce)
        if os.getpid() != own_process:
            os._exit(0)  # a subprocess that the model forked came back here: one answer is enough
        connection.send(answer)


def _answer(request: Request, announce: Callable[[str], None]) -> Answer:
    phases = execution.Phases(announce)
    try:
        return execution.run(request, phases)
    except BaseException as error:  # a model may call sys.exit, or raise what is no Exception
        return Failure(
            phase=phases.current,
            kind=type(error).__name__,
            message=str(error),
            traceback=_short_traceback(error),
            phases=phases.seconds,
        )


def _short_traceback(error: BaseException) -> str:
    """Return the lines of the model's code, innermost last; long recursions are cut."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_OURS)
    ]
    shown = [f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames]
    if isinstance(error, SyntaxError) and error.filename:
        shown.append(f"{error.filename}:{error.lineno}: {(error.text or '').strip()}")
    if len(shown) > 12:
        shown = [*shown[:6], f"… {len(shown) - 12} more …", *shown[-6:]]
    return "\n".join(shown)


def _end_with_platform(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
