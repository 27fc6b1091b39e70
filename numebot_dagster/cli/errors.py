"""End a command with one line where a user can correct what went wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from numebot_dagster.cli import screen
from numebot_dagster.lake import files
from numebot_dagster.lake.damaged import is_damaged_database, set_databases_aside
from numebot_dagster.modeling.registry import RegistryError
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights.weight_store import NoWeights
from numebot_dagster.numerai.errors import NumeraiError, NumeraiUnavailable
from numebot_dagster.settings import Settings, SettingsError, load_settings

_CORRECTABLE = (
    SettingsError,
    RegistryError,
    SourceNotFound,
    NoWeights,
    NumeraiError,
    files.CannotWrite,
)


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors that a user can correct into one line and exit status 1."""
    try:
        yield
    except NumeraiUnavailable as error:
        fail(unreached(str(error), load_settings()))
    except _CORRECTABLE as error:
        fail(str(error))
    except PermissionError as error:
        fail(f"permission denied: {error.filename}. Give your user access to it")
    except Exception as error:
        if _is_of_database(error):
            fail(_database_error(error))
        if _is_not_diagnosed(error):
            fail(str(error))
        raise


def fail(text: str) -> NoReturn:
    """End the command with an error.

    Raises:
        Exit: always, with status 1.
    """
    screen.error_console.print(screen.styled("error:", "bold red", f" {text}"), soft_wrap=True)
    raise typer.Exit(1)


def unreached(problem: str, settings: Settings) -> str:
    """Return why the endpoint was not reached, and what starts a practice tournament."""
    from numebot_dagster.cli.practice.folder import not_running

    return ". ".join(filter(None, [problem.rstrip("."), not_running(settings)]))


def _is_of_database(error: Exception) -> bool:
    return type(error).__module__.startswith(("sqlalchemy", "sqlite3"))


def _is_not_diagnosed(error: Exception) -> bool:
    # Imported here: it needs numpy, for which `numebot --help` would wait.
    from numebot_dagster.operations.diagnostics.diagnosis_store import NotDiagnosed

    return isinstance(error, NotDiagnosed)


def _database_error(error: Exception) -> str:
    from numebot_dagster.defs.event_log import cause

    home = Path(os.environ["DAGSTER_HOME"])
    aside = set_databases_aside(home) if is_damaged_database(error) else []
    remedy = "Type the command again." if aside else f"Check the disk of {home}."
    return f"Dagster's database cannot be read ({cause(error)}). {remedy}"
