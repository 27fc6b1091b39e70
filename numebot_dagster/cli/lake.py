"""`numebot lake`: look after the data folder."""

from __future__ import annotations

import typer

from numebot_dagster.cli import errors, screen
from numebot_dagster.cli.screen import say
from numebot_dagster.lake.layout import Lake
from numebot_dagster.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Look after the data folder.")


@app.callback()
def _group() -> None:
    """Look after the data folder."""


@app.command()
def check() -> None:
    """Read every stored file, and name each that is damaged, as after trouble with a disk.

    Parquet files must be whole, JSON records readable, predictions as they were sent, and weights
    as their manifest says. Nothing is changed. Exit status 0 means that all files are whole.
    """
    from numebot_dagster.operations.health import stored_files

    with errors.explained():
        lake = Lake(load_settings().numerai_data_folder)
        with screen.error_console.status(f"Reading the files of {lake.root} …"):
            problems = list(stored_files.examine(lake))
        damaged = list(filter(None, problems))
        for problem in damaged:
            screen.say_on_one_line(f"damaged: {problem}")
        if damaged:
            say(
                f"{len(damaged)} of {len(problems):,} are damaged in {lake.root}. Rounds go on "
                "without them. Restore them from a backup, or delete them: `numebot train` makes "
                "training data and weights again, `numebot collect` reads the scores again."
            )
            raise typer.Exit(1)
        say(f"All {len(problems):,} stored files and weights in {lake.root} are whole.")
