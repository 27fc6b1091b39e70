"""`numebot board`: write the pages of the board, and open them."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from numebot_dagster.cli import errors, screen, session

PATIENCE = 5.0  # seconds for Numerai's answer: the pages can be written without it


def board_(
    open_: Annotated[bool, typer.Option("--open", help="Open them in the web browser.")] = False,
) -> None:
    """Write the pages of the board: today, and every round.

    They are files without a server or network, in the folder `board` of the data folder, which can
    be archived or sent as it is. `numebot up` serves them at /numebot/ and writes them every day.
    """
    from numebot_dagster.operations.performance.board import pages as board

    with errors.explained():
        home = board.write(session.look_at_platform(PATIENCE))
        screen.say("The board is written:")
        screen.say_on_one_line(f"  {home.absolute()}")
        if open_:
            webbrowser.open(home.absolute().as_uri())
