"""Correct the environment of this process before anything is read from it.

Loopback is never reached through a proxy. In Dagster's own processes the environment gets its
precedence over `.env` back: each of them copies `.env` of its working directory over its variables
before it loads any code, and its children inherit that. What a user had set in the shell is then
left in one place only: the environment of the first of these processes at its start.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from numebot_dagster.settings import Settings, SettingsError, dotenv_lines

# For descendants, whose first ancestor may have ended: the variables that `.env` hides, as JSON.
HIDDEN = "NUMEBOT_HIDDEN_ENVIRONMENT"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Of Python's own modules those that our processes import for certain.
_IN_USE = frozenset(sys.stdlib_module_names & sys.modules.keys())
_SPAWNED = "multiprocessing"  # in the command line of Python's own child processes


def restore_environment() -> None:
    """Give the environment precedence over `.env` again in processes of Dagster.

    Raises:
        SettingsError: Dagster has opened another instance than the environment says.
    """
    lines = dotenv_lines(Path.cwd())
    started_with = _hidden_environment() if lines else None
    if started_with is None:
        return
    hidden = {name: started_with[name] for name in lines if name in started_with}
    refuse_other_home(hidden.get("DAGSTER_HOME"), lines)
    ours = {name.upper() for name in Settings.model_fields} - {"DAGSTER_HOME"}
    for name in lines.keys() & ours - hidden.keys():
        os.environ.pop(name, None)  # the settings read it from the file themselves
    os.environ.update(hidden)
    os.environ[HIDDEN] = json.dumps(hidden)


def spare_loopback() -> None:
    """Reach this machine itself without a proxy, from this process and its children."""
    for name in ("no_proxy", "NO_PROXY"):
        exceptions = [part for part in os.environ.get(name, "").split(",") if part.strip()]
        missing = [host for host in LOOPBACK if host not in exceptions]
        if "*" not in exceptions and (name in os.environ or name.islower()):
            os.environ[name] = ",".join([*exceptions, *missing])


def refuse_hiding_modules(folder: Path) -> None:
    """Refuse files of the user that would be imported in place of Python's own modules.

    The processes of models and of Dagster look into their working directory first.
    """
    for path in sorted(folder.iterdir()):
        is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
        if is_module and path.stem in _IN_USE:
            raise SettingsError(
                f"{path} hides Python's own module {path.stem}, which Numebot needs: rename it"
            )


def refuse_other_home(home: str | None, lines: Mapping[str, str]) -> None:
    """Refuse an instance that Dagster would not use, because it reads `.env` first.

    Raises:
        SettingsError: `.env` names another `DAGSTER_HOME`, or not by its whole path.
    """
    line = lines.get("DAGSTER_HOME")
    if home and line is not None and (not line or Path(line) != Path(home)):
        raise SettingsError(
            f"DAGSTER_HOME is {home}, but .env sets it to {line or 'nothing'}, and Dagster reads "
            f".env first: write DAGSTER_HOME={home} there, or remove the line"
        )


def _hidden_environment() -> Mapping[str, str] | None:
    """Return the environment that Dagster was started with; None outside of its processes."""
    if HIDDEN in os.environ:
        variables: dict[str, str] = json.loads(os.environ[HIDDEN])
        return variables
    try:
        return _first_environment(psutil.Process())
    except psutil.Error:  # a process that ended meanwhile, or one of another user
        return None


def _first_environment(process: psutil.Process | None) -> Mapping[str, str] | None:
    first = None
    while process is not None:
        command = process.cmdline()
        if _is_dagster(command):
            first = process
        elif not any(_SPAWNED in part for part in command):
            break
        process = process.parent()
    return None if first is None else first.environ()


def _is_dagster(command: list[str]) -> bool:
    """Return whether a process is `dagster …`, `python -m dagster…` or the like."""
    program = [part for part in command[:4] if not part.startswith("-")][:2]
    names = [Path(part).name for part in program]
    return any(name == "dg" or name.split(".")[0] in _PROGRAMS for name in names)


_PROGRAMS = frozenset(
    {"dagster", "dagster-daemon", "dagster-webserver", "dagster_webserver", "dagster-graphql"}
)
