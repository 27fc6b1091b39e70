"""What commands on a running practice tournament share: its folder, control API and failing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from numebot_dagster.practice.controls import Controls

Folder = Annotated[Path, typer.Option(help="Where the practice tournament lives.")]
DEFAULT_FOLDER = Path("practice-tournament")


@contextmanager
def controls_of(folder: Path) -> Iterator[Controls]:
    """The control API of a folder's tournament; a refusal ends the command with its text."""
    from numebot_dagster.practice.controls import Controls, read_address
    from numebot_dagster.practice.rules.clock import Refused

    try:
        yield Controls(read_address(folder).url, None if folder == DEFAULT_FOLDER else folder)
    except Refused as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """Ends the command with status 1 and the text of an error."""
    typer.secho(str(error), err=True, fg="red")
    raise typer.Exit(1)
