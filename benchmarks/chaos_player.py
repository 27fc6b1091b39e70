"""The participant of the chaos run: starts `numebot` commands in processes that can be killed.

A fresh `numebot run` needs seconds of imports alone. So this process imports everything once, does
nothing with it, and forks for each command: the fork is a process of its own, which dies by
SIGKILL as any other, and runs the command's own `main` from its beginning.

It reads one JSON object per line and answers each with one:

    {"do": "start", "arguments": ["run", "--round", "1312"]}    {"pid": 4711}
    {"do": "watch", "round": 1312}                              {"pid": 4712}
    {"do": "wait", "pid": 4711}                                 {"status": 0}
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

RESULT_FILE = "watched.json"
ALLOCATOR = "jemalloc_bg_thd"


def main() -> None:
    """Answers until standard input ends."""
    import_all()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what commands print is no answer
    answers.write("{}\n")  # ready
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "wait":
            _, status = os.waitpid(asked["pid"], 0)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": _forked(asked)}
        answers.write(json.dumps(answer) + "\n")


def import_all() -> None:
    """What a command would import itself, but nothing that starts a thread of its own.

    So not polars. The allocator of pyarrow has a thread too, but knows about forks.
    """
    import apprise  # noqa: F401
    import duckdb  # noqa: F401
    import numerai_tools.submissions  # noqa: F401
    import pandas as pd  # noqa: F401
    import pyarrow.parquet as pq  # noqa: F401
    import scipy.stats  # noqa: F401

    import numebot_dagster.cli.main
    import numebot_dagster.definitions
    import numebot_dagster.lake.catalog
    import numebot_dagster.numerai.client  # noqa: F401


def _forked(asked: dict[str, Any]) -> int:
    others = [name for name in _threads() if name != ALLOCATOR]
    if len(others) > 1:
        raise RuntimeError(f"a fork would lack the threads {others[1:]} and keep all their locks")
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        _play(asked)
    return pid


def _threads() -> list[str]:
    """The names of this process's threads, where the system tells them."""
    folder = Path("/proc/self/task")
    tasks = sorted(folder.iterdir()) if folder.is_dir() else []
    return [(task / "comm").read_text().strip() for task in tasks]


def _play(asked: dict[str, Any]) -> NoReturn:
    """What the fork does; it never returns into the loop of its parent."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        status = _command(asked["arguments"]) if asked["do"] == "start" else _watch(asked["round"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _command(arguments: list[str]) -> int:
    from numebot_dagster.cli.main import main as numebot

    sys.argv = ["numebot", *arguments]
    numebot()
    return 0


def _watch(round_number: int) -> int:
    """One tick of the watchdog, as the daemon evaluates it; leaves what is still to be played."""
    import dagster as dg

    from numebot_dagster import definitions
    from numebot_dagster.numerai import receipts
    from numebot_dagster.numerai.receipts import Rung, State
    from numebot_dagster.operations.platform import Platform
    from numebot_dagster.settings import load_settings

    with dg.DagsterInstance.get() as instance:
        for sensor in definitions.defs.sensors or ():
            if isinstance(sensor, dg.SensorDefinition) and "watch" in sensor.name:
                resources = dict(definitions.defs.resources or {})
                context = dg.build_sensor_context(instance=instance, resources=resources)
                sensor.evaluate_tick(context)
    platform = Platform(load_settings())
    latest = receipts.latest(platform.lake, round_number)
    unfinished = [
        model.name
        for model in platform.registry.enabled
        if model.name not in latest
        or latest[model.name].state not in (State.ACCEPTED, State.CONFIRMED)
        or latest[model.name].rung is not Rung.LIVE
    ]
    Path(RESULT_FILE).write_text(json.dumps(unfinished))
    return 0


if __name__ == "__main__":
    main()
