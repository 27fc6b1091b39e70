"""Make a participant with trained models beside a practice tournament once, and copy it per use."""

from __future__ import annotations

import compileall
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

import dagster as dg
import pytest
from _pytest.assertion import rewrite
from dagster._core.storage.defs_state.base import set_defs_state_storage

import numebot_dagster
from numebot_dagster.cli import screen
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.numerai.http import rate_limits
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import ONE_THREAD, PracticeServer
from numebot_dagster.settings import Settings
from tests.support import forks, needs, quick_dagster, shared_data
from tests.support.receiver import Receiver, receiving
from tests.support.world import HONEST, MODELS, STAKES, TOURNAMENT, World, copy_participant

MEMORY = Path("/dev/shm")
# Modules that take half a minute and more, or wait much.
LONGEST = (
    "test_chaos",
    "test_client_under_faults",
    "test_commands",
    "test_dagster_ui",
    "test_demo",
    "test_up",
    "test_weekly_work",
)


def pytest_configure() -> None:
    # Several processes share the cores: threads of one would spin while they wait for each other.
    os.environ.update(ONE_THREAD)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8 * 10**9:
        # Thousands of files are written through to the disk, which can take as long as all else.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    needs.watch()
    forks.install()
    quick_dagster.install()
    quick_dagster.spare_tails()
    shared_data.install()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile our modules once, where Python may not: hundreds of processes are started."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = session.config._tmp_path_factory.getbasetemp()
        os.environ[shared_data.FOLDER] = str(folder / "shared_data")
        compileall.compile_dir(Path(numebot_dagster.__file__).parent, quiet=2)
    elif not sys.dont_write_bytecode:
        _rewrite_its_part(session.config)


def _rewrite_its_part(config: pytest.Config) -> None:
    """Rewrite what no run has rewritten yet, each process its part: all will import all tests."""
    number = int(config.workerinput["workerid"].removeprefix("gw"))
    paths = sorted(Path(__file__).parent.rglob("test_*.py"))
    for path in paths[number :: config.workerinput["workercount"]]:
        rewritten = rewrite.get_cache_dir(path) / (path.stem + rewrite.PYC_TAIL)
        if not rewritten.exists() and rewrite.try_makedirs(rewritten.parent):
            stat, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, stat, rewritten)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Free the memory that the files took, unless somebody will want to look at them."""
    factory = session.config._tmp_path_factory
    if "PYTEST_XDIST_WORKER" not in os.environ and exitstatus == 0:
        folder = factory.getbasetemp()
        if MEMORY in folder.parents:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules: at the end of a parallel run none is played alone."""
    for item in items:
        needs.mark(item)
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    needs.forget()


@pytest.fixture(autouse=True)
def _what_is_started_is_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from needs.require_marks(request.node)


@pytest.fixture(autouse=True)
def _processes_are_forked_or_not(request: pytest.FixtureRequest) -> Iterator[None]:
    with forks.unforked() if request.node.get_closest_marker("unforked") else nullcontext():
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Take alerts and heartbeats."""
    with receiving() as started:
        yield started


@pytest.fixture(autouse=True)
def _no_ended_instance() -> Iterator[None]:
    """Forget an instance that has ended: Dagster may ask it when it loads definitions."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture(autouse=True)
def _consoles_are_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure consoles anew: one takes its width from `COLUMNS` when it is made, once for all."""
    for console in (screen.console, screen.error_console):
        monkeypatch.setattr(console, "_width", None)


@pytest.fixture(autouse=True)
def _no_calls_count_yet() -> Iterator[None]:
    """Let each test make as many calls as Numerai allows, and forget what was refused."""
    yield
    for path, budget in rate_limits._budgets.items():
        with suppress(NotADirectoryError):  # a folder that cannot be made
            path.unlink(missing_ok=True)
        budget._own = rate_limits._Book()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare a folder with one vintage of training data, weights of the honest models, no rounds.

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
    (folder / "dagster").mkdir()
    # Dagster needs a second to make its databases.
    shutil.copy(Path(numebot_dagster.__file__).with_name("dagster.yaml"), folder / "dagster")
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        instance.get_runs(limit=1)


@pytest.fixture(scope="module")
def make_world(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], World]]:
    """Start tournaments on copies of the prepared folder."""
    with ExitStack() as stack:

        def make() -> World:
            folder = tmp_path_factory.mktemp("world") / "participant"
            copy_participant(prepared, folder)
            practice = PracticeServer(folder / TOURNAMENT)
            stack.enter_context(practice)
            return World(folder, practice)

        yield make


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[World], World]]:
    """Make this process the participant of a world for one test."""

    yield lambda world: world.enter(monkeypatch)
    sys.modules.pop("numebot_dagster.definitions", None)


@pytest.fixture(scope="module")
def _module_world(make_world: Callable[[], World]) -> World:
    return make_world()


@pytest.fixture
def world(_module_world: World, enter: Callable[[World], World]) -> World:
    """Return the module's world; each test opens rounds of its own in it."""
    return enter(_module_world)


@pytest.fixture
def fresh_world(make_world: Callable[[], World], enter: Callable[[World], World]) -> World:
    """Return a world of the test's own, where no round has opened yet."""
    return enter(make_world())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return an instance in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def run_round(
    instance: dg.DagsterInstance,
) -> Callable[..., dg.ExecuteInProcessResult]:
    """Run the job of a round in this process."""

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
