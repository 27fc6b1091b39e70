"""`numebot lake`: look after the data folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from numebot_dagster.cli import errors, screen
from numebot_dagster.cli.screen import say
from numebot_dagster.lake.layout import Lake
from numebot_dagster.settings import load_settings

if TYPE_CHECKING:
    from numebot_dagster.lake.rollups import Result

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Look after the data folder.")


@app.callback()
def _group() -> None:
    """Look after the data folder."""


@app.command()
def check() -> None:
    """Check every stored file, and name each that is damaged, as after trouble with a disk.

    Predictions and weights are compared by content with what was stored, and so is everything that
    was rolled up. The predictions that a receipt names must be there. Any other file is only
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
            report = _alone(lambda: stored_files.examine(lake))
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


@app.command()
def rollup() -> None:
    """Roll up what can no longer change into few files, so that queries stay fast.

    Those are receipts and predictions of resolved rounds, days before yesterday, and old alerts.
    Each file is removed only after its rows were read back from the new one. `numebot up` does it
    every day by `rollup_schedule`; `numebot lake unroll` undoes it.
    """
    from numebot_dagster.cli import session
    from numebot_dagster.defs.instance import open_instance
    from numebot_dagster.defs.rounds.requests import round_with_work_left
    from numebot_dagster.lake import catalog
    from numebot_dagster.operations.health import upkeep

    with errors.explained():
        platform = session.open_platform()
        with open_instance() as instance:
            round_ = round_with_work_left(instance, platform)
        if round_ is not None:
            errors.fail(f"round {round_.number} is open and has work left, which comes first")
        what = upkeep.settled(platform)
        result = _with_progress(
            "Rolling up", lambda go_on: upkeep.roll_up(platform.lake, what, go_on)
        )
        catalog.rebuild(platform.lake)
        say(f"{result.rolled_up:,} files were rolled up. They are in {result.blocks:,} files now.")
        _end(result)


@app.command()
def unroll() -> None:
    """Write all files again that were rolled up, each as it was, and remove the rolled up ones.

    Switch the schedule `rollup_schedule` off in the UI under Automation: it begins anew.
    """
    from numebot_dagster.cli import session
    from numebot_dagster.lake import catalog
    from numebot_dagster.operations.health import upkeep

    with errors.explained():
        lake = session.look_at_platform().lake
        if not lake.root.is_dir():
            errors.fail(f"there is no data folder {lake.root}; set NUMERAI_DATA_FOLDER to yours")
        result = _with_progress("Writing files again", lambda go_on: upkeep.unroll(lake, go_on))
        catalog.rebuild(lake)
        say(f"{result.restored:,} files were written again.")
        _end(result)


def _alone(work: Callable[[], T]) -> T:
    """Do what must not meet a roll-up of another process."""
    from numebot_dagster.lake.locks import HeldElsewhere

    try:
        return work()
    except HeldElsewhere as error:
        errors.fail(
            f"another roll-up or check is at work: wait until process {error.pid} has ended"
        )


def _with_progress(what: str, work: Callable[[Callable[[int, int], bool]], Result]) -> Result:
    """Show how many blocks are done while a work goes on; another one may be at work already."""
    with screen.error_console.status(f"{what} …") as shown:

        def go_on(done: int, of_all: int) -> bool:
            shown.update(f"{what}: {done} of {of_all} …")
            return True

        return _alone(lambda: work(go_on))


def _end(result: Result) -> None:
    """Name what was left as it was, and end with status 1 if there was any."""
    for problem in result.problems:
        screen.say_on_one_line(problem)
    if result.problems:
        say("Look for more with: numebot lake check")
        raise typer.Exit(1)
