"""A participant with trained models beside a practice tournament, made once and copied per use."""

from __future__ import annotations

import compileall
import importlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

import numebot_dagster
from numebot_dagster.cli import session
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.numerai.http import rate_limits
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import Settings, load_settings
from tests.support.commands import Finished, run_here
from tests.support.practice_processes import QuickServer

# The account's models and the classes behind them; one name needs escaping, and the largest stake
# does not come first.
MODELS = {
    "steady-1": "Ridge",
    "second": "Stubborn",
    "raising": "Raising",
    "constant": "Constant",
    "forgetful": "Forgetful",
    "sleeper": "Sleeper",
    "contrarian": "Contrarian",
    "untrained": "Ridge",
}
STAKES = {"steady-1": "1", "second": "2.5"}
HONEST = ("steady-1", "second")
TOURNAMENT = "tournament"
# Modules that take half a minute and more, or wait much.
LONGEST = (
    "test_chaos",
    "test_client_under_faults",
    "test_commands",
    "test_dagster_ui",
    "test_demo",
    "test_up",
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compiles our modules once, where Python may not: hundreds of processes are started."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        compileall.compile_dir(Path(numebot_dagster.__file__).parent, quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the longest modules: at the end of a parallel run none is played alone."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@dataclass(frozen=True)
class World:
    """One folder with a running practice tournament and a participant's data."""

    folder: Path
    practice: PracticeServer

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the participant."""
        key = self.practice.credentials
        return {
            "NUMERAI_API_URL": self.practice.url,
            "NUMERAI_PUBLIC_ID": key.public_id,
            "NUMERAI_SECRET_KEY": key.secret_key,
            "NUMERAI_DATA_FOLDER": str(self.folder / "data"),
            "MODEL_CONFIGS_PATH": str(self.folder / "model_configs.csv"),
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "NUMEBOT_RETRY_DEADLINE": "20",
        }

    @property
    def whole_environment(self) -> dict[str, str]:
        """The environment of a process of the participant."""
        return {**os.environ, **self.environment}

    @property
    def platform(self) -> Platform:
        """A platform that has seen nothing yet."""
        return Platform(load_settings(self.folder))

    def enter(self, patch: pytest.MonkeyPatch) -> World:
        """Makes this process the participant: environment, working directory, registry."""
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        for name, value in self.environment.items():
            patch.setenv(name, value)
        patch.chdir(self.folder)
        self.register(*HONEST)
        sys.modules.pop("numebot_dagster.definitions", None)  # those of another participant
        return self

    def register(self, *names: str) -> None:
        """Makes these the participant's models."""
        rows = [f"{name},quick_models:{MODELS[name]},\n" for name in names]
        registry = self.folder / "model_configs.csv"
        registry.write_text("numerai_name,model_code,description\n" + "".join(rows))

    def contradict(self) -> None:
        """Writes a `.env` of another tournament and registry, which the environment outweighs."""
        registry = self.folder / "other_models.csv"
        registry.write_text("numerai_name,model_code\nother,quick_models:Ridge\n")
        (self.folder / ".env").write_text(
            "NUMERAI_API_URL=http://127.0.0.1:9\nNUMERAI_PUBLIC_ID=\nNUMERAI_SECRET_KEY=other\n"
            f"NUMERAI_DATA_FOLDER=other\nMODEL_CONFIGS_PATH={registry.name}\n"
        )

    def train(self, *names: str) -> None:
        """Makes weights of more models from the stored vintage."""
        platform = self.platform
        vintage = vintages.read_vintage(platform, platform.lake.stored_vintages()[-1])
        for name in names:
            trainer.train(platform, platform.registry[name], vintage)

    def open_round(self) -> int:
        """Moves the clock to the next opening; the number of the round."""
        self.practice.advance("next-open")
        return int(self.practice.state()["open_round"])

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Reads the tournament's state past its server."""
        path = self.folder / TOURNAMENT / "state.sqlite"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def submissions(self, number: int) -> dict[str, int]:
        """How many submissions each model has registered for a round."""
        found = self.rows(
            "SELECT m.name, count(*) AS n FROM submissions s JOIN models m ON m.id = s.model_id "
            "WHERE s.round = ? GROUP BY m.name",
            number,
        )
        return {row["name"]: row["n"] for row in found}

    def uploads(self) -> int:
        """How many uploads were authorised since the tournament began."""
        return int(self.rows("SELECT count(*) AS n FROM uploads")[0]["n"])

    def definitions(self) -> dg.Definitions:
        """The definitions as the present registry has them."""
        sys.modules.pop("numebot_dagster.definitions", None)
        return importlib.import_module("numebot_dagster.definitions").defs

    def numebot(self, *arguments: str, **more: str) -> Finished:
        """Runs the command in this process, which is quicker than one of its own."""
        environment = {**self.whole_environment, **more}
        return run_here(self.folder, *arguments, environment=environment)

    def process(self, *arguments: str, driver: Path | None = None, **more: str) -> Finished:
        """Runs the command in a process of its own."""
        started = [
            sys.executable,
            *([str(driver)] if driver else ["-m", "numebot_dagster.cli.main"]),
        ]
        return subprocess.run(
            [*started, *arguments],
            cwd=self.folder,
            env={**self.whole_environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
        )


@dataclass
class Receiver:
    """Where alerts arrive: an HTTP server on loopback.

    Attributes:
        url: for `NUMEBOT_NOTIFY_URLS`.
        hanging_url: the same, but never answered while a test lasts.
        status: what it answers with.
        messages: what was posted, as it was parsed from JSON.
        gets: the paths that were fetched.
    """

    url: str = ""
    hanging_url: str = ""
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """Of all messages, in their order."""
        return [message["title"] for message in self.messages]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes alerts and heartbeats."""
    received, over = Receiver(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/hang"):
                over.wait(10)
            else:
                received.messages.append(json.loads(body))
            self.answer()

        def do_GET(self) -> None:
            received.gets.append(self.path)
            self.answer()

        def answer(self) -> None:
            with suppress(BrokenPipeError):
                self.send_response(received.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"json://127.0.0.1:{server.server_port}/"
        received.hanging_url = f"{received.url}hang/"
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield received
        over.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def _no_ended_instance() -> Iterator[None]:
    """Dagster remembers an instance that has ended, and may ask it when it loads definitions."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture(autouse=True)
def _consoles_are_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console takes its width from `COLUMNS` when it is made, which is once for all tests."""
    for console in (session.console, session.errors):
        monkeypatch.setattr(console, "_width", None)


@pytest.fixture(autouse=True)
def _no_calls_count_yet() -> Iterator[None]:
    """Each test may make as many calls as Numerai allows, and what was refused counts no more."""
    yield
    for path, budget in rate_limits._budgets.items():
        path.unlink(missing_ok=True)
        budget._own = rate_limits._Book()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one vintage of training data, weights of the honest models, and no rounds.

    Made once for all processes of a parallel test run: it takes seconds of both cores.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / "prepared", shared / "prepared.done"
    with exclusive(shared / "prepared.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _prepare(folder)
            done.touch()
    return folder


def _prepare(folder: Path) -> None:
    shutil.copy(Path(__file__).parent / "support" / "quick_models.py", folder)
    plan = Plan(models=tuple(MODELS), stakes=STAKES)
    with PracticeServer(folder / TOURNAMENT, plan) as practice:
        world = World(folder, practice)
        world.register(*HONEST)
        environment = {name.lower(): value for name, value in world.environment.items()}
        environment["numebot_retry_deadline"] = "120"  # the first request makes the data
        platform = Platform(Settings(_env_file=None, **environment))
        number = trainer.vintage_of_today(platform)
        vintage = vintages.fetch_training(platform, number)
        for model in platform.registry.enabled:
            trainer.train(platform, model, vintage)


def _share(source: str, target: str) -> str:
    """Data files are immutable, so copies of the folder can share them."""
    if source.endswith(".parquet"):
        os.link(source, target)
        return target
    return str(shutil.copy2(source, target))


@pytest.fixture(scope="module")
def make_world(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], World]]:
    """Starts tournaments on copies of the prepared folder."""
    with ExitStack() as stack:

        def make() -> World:
            folder = tmp_path_factory.mktemp("world") / "participant"
            shutil.copytree(prepared, folder, copy_function=_share)
            practice = QuickServer(folder / TOURNAMENT)
            stack.enter_context(practice)
            return World(folder, practice)

        yield make


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[World], World]]:
    """Makes this process the participant of a world for one test."""

    yield lambda world: world.enter(monkeypatch)
    sys.modules.pop("numebot_dagster.definitions", None)


@pytest.fixture(scope="module")
def _module_world(make_world: Callable[[], World]) -> World:
    return make_world()


@pytest.fixture
def world(_module_world: World, enter: Callable[[World], World]) -> World:
    """The module's world; each test opens rounds of its own in it."""
    return enter(_module_world)


@pytest.fixture
def fresh_world(make_world: Callable[[], World], enter: Callable[[World], World]) -> World:
    """A world of the test's own, where no round has opened yet."""
    return enter(make_world())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory."""
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def run_round(
    instance: dg.DagsterInstance,
) -> Callable[..., dg.ExecuteInProcessResult]:
    """Runs the job of a round in this process."""

    def run(
        world: World,
        number: int,
        selection: Sequence[dg.AssetKey] | None = None,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> dg.ExecuteInProcessResult:
        instance.add_dynamic_partitions("rounds", [str(number)])
        config = {"force": force, "dry_run": dry_run}
        plays = selection is None or any("models" in key.path[0] for key in selection)
        with set_defs_state_storage(None):  # see `_no_ended_instance`
            job = world.definitions().resolve_job_def("round_job")
        return job.execute_in_process(
            instance=instance,
            partition_key=str(number),
            asset_selection=selection,
            run_config={
                "ops": {"play_round": {"config": config}} if plays else {},
            },
            raise_on_error=False,
        )

    return run
