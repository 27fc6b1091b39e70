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
    """Check every stored file, and name each that is damaged, as after trouble with a disk.

    Predictions and weights are compared by content with what was stored. Any other file is only
    checked for being readable, so that a changed value may go unnoticed: tables and JSON records
    are read as a whole, the large training and live data by their footer and their end. Nothing is
    changed. Exit status 0 means that nothing is wrong.
    """
    from numebot_dagster.operations.health import stored_files

    with errors.explained():
        lake = Lake(load_settings().numerai_data_folder)
        if not lake.root.is_dir():
            errors.fail(f"there is no data folder {lake.root}; set NUMERAI_DATA_FOLDER to yours")
        with screen.error_console.status(f"Reading the files of {lake.root} …"):
            report = stored_files.examine(lake)
        for path in report.set_aside:
            screen.say_on_one_line(f"set aside earlier, as damaged: {path}")
        for problem in report.problems:
            word = "damaged" if problem.is_damage else "not checked"
            screen.say_on_one_line(f"{word}: {problem.text}")
        damaged = sum(problem.is_damage for problem in report.problems)
        if damaged:
            say(
                f"{damaged} of {report.count:,} are damaged in {lake.root}. Rounds go on "
                "without them. Restore them from a backup, or delete them: `numebot train` makes "
                "training data and weights again, `numebot collect` reads the scores again."
            )
        if refused := len(report.problems) - damaged:
            say(
                f"{refused} could not be read, which is no damage: give your user access to them, "
                "and check again."
            )
        if report.problems:
            raise typer.Exit(1)
        say(f"Nothing is wrong with the {report.count:,} stored files and weights in {lake.root}.")
