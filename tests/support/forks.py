"""Fork our own commands from one process that has imported everything, where tests start them.

A worker, a practice tournament or a `numebot` of its own needs one to three seconds of imports,
which are most of what the tests would compute. `install` makes `subprocess.Popen` ask a process
that has them, the nursery, to fork instead: what is forked runs the module from its beginning with
the arguments, environment, folder, descriptors and session it was started with, dies of signals and
has an exit status. Whatever else is started is started as ever, and so is what belongs to a
terminal or to a test marked `unforked`. The processes of pytest-xdist are forked as well, and share
the nurseries. Of `numebot up`, which ends its family by its process group, the services are forked
too where its environment has `FORKED_SERVICES`. It is for Linux.
"""

from __future__ import annotations

import atexit
import faulthandler
import fcntl
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from numebot_dagster import terminal
from numebot_dagster.practice.server import ONE_THREAD

WORKER = "numebot_dagster.modeling.worker.entry_point"
COMMANDS = ("numebot_dagster.cli.main", "numebot_dagster.practice")
"""What is forked when it is started by `python -m`, as are modules of the tests."""
SERVICES = "numebot_dagster.web.services"
DAGSTER = ("dagster", "dagster._daemon")
"""Forked below forked services alone: elsewhere it reads what its own process was started with."""
FORKED_SERVICES = "TESTS_FORKED_SERVICES"
"""In the environment of `numebot up`: its services are forked as well."""
XDIST = ["-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"]
"""How pytest-xdist starts its processes, which are forked too."""

# A worker notes which libraries its model has loaded, so it has a nursery with few of its own.
IMPORTED = {
    "worker": (
        WORKER,
        "numebot_dagster.modeling.training_data",
        "numpy.ma",
        "polars",
        "pydantic.dataclasses",
    ),
    "commands": (
        COMMANDS[0],
        "alembic.script",
        "apprise",
        "dagster._core.instance.ref",
        "dagster._core.storage.event_log.sqlite",
        "dagster._daemon.controller",
        "altair",
        "dagster_graphql.schema",
        "dagster_webserver.app",
        "duckdb",
        "numebot_dagster.defs.performance.assets",
        "numebot_dagster.lake.catalog",
        "numebot_dagster.modeling.live_data",
        "numebot_dagster.modeling.training_data",
        "numebot_dagster.modeling.weights.canary",
        "numebot_dagster.numerai.client",
        "numebot_dagster.practice.api.app",
        SERVICES,
        "numerai_tools.submissions",
        "pandas",
        "polars",
        "pyarrow.parquet",
        "scipy.stats",
        "uvicorn",
    ),
}
"""What the nurseries import: those modules, and what they import late."""

# Read by the interpreter or by libraries as they start, so that a fork would come too late.
_READ_AT_START = ("LANG", "LC_ALL", "PYTHONIOENCODING", "PYTHONWARNINGS", "LD_PRELOAD")
_SETTLED = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "GOMP_SPINCOUNT": "1000", **ONE_THREAD}
# Threads of allocators, which know about forks, and of polars, which only removes its own files.
_HARMLESS_THREADS = ("jemalloc_bg_thd", "polars-ooc-clea")
_HIGH = 500  # descriptors on their way are kept above those that anybody asks for
_LENGTH = struct.Struct("!I")
_STATUS = struct.Struct("!i")
_Popen = subprocess.Popen
_is_on = True
_is_below_services = False
_addresses: dict[str, str] = {}
_kept: list[Any] = []  # the nurseries' processes
_files: set[int] = set()  # descriptors of files that libraries opened, such as mapped data
_one_at_a_time = threading.RLock()


@dataclass(frozen=True)
class _Start:
    """What a fork becomes."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    descriptors: list[int]
    new_session: bool


class ForkedPopen(_Popen):  # type: ignore[type-arg]
    """A `Popen` that asks the nursery where it may."""

    _connection: socket.socket | None = None

    def _execute_child(self, args: Any, executable: Any, *more: Any) -> None:
        names = (*_Popen._execute_child.__code__.co_varnames[3:],)
        given = dict(zip(names, more, strict=False))
        words = [os.fspath(word) for word in args] if isinstance(args, list | tuple) else []
        if is_xdist := words[1:] == XDIST:
            words = [words[0], "-m", __name__.replace("forks", "xdist_process"), words[-1]]
        environment = dict(os.environ if given["env"] is None else given["env"])
        is_here = words[1:3] == ["-m", SERVICES] and FORKED_SERVICES in environment
        is_here = is_here and _is_alone()
        place = 2 if is_here else _place_of_module(words)
        descriptors = _passed_on(given)
        prepare = given["preexec_fn"]
        odd = (prepare and not is_here) or given["shell"]
        odd = odd or given["process_group"] not in (-1, None)
        odd = odd or (_has_terminal(descriptors) and not is_xdist)
        if not place or odd or not _is_alike(environment):
            super()._execute_child(args, executable, *more)
            return
        sys.audit("subprocess.Popen", words[0], words, given["cwd"], environment)
        start = _Start(
            words[place],
            words[place + 1 :],
            environment,
            str(Path(given["cwd"] or ".").absolute()),
            list(descriptors),
            bool(given["start_new_session"]),
        )
        if not Path(start.folder).is_dir():
            raise FileNotFoundError(f"{start.folder} is no folder")
        if is_here:
            self.pid = _forked_here(start, list(descriptors.values()), prepare)
        else:
            self._connection, self.pid = _forked(start, list(descriptors.values()))
        self._child_created = True
        self._close_pipe_fds(
            *(given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite")),
            *(given[name] for name in ("errread", "errwrite")),
        )

    def _internal_poll(self, *more: Any, **named: Any) -> int | None:
        if self._connection is None:
            return super()._internal_poll(*more, **named)
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid and self.returncode is None:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._connection is None:
            return super()._try_wait(wait_flags)
        if self.returncode is not None:
            return (0, 0)
        self._connection.setblocking(not wait_flags & os.WNOHANG)
        try:
            content = _received(self._connection, _STATUS.size)
        except BlockingIOError:
            return (0, 0)
        self._connection.close()
        return (self.pid, _STATUS.unpack(content)[0] if content else signal.SIGKILL)


def install() -> None:
    """Let processes be forked that this one starts, and those that are forked."""
    if sys.platform == "linux":  # elsewhere libraries may not survive a fork
        subprocess.Popen = ForkedPopen  # type: ignore[misc]


@contextmanager
def unforked() -> Iterator[None]:
    """Let every process be started as ever."""
    global _is_on
    _is_on = False
    try:
        yield
    finally:
        _is_on = True


def _place_of_module(words: Sequence[str]) -> int:
    """Return the place in a command of the module that may be forked; 0 if there is none."""
    if not _is_on or not words or words[0] != sys.executable or "-m" not in words[:-1]:
        return 0
    place = words.index("-m") + 1
    ours = (WORKER, *COMMANDS, *(DAGSTER if _is_below_services else ()))
    may_be = words[place].startswith("tests.") or words[place] in ours
    return place if may_be and words[1 : place - 1] in ([], ["-X", "faulthandler"]) else 0


def _passed_on(given: dict[str, Any]) -> dict[int, int]:
    """Return the descriptors that a process is started with, by its own numbers."""
    return {
        0: 0 if given["p2cread"] == -1 else given["p2cread"],
        1: 1 if given["c2pwrite"] == -1 else given["c2pwrite"],
        2: 2 if given["errwrite"] == -1 else given["errwrite"],
        **{number: number for number in given["pass_fds"]},
    }


def _is_alike(environment: dict[str, str]) -> bool:
    return all(environment.get(name) == os.environ.get(name) for name in _READ_AT_START)


def _has_terminal(descriptors: dict[int, int]) -> bool:
    return any(os.isatty(descriptors[number]) for number in (1, 2))


def _forked(start: _Start, descriptors: list[int]) -> tuple[socket.socket, int]:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_nursery("worker" if start.module == WORKER else "commands"))
    content = json.dumps(asdict(start)).encode()
    # Each descriptor is sent once and named by its place, so that two numbers may share one.
    socket.send_fds(connection, [_LENGTH.pack(len(content))], descriptors)
    connection.sendall(content)
    (pid,) = _STATUS.unpack(_received(connection, _STATUS.size))
    return connection, pid


def _forked_here(start: _Start, descriptors: list[int], prepare: Callable[[], None] | None) -> int:
    """Fork this process, which is a fork itself, so that the other is its child."""
    pid = os.fork()
    if pid == 0:
        _become(start, descriptors, prepare)
    return pid


def _received(connection: socket.socket, size: int) -> bytes:
    """Return all bytes of a message, or none when the other end has closed."""
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            return b""
        content += part
    return content


def _nursery(kind: str) -> str:
    """Return the address of a nursery, which is started when it is first needed."""
    with _one_at_a_time:
        if kind not in _addresses:
            _addresses[kind] = _started_nursery(kind)
        return _addresses[kind]


def _started_nursery(kind: str) -> str:
    if kind == "commands":
        _nursery("worker")  # which commands need
    address = str(Path(tempfile.mkdtemp(prefix="nursery-")) / "socket")
    process = _Popen(
        [sys.executable, "-m", __name__, kind, address, json.dumps(_addresses)],
        cwd=Path(__file__).parents[2],
        env={**_without_settings(), **_SETTLED},
        stdin=subprocess.PIPE,  # closes when this process ends, and so the nursery ends
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        raise RuntimeError("the nursery did not start")
    _kept.append(process)
    return address


def _without_settings() -> dict[str, str]:
    """Return the environment without a participant's: it would be seen as that of every fork."""
    from numebot_dagster.settings import Settings  # imports what no worker has

    own = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in own}


# --- in the nursery


def main() -> None:
    """Fork whatever is asked for, until the process that started this one ends."""
    kind, address, others = sys.argv[1:]
    _addresses.update({**json.loads(others), kind: address})
    if kind == "commands":
        from tests.support import quick_dagster, shared_data  # imports what no worker has

        shared_data.install()
        shared_data.compute_ahead()
        quick_dagster.install()
        quick_dagster.read_scripts()
    _import_all(IMPORTED[kind])
    _read_records()
    install()
    for number in _descriptors():
        with suppress(OSError):  # the listing's own is closed by now
            if stat.S_ISREG(os.fstat(number).st_mode):
                _files.add(number)
    listener = _listening(address)
    print("ready", flush=True)  # noqa: T201
    _tend(address, listener, sys.stdin)


def _listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    return listener


def _tend(address: str, listener: socket.socket, end: IO[Any]) -> NoReturn:
    """Fork whatever is asked for, until the other end of a pipe is closed."""
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    for source in (listener, woken, end):
        selector.register(source, selectors.EVENT_READ)
    children: dict[int, socket.socket] = {}
    while True:
        sources = [key.fileobj for key, _ in selector.select()]
        if end in sources:
            Path(address).unlink(missing_ok=True)
            Path(address).parent.rmdir()
            os._exit(0)  # libraries would tell of what they have not freed
        if listener in sources:
            connection, _ = listener.accept()
            with suppress(OSError, struct.error, ValueError):  # who asked has ended meanwhile
                pid = _fork(connection)
                children[pid] = connection
                connection.sendall(_STATUS.pack(pid))
        if woken in sources:
            with suppress(BlockingIOError):
                woken.recv(4096)
        _tell_of_ends(children)


def _found_nursery() -> None:
    """Fork a nursery for what this process starts: all stay below it and in its process group."""
    global _is_below_services
    _is_below_services = True
    address = str(Path(tempfile.mkdtemp(prefix="nursery-")) / "socket")
    listener = _listening(address)
    _addresses["commands"] = address
    end, alive = os.pipe()
    if os.fork() == 0:
        os.close(alive)
        _tend(address, listener, os.fdopen(end, "rb"))
    os.close(end)
    listener.close()
    _kept.append(alive)  # closed when this process ends


def _import_all(names: Sequence[str]) -> None:
    for name in names:
        importlib.import_module(name)
    if others := _other_threads():
        raise RuntimeError(f"a fork would lack the threads {others} and keep all their locks")
    gc.collect()
    gc.freeze()  # pages that the collector does not touch stay shared with the forks


def _read_records() -> None:
    """Build what reads the records of weights, which takes longer than the reading."""
    from numebot_dagster.lake import json_records
    from numebot_dagster.modeling.weights import weight_store

    for kind in (weight_store.Manifest, list[str]):
        json_records._adapter(kind)


def _is_alone() -> bool:
    """Return whether this process has one thread, once those that are about to end have ended."""
    deadline = time.monotonic() + 1
    while (others := _other_threads()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not others


def _other_threads() -> list[str]:
    return [name for name in _threads() if name not in _HARMLESS_THREADS][1:]


def _threads() -> list[str]:
    """Return the names of this process's threads."""
    tasks = sorted(Path("/proc/self/task").iterdir())
    return [(task / "comm").read_text().strip() for task in tasks]


def _fork(connection: socket.socket) -> int:
    size, descriptors, *_ = socket.recv_fds(connection, _LENGTH.size, 64)
    start = _Start(**json.loads(_received(connection, *_LENGTH.unpack(size))))
    pid = os.fork()
    if pid == 0:
        _become(start, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _tell_of_ends(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        if (connection := children.pop(pid, None)) is not None:
            with connection, suppress(OSError):  # who waited may have ended
                connection.sendall(_STATUS.pack(status))


def _become(
    start: _Start, descriptors: list[int], prepare: Callable[[], None] | None = None
) -> NoReturn:
    """Run the module as a new interpreter would, to its exit status."""
    status = 1
    try:
        _take_place(start, descriptors, prepare)
        if start.module == SERVICES:
            _found_nursery()
        status = _status_of(start)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def _status_of(start: _Start) -> int:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
            runpy.run_module(start.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _take_place(start: _Start, descriptors: list[int], prepare: Callable[[], None] | None) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if start.new_session:
        os.setsid()
    if prepare is not None:
        prepare()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    high = [fcntl.fcntl(number, fcntl.F_DUPFD, _HIGH) for number in descriptors]
    for number, own in zip(start.descriptors, high, strict=True):
        os.dup2(own, number)
    _close_others(set(start.descriptors))
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=name == "stderr")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(start.folder)
    os.environ.clear()
    os.environ.update(start.environment)
    paths = start.environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [start.folder, *filter(None, paths)]
    sys.argv = [start.module, *start.arguments]
    importlib.invalidate_caches()
    faulthandler.enable()
    np.random.seed()
    if start.module == COMMANDS[0]:
        terminal.guard()  # as it does when it is imported
    if (logs := sys.modules.get("numebot_dagster.defs.logs")) is not None:
        logs._TERMINAL = logs.terminal.guarded(os.dup(2))


def _close_others(kept: set[int]) -> None:
    for number in _descriptors():
        if number not in kept | _files:
            with suppress(OSError):
                os.close(number)


def _descriptors() -> list[int]:
    """Return the open descriptors of this process but those of the standard streams."""
    numbers = map(int, os.listdir("/proc/self/fd"))  # noqa: PTH208
    return [number for number in numbers if number > 2]


if __name__ == "__main__":
    from tests.support import forks

    forks.main()  # of the module that the forks import
