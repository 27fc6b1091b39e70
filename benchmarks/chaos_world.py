"""The stage of the chaos run: a practice tournament, a participant, and who hears the alerts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from benchmarks.chaos_plan import FALLBACKS, MODELS
from benchmarks.chaos_player import RESULT_FILE
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import ONE_THREAD, PracticeServer
from numebot_dagster.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
STAKES = {"gamma": "5", "epsilon": "2"}
# A call gives up sooner than in real life: a round of many attempts is to take seconds.
RETRY_SECONDS = "8"
TRAININGS = 2


class Receiver:
    """An HTTP server on the loopback interface that keeps what apprise sends to it."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The address in apprise's words."""
        return f"json://127.0.0.1:{self._server.server_port}/"

    @property
    def titles(self) -> set[str]:
        """The titles of all messages that came."""
        return {str(one.get("title")) for one in self.received}

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


class Player:
    """The participant's process that forks; see `chaos_player`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        with (folder / "player.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.chaos_player"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        self._read()

    def start(self, *arguments: str) -> int:
        """Begins a `numebot` command and returns its process id."""
        return int(self._ask(do="start", arguments=arguments)["pid"])

    def wait(self, pid: int) -> int:
        """The exit status of a command, when it has ended; -9 when it was killed."""
        return int(self._ask(do="wait", pid=pid)["status"])

    def watch(self, round_number: int) -> list[str] | None:
        """Lets the watchdog look once; the models left to play, or None when it failed."""
        status = self.wait(int(self._ask(do="watch", round=round_number)["pid"]))
        if status:
            return None
        left: list[str] = json.loads((self._folder / RESULT_FILE).read_text())
        return left

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the player ended; see {self._folder / 'player.log'}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class World:
    """One folder with a tournament and a participant who has trained twice."""

    folder: Path
    practice: PracticeServer
    receiver: Receiver
    player: Player
    environment: dict[str, str] = field(repr=False)
    models: tuple[str, ...] = MODELS

    @property
    def lake_folder(self) -> Path:
        """The participant's data folder."""
        return self.folder / "data"

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Reads the tournament's state past its server."""
        path = self.folder / "tournament" / "state.sqlite"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def set_moods(self, moods: Mapping[str, str]) -> None:
        """Says how the models are from now on."""
        write_moods(self.folder, moods, TRAININGS)


def write_moods(folder: Path, moods: Mapping[str, str], training: int) -> None:
    """Replaces the file that the models read, whole."""
    temporary = folder / "moods.part"
    temporary.write_text(json.dumps({**moods, "training": training}))
    temporary.replace(folder / "moods.json")


def workers_of(pid: int) -> list[psutil.Process]:
    """The processes in which a run's models predict."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [one for one in children if "numebot_dagster.modeling.worker" in one.cmdline()]
    except psutil.Error:
        return []


@contextmanager
def open_world(folder: Path, models: int = len(MODELS)) -> Iterator[World]:
    """A participant beside a tournament: made and trained when the folder is new, else as left."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(models=MODELS, stakes=STAKES)
    with PracticeServer(folder / "tournament", plan) as served:
        if is_new:
            _settle(folder, MODELS[:models])
            _train(folder, served)
        with joined(folder, served, MODELS[:models]) as world:
            yield world


@contextmanager
def joined(folder: Path, served: PracticeServer, models: tuple[str, ...]) -> Iterator[World]:
    """A participant who is trained already, beside a tournament that is served from its folder."""
    write_moods(folder, {}, TRAININGS)
    receiver = Receiver()
    environment = {**_environment(folder, served), "NUMEBOT_NOTIFY_URLS": receiver.url}
    player = Player(folder, environment)
    try:
        yield World(folder, served, receiver, player, environment, models)
    finally:
        player.close()
        receiver.close()


def _environment(folder: Path, served: PracticeServer) -> dict[str, str]:
    key = served.credentials
    own = {name.upper() for name in Settings.model_fields}
    return {
        **{name: value for name, value in os.environ.items() if name not in own},
        **ONE_THREAD,
        "PYTHONPATH": str(ROOT),
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the other one starts a thread
        "NUMERAI_API_URL": served.url,
        "NUMERAI_PUBLIC_ID": key.public_id,
        "NUMERAI_SECRET_KEY": key.secret_key,
        "NUMERAI_DATA_FOLDER": str(folder / "data"),
        "MODEL_CONFIGS_PATH": str(folder / "model_configs.csv"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "NUMEBOT_RETRY_DEADLINE": RETRY_SECONDS,
    }


def _settle(folder: Path, models: Sequence[str]) -> None:
    shutil.copy(Path(__file__).with_name("chaos_models.py"), folder)
    rows = [
        f"{name},chaos_models:{name.capitalize()},,{FALLBACKS.get(name, '')}" for name in models
    ]
    header = "numerai_name,model_code,description,fallback"
    (folder / "model_configs.csv").write_text("\n".join([header, *rows, ""]))


def _train(folder: Path, served: PracticeServer) -> None:
    """Two vintages, a week apart, so that a model has something to fall back to."""
    for training in range(1, TRAININGS + 1):
        if training > 1:
            served.advance(days=7)
        write_moods(folder, {}, training)
        command = [sys.executable, "-m", "numebot_dagster.cli.main", "train"]
        done = subprocess.run(
            command,
            cwd=folder,
            # The first requests wait until the tournament has made its data.
            env={**_environment(folder, served), "NUMEBOT_RETRY_DEADLINE": "300"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the models could not be trained:\n{done.stderr[-3000:]}")
