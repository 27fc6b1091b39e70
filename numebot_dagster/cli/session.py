"""What commands share: settings made ready for Dagster, its instance, and runs in this process."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from numebot_dagster.environment import refuse_hiding_modules
from numebot_dagster.lake import files
from numebot_dagster.lake.damaged import is_damaged_database, set_databases_aside
from numebot_dagster.modeling.registry import RegisteredModel, Registry, RegistryError
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights.weight_store import NoWeights
from numebot_dagster.numerai.errors import NumeraiError, NumeraiUnavailable
from numebot_dagster.operations.diagnostics.diagnosis_store import NotDiagnosed
from numebot_dagster.operations.health.ownership import account_name, claim, refuse_other_endpoint
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import (
    INSTANCE_FILE,
    Settings,
    SettingsError,
    dotenv_lines,
    in_force,
    load_settings,
    origins,
)
from numebot_dagster.spelling import meant

if TYPE_CHECKING:
    import dagster as dg


_TO_MEND = (
    SettingsError,
    RegistryError,
    SourceNotFound,
    NoWeights,
    NotDiagnosed,
    NumeraiError,
    files.CannotWrite,
)

# Nothing that is printed is read as markup or emoji: texts of users, Numerai and libraries hold
# brackets and colons of their own. What is coloured is a `Text`.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)


@contextmanager
def explained() -> Iterator[None]:
    """Turns the errors that a user can mend into one line and exit status 1."""
    try:
        yield
    except NumeraiUnavailable as error:
        fail(unreached(str(error), load_settings()))
    except _TO_MEND as error:
        fail(str(error))
    except PermissionError as error:
        fail(f"permission denied: {error.filename}. Give this user access to it")
    except Exception as error:
        if not type(error).__module__.startswith(("sqlalchemy", "sqlite3")):
            raise
        home = Path(os.environ["DAGSTER_HOME"])
        aside = set_databases_aside(home) if is_damaged_database(error) else []
        what = "Type the command again." if aside else f"Look at the disk of {home}."
        line = str(getattr(error, "orig", None) or error).partition("\n")[0]
        fail(f"Dagster's database cannot be read ({line}). {what}")


def unreached(problem: str, settings: Settings) -> str:
    """Return why the endpoint was not reached, and what starts a practice tournament."""
    from numebot_dagster.cli.practice.folder import not_running

    return ". ".join(filter(None, [problem.rstrip("."), not_running(settings)]))


def styled(text: str, style: str, rest: str = "") -> Text:
    """Return a coloured text with what follows it, which is taken as it is."""
    return Text.assemble((text, style), rest)


def wrapped(text: str, indent: int) -> str:
    """A line as a terminal shows it best: no word broken, and what follows indented.

    Piped, a line stays one line.
    """
    if not console.is_terminal:
        return text
    return textwrap.fill(
        text,
        console.width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fail(text: str) -> NoReturn:
    """Ends the command with an error.

    Raises:
        Exit: always, with status 1.
    """
    errors.print(styled("error:", "bold red", f" {text}"), soft_wrap=True)
    raise typer.Exit(1)


def open_platform(*, needs_key: bool = False) -> Platform:
    """Return the platform of the working directory's settings, with Dagster's instance made ready.

    What is missing is refused before anything is written, as in a folder that was meant for
    something else.

    Args:
        needs_key: whether the command is of no use without credentials.

    Raises:
        RegistryError: the registry is missing or wrong.
        NotAuthorised: no key is set, and one is needed.
        OtherTournament: the data folder belongs to another tournament or account.
    """
    settings = load_settings()
    platform = Platform(settings)
    _ = settings.instance_folder, platform.registry
    if needs_key:
        platform.client.require_credentials()
    claim(platform)
    refuse_hiding_modules(Path.cwd())
    prepare_instance(settings)
    return platform


def look_at_platform(patience: float | None = None) -> Platform:
    """Return the platform for a command that only reads: nothing is asked, and no folder is made.

    Args:
        patience: the most seconds that one call may take, for commands that someone waits for; by
            default what the settings say.

    Raises:
        OtherTournament: the data folder belongs to another tournament.
    """
    settings = load_settings()
    if patience is not None:
        settings = settings.with_retry_deadline(patience)
    platform = Platform(settings)
    home = settings.instance_folder
    refuse_other_endpoint(platform)
    refuse_hiding_modules(Path.cwd())
    if home.is_dir():
        prepare_instance(settings)
    else:
        os.environ["DAGSTER_HOME"] = str(home)
    return platform


def use_only(folder: Path) -> None:
    """Goes to a folder whose `.env` shall hold, whatever the shell has exported for another one."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.chdir(folder)


def prepare_instance(settings: Settings) -> None:
    """Make `DAGSTER_HOME` with the shipped `dagster.yaml` on first use, and point Dagster to it.

    Of `.env`, what is meant for other programs is put into the environment as well, where that
    does not have it, as Dagster does it in its own processes.
    """
    home = settings.instance_folder
    if not (home / INSTANCE_FILE).is_file():
        content = package_files("numebot_dagster").joinpath(INSTANCE_FILE).read_bytes()
        files.replace_bytes(home / INSTANCE_FILE, content)
    os.environ["DAGSTER_HOME"] = str(home)
    ours = {field.upper() for field in Settings.model_fields}
    for name, value in dotenv_lines(Path.cwd()).items():
        if name not in ours:
            os.environ.setdefault(name, value)


def show_in_force(platform: Platform) -> None:
    """Print endpoint, account and data folder, and where each comes from."""
    for line in in_force(platform.settings, origins(), account_name(platform)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def chosen_models(registry: Registry, names: str | None) -> list[RegisteredModel]:
    """The enabled models named in a comma-separated list, or all of them.

    Raises:
        RegistryError: when a name is not registered or not enabled.
    """
    if names is None:
        return registry.enabled
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    enabled = {model.name: model for model in registry.enabled}
    unknown = [name for name in wanted if name not in enabled]
    if unknown or not wanted:
        name = unknown[0] if unknown else ""
        raise RegistryError(
            f"{', '.join(unknown) or 'no model'} is not among the enabled models of "
            f"{registry.path}: {meant(name, enabled, 'numebot models list')}"
        )
    return [enabled[name] for name in wanted]


@dataclass(frozen=True)
class Wish:
    """A run of a job in this process; `config` is that of its ops, by their names."""

    job: str
    partition: str | None = None
    selection: Sequence[dg.AssetKey] | None = None
    config: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Ran:
    """How a run in this process ended: whether all of it succeeded, and which assets it made."""

    success: bool
    made: frozenset[dg.AssetKey | None]


def execute(wish: Wish) -> Ran:
    """Run a job here, recorded in the same instance that the UI shows, if that can be written."""
    import dagster as dg

    from numebot_dagster.definitions import defs
    from numebot_dagster.defs.event_log import STORAGE_ERRORS, cause, tolerate_lost_events
    from numebot_dagster.defs.instance import open_instance
    from numebot_dagster.defs.runs import end_dead_runs

    job = defs.resolve_job_def(wish.job)  # outside: what keeps it from loading is no storage error
    try:
        with open_instance() as instance:
            end_dead_runs(instance)
            tolerate_lost_events(instance)
            return _execute_on(instance, job, wish)
    except STORAGE_ERRORS as error:
        if is_damaged_database(error):
            set_databases_aside(Path(os.environ["DAGSTER_HOME"]))
        # A job takes up what an earlier attempt has done, so that it may simply begin again.
        errors.print(
            f"warning: Dagster cannot record this run ({cause(error)}). It goes on without a "
            "record; `numebot doctor` says what is wrong.",
            highlight=False,
            soft_wrap=True,
        )
        with dg.DagsterInstance.ephemeral() as instance:
            return _execute_on(instance, job, wish)


def _execute_on(instance: dg.DagsterInstance, job: dg.JobDefinition, wish: Wish) -> Ran:
    import dagster as dg

    from numebot_dagster.defs.instance import register

    partitions = job.partitions_def
    if wish.partition is not None and isinstance(partitions, dg.DynamicPartitionsDefinition):
        register(instance, str(partitions.name), wish.partition)
    result = job.execute_in_process(
        instance=instance,
        partition_key=wish.partition,
        asset_selection=wish.selection,
        run_config={
            "loggers": {"console": {"config": {"log_level": "INFO"}}},
            "ops": dict(wish.config or {}),
        },
        tags=wish.tags,
        raise_on_error=False,
    )
    if any(_is_interruption(event) for event in result.all_events):
        raise KeyboardInterrupt  # Dagster makes a failed run of it
    # Not as the instance has it: it may have lost the event.
    succeeded = any(
        event.event_type is dg.DagsterEventType.RUN_SUCCESS for event in result.all_events
    )
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    return Ran(succeeded, frozenset(made))


def _is_interruption(event: dg.DagsterEvent) -> bool:
    """Return whether an event says that Ctrl-C ended a step or the run."""
    error = getattr(event.event_specific_data, "error", None)
    while error is not None:
        if error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            return True
        error = error.cause
    return event.event_type_value == "PIPELINE_CANCELED"


def collect(platform: Platform, wanted: Sequence[date]) -> bool:
    """Read what was published on these days and draw the figures anew; whether all of it worked."""
    from numebot_dagster.defs.performance.jobs import collecting_runs

    results = [
        execute(Wish("performance_job", selection=run.selection, tags=run.tags))
        for run in collecting_runs(wanted, platform.registry)
    ]
    return all(result.success for result in results)
