"""The `numebot` command."""

from __future__ import annotations

import locale
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from numebot_dagster import command_lines, terminal
from numebot_dagster.cli import (
    board,
    collect,
    demo,
    doctor,
    explain,
    lake,
    ledger,
    models,
    rounds,
    run,
    screen,
    sql,
    stake_plan,
    status,
    train,
    up,
)
from numebot_dagster.cli.practice import commands
from numebot_dagster.environment import spare_loopback

DISTRIBUTION = "numebot-dagster"
INTERRUPTED = 130  # the exit status of what Ctrl-C ended
NOTHING_CHANGED = "Nothing was changed."
KEPT = {
    "run": "What was predicted and submitted is recorded, and nothing is submitted twice.",
    "train": "Models that finished training keep their weights.",
    "collect": "Days that were read completely are stored.",
    "demo": "Finished training and rounds are kept.",
    "models": "Finished results are kept.",
}
"""By command: what is kept when it is interrupted."""


def _show_version(is_asked: bool) -> None:
    """Print the version of Numebot and end."""
    if is_asked:
        typer.echo(f"numebot {version(DISTRIBUTION)}")
        raise typer.Exit


app = typer.Typer(
    name="numebot",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="Play the Numerai tournament: train on pinned data, predict and submit every round, "
    "confirm each submission, and follow its scores and payout.",
)


@app.callback()
def numebot(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Play the Numerai tournament."""


app.command()(run.run)
app.command()(train.train)
app.command()(collect.collect)
app.command()(ledger.ledger)
app.command()(explain.explain)
app.command("stake-plan")(stake_plan.stake_plan)
app.command()(sql.sql)
app.command()(status.status)
app.command(name="board")(board.board_)
app.command()(doctor.doctor)
app.command()(up.up)
app.command()(demo.demo)
app.add_typer(models.app, name="models")
app.add_typer(rounds.app, name="rounds")
app.add_typer(lake.app, name="lake")
app.add_typer(commands.app, name="practice")


def main() -> None:
    """Run the command line; its exit status is that of the work, even if its output is lost."""
    _use_utf8()
    _refuse_lost_folder()
    spare_loopback()
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            screen.note(
                f"\nInterrupted. {KEPT.get(sys.argv[1], NOTHING_CHANGED)} To continue, type: "
                f"{command_lines.numebot(*sys.argv[1:])}"
            )
        raise
    finally:
        loss = terminal.output_lost()
        if loss is not None:
            screen.error_console.print(f"Part of the output is missing: {loss.strerror}.")


def _refuse_lost_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        sys.exit("error: the working directory has been deleted: change to another one")


def _use_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale would lose letters.

    Folder names, texts of models and our own output contain letters that other locales lack, and
    Polars and DuckDB read every path as UTF-8.
    """
    if sys.flags.utf8_mode or locale.getencoding().lower() == "utf-8":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (the same command)


if __name__ == "__main__":
    main()
