"""Run `numebot up`, and kill parts of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType

import psutil

from tests.chaos.harness.processes import workers_of
from tests.chaos.harness.world import ChaosWorld
from tests.support.ports import free_port

# What tells the processes of `numebot up` apart, by the words of their command lines.
VICTIMS = {"run": "multiprocessing.spawn", "daemon": "dagster._daemon"}
STOPPING_SECONDS = 30.0


class Daemon:
    """`numebot up` on the participant's folder, for as long as the block lasts."""

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOPPING_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def is_up(self) -> bool:
        """Return whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def keep_up(self) -> None:
        """Start it again when it has ended."""
        if not self.is_up():
            self._start()

    def runs(self) -> list[psutil.Process]:
        """Return the processes of runs."""
        return self._find("run")

    def kill(self, victim: str) -> bool:
        """Kill the daemon, a run, or a run's worker; return whether there was one."""
        if victim == "worker":
            processes = [worker for run in self.runs() for worker in workers_of(run.pid)]
        else:
            processes = self._find(victim)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return bool(processes)

    def _find(self, victim: str) -> list[psutil.Process]:
        if self._process is None:
            return []
        processes = []
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    if VICTIMS[victim] in " ".join(process.cmdline()):
                        processes.append(process)
        return processes

    def _start(self) -> None:
        with (self._world.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "numebot_dagster.cli.main",
                    "up",
                    "--port",
                    str(free_port()),
                ],
                cwd=self._world.folder,
                env=self._world.whole_environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
