"""Start commands of the participant and the tournament, in processes that can be killed.

A fresh `numebot run` needs seconds of imports alone, and so do a worker and the tournament's
server. So this process imports everything once, does nothing with it, and forks for each: the fork
is a process of its own, which dies by SIGKILL as any other, and runs the `main` of what it is from
its beginning. What a fork had to import, the next one has already.

It reads one JSON object per line and answers each with one:

    {"do": "run", "arguments": ["run", "--round", "1312"], "changes": {}}     {"pid": 4711}
    {"do": "watch", "round": 1312, "changes": {}}                             {"pid": 4712}
    {"do": "serve", "arguments": ["--folder", "tournament"], "log": "…"}      {"pid": 4713}
    {"do": "wait", "pid": 4711}                                               {"status": 0}
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from tests.chaos.harness import clock, observer, spares, storage

RESULT_FILE = "watched.json"
IMPORTED_FILE = "imported-{}.json"
# Threads of allocators, which know about forks, and of polars, which only removes its own files.
HARMLESS_THREADS = ("jemalloc_bg_thd", "polars-ooc-clea")


def main() -> None:
    """Answer until standard input ends."""
    import_all()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what commands print is no answer
    lifeline, keeper = os.pipe()  # a server ends when this process has ended
    answers.write("{}\n")  # ready
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "wait":
            _, status = os.waitpid(request["pid"], 0)
            _import_what_was_missing(request["pid"])
            answer = {"status": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": _forked(request, lifeline, keeper)}
        answers.write(json.dumps(answer) + "\n")


def import_all() -> None:
    """Import what a command would import itself."""
    import apprise  # noqa: F401
    import duckdb  # noqa: F401
    import numerai_tools.submissions  # noqa: F401
    import pandas as pd  # noqa: F401
    import polars as pl  # noqa: F401
    import pyarrow.parquet as pq  # noqa: F401
    import scipy.stats  # noqa: F401
    import uvicorn  # noqa: F401

    import numebot_dagster.cli.main
    import numebot_dagster.lake.catalog
    import numebot_dagster.modeling.live_data
    import numebot_dagster.modeling.weights.canary
    import numebot_dagster.modeling.worker.entry_point
    import numebot_dagster.numerai.client
    import numebot_dagster.practice.api.app  # noqa: F401
    from numebot_dagster.definitions import defs

    defs.resolve_job_def("round_job")
    storage.install()
    gc.collect()
    gc.freeze()  # pages that the collector does not touch stay shared with the forks


def _forked(request: dict[str, Any], lifeline: int, keeper: int) -> int:
    others = [name for name in _threads() if name not in HARMLESS_THREADS]
    if len(others) > 1:
        raise RuntimeError(f"a fork would lack the threads {others[1:]} and keep all their locks")
    pid = os.fork()
    if pid == 0:
        os.close(keeper)
        os.setpgid(0, 0)
        os.dup2(lifeline if request["do"] == "serve" else os.open(os.devnull, os.O_RDONLY), 0)
        os.close(lifeline)
        _play(request)
    return pid


def _threads() -> list[str]:
    """Return the names of this process's threads, where the system shows them."""
    folder = Path("/proc/self/task")
    tasks = sorted(folder.iterdir()) if folder.is_dir() else []
    return [(task / "comm").read_text().strip() for task in tasks]


def _play(request: dict[str, Any]) -> NoReturn:
    """Do what was asked of the fork, and never return into the loop of its parent."""
    status = 1
    before = set(sys.modules)
    try:
        action = {"run": _run, "watch": _watch, "serve": _serve}[request["do"]]
        status = action(request)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        _note_imports(before)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _note_imports(before: set[str]) -> None:
    path = Path(IMPORTED_FILE.format(os.getpid()))
    names = [name for name in sys.modules if name not in before and "chaos" not in name]
    if names:
        path.write_text(json.dumps(names))


def _import_what_was_missing(pid: int) -> None:
    path = Path(IMPORTED_FILE.format(pid))
    if not path.exists():
        return
    for name in json.loads(path.read_text()):
        with suppress(ImportError):
            importlib.import_module(name)
    path.unlink()
    gc.freeze()


def _run(request: dict[str, Any]) -> int:
    from numebot_dagster.cli.main import main as numebot

    spares.prepare(request["spares"])  # before anything starts a thread
    _become_the_participant(request)
    sys.argv = ["numebot", *request["arguments"]]
    numebot()
    return 0


def _become_the_participant(request: dict[str, Any]) -> None:
    clock.install(os.environ["NUMERAI_API_URL"])
    _change_the_product(request["changes"])


def _change_the_product(changes: Mapping[str, str]) -> None:
    """Put what a function makes of an attribute in its place; both named as `module:attribute`."""
    for place, change in changes.items():
        path, _, name = place.rpartition(":")[2].rpartition(".")
        owner = _attribute(place.partition(":")[0], path)
        make = _attribute(*change.split(":"))
        setattr(owner, name, make(getattr(owner, name)))


def _attribute(module: str, path: str) -> Any:
    place: Any = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        place = getattr(place, part)
    return place


def _watch(request: dict[str, Any]) -> int:
    """Evaluate the watchdog once, as the daemon does; write down what is still to be played."""
    import dagster as dg

    from numebot_dagster import definitions
    from numebot_dagster.operations.platform import Platform
    from numebot_dagster.settings import load_settings
    from numebot_dagster.submissions import receipts
    from numebot_dagster.submissions.receipts import Rung, State

    _become_the_participant(request)
    with dg.DagsterInstance.get() as instance:
        for sensor in definitions.defs.sensors or ():
            if isinstance(sensor, dg.SensorDefinition) and "watch" in sensor.name:
                resources = dict(definitions.defs.resources or {})
                context = dg.build_sensor_context(instance=instance, resources=resources)
                sensor.evaluate_tick(context)
    platform = Platform(load_settings())
    latest = receipts.latest(platform.lake, request["round"])
    unfinished = [
        model.name
        for model in platform.registry.enabled
        if model.name not in latest
        or latest[model.name].state not in (State.ACCEPTED, State.CONFIRMED)
        or latest[model.name].rung is not Rung.LIVE
    ]
    Path(RESULT_FILE).write_text(json.dumps(unfinished))
    return 0


def _serve(request: dict[str, Any]) -> int:
    from numebot_dagster.practice.__main__ import main as serve

    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    observer.install(Path(request["requests"]))
    sys.argv = ["practice", *request["arguments"]]
    serve()
    return 0


if __name__ == "__main__":
    main()
