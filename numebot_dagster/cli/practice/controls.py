"""Give commands the folder and the control API of a running practice tournament."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from numebot_dagster.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from numebot_dagster.practice.controls import Controls

Folder = Annotated[Path, typer.Option(help="Folder of the practice tournament.")]
DEFAULT_FOLDER = Path("practice-tournament")


@contextmanager
def controls_of(folder: Path) -> Iterator[Controls]:
    """Yield the control API of a folder's tournament; a refusal ends the command with its text."""
    from numebot_dagster.practice.controls import Controls, NotServed, read_address
    from numebot_dagster.practice.rules.clock import Refused

    try:
        yield Controls(read_address(folder).url, None if folder == DEFAULT_FOLDER else folder)
    except NotServed as error:
        fail(f"{error}{_others(folder)}")
    except Refused as error:
        fail(error)


def _others(folder: Path) -> str:
    """Return which other tournaments run, below the working directory or in the settings."""
    from numebot_dagster.practice.controls import ADDRESS_FILE

    files = [*Path().glob(f"*/{ADDRESS_FILE}"), *Path().glob(f"*/*/{ADDRESS_FILE}")]
    with suppress(SettingsError):
        files.append(load_settings().numerai_data_folder.parent / ADDRESS_FILE)
    places = {file.parent.resolve(): file.parent for file in reversed(files) if file.is_file()}
    places.pop(folder.resolve(), None)
    running = [place for place in places.values() if _is_served(place)]
    if not running:
        return ""
    options = " or ".join(f"--folder {shlex.quote(str(place))}" for place in running)
    return f". To reach a running one, add {options}"


def _is_served(folder: Path) -> bool:
    from numebot_dagster.practice.controls import Controls, read_address

    try:
        return Controls(read_address(folder).url).is_up()
    except (KeyError, TypeError, ValueError):  # the file of another program
        return False


def fail(error: object) -> NoReturn:
    """End the command with status 1 and the text of an error."""
    typer.secho(str(error), err=True, fg="red")
    raise typer.Exit(1)
