"""Open the platform of the working directory, with its settings made ready for Dagster."""

from __future__ import annotations

import os
from collections.abc import Collection
from importlib.resources import files as package_files
from pathlib import Path
from typing import Annotated

import typer

from numebot_dagster.cli import errors, screen
from numebot_dagster.environment import refuse_hiding_modules
from numebot_dagster.lake import catalog, files
from numebot_dagster.modeling.registry import RegisteredModel, Registry, RegistryError
from numebot_dagster.operations.health.ownership import account_name, claim, refuse_other_endpoint
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import (
    INSTANCE_FILE,
    Settings,
    dotenv_lines,
    in_force,
    load_settings,
    origins,
)
from numebot_dagster.spelling import meant

ModelNames = Annotated[
    str | None,
    typer.Option(help="Numerai names, separated by commas; by default all enabled models."),
]


def open_platform(*, needs_key: bool = False) -> Platform:
    """Return the platform of the working directory, with Dagster's instance made ready.

    What is missing is refused before anything is written, as in a folder that was meant for
    something else.

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
    """Change to a folder whose `.env` counts, whatever the shell has exported for another one."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.chdir(folder)


def prepare_instance(settings: Settings) -> None:
    """Make `DAGSTER_HOME` with the shipped `dagster.yaml` on first use, and point Dagster to it.

    Variables of other programs in `.env` are put into the environment where they are not set, as
    Dagster does it in its own processes.
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
        screen.say_on_one_line(line)


def check_model_name(platform: Platform, name: str, more: Collection[str] = ()) -> None:
    """End the command for a name that is neither registered, nor stored, nor among `more`."""
    registered = {model.name for model in platform.registry.models}
    stored = catalog.query(platform.lake, "select distinct model from submissions")["model"]
    if name not in registered | {*more, *stored}:
        errors.fail(f"there is no model {name}: {meant(name, registered, 'numebot models list')}")


def chosen_models(registry: Registry, names: str | None) -> list[RegisteredModel]:
    """Return the enabled models named in a comma-separated list, or all of them.

    Raises:
        RegistryError: a name is not registered or not enabled.
    """
    if names is None:
        return registry.enabled
    model_names = [name.strip() for name in names.split(",") if name.strip()]
    enabled = {model.name: model for model in registry.enabled}
    unknown = [name for name in model_names if name not in enabled]
    if unknown or not model_names:
        name = unknown[0] if unknown else ""
        raise RegistryError(
            f"{', '.join(unknown) or 'no model'} is not among the enabled models of "
            f"{registry.path}: {meant(name, enabled, 'numebot models list')}"
        )
    return [enabled[name] for name in model_names]
