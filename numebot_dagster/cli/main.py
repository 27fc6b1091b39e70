"""The `numebot` command."""

from __future__ import annotations

import locale
import os
import sys
from pathlib import Path

import typer

from numebot_dagster.cli import (
    collect,
    demo,
    doctor,
    models,
    practice,
    rounds,
    run,
    sql,
    status,
    train,
    up,
)
from numebot_dagster.environment import spare_loopback

app = typer.Typer(
    name="numebot",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="Numebot on Dagster: play the Numerai tournament, from a pinned vintage of its data to a "
    "confirmed submission and its payout.",
)
app.command()(run.run)
app.command()(train.train)
app.command()(collect.collect)
app.command()(sql.sql)
app.command()(status.status)
app.command()(doctor.doctor)
app.command()(up.up)
app.command()(demo.demo)
app.add_typer(models.app, name="models")
app.add_typer(rounds.app, name="rounds")
app.add_typer(practice.app, name="practice")


def main() -> None:
    """Runs the command line."""
    _use_utf8()
    _refuse_lost_folder()
    spare_loopback()
    app()


def _refuse_lost_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        sys.exit("error: the working directory has been deleted: change to another one")


def _use_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale would lose letters.

    Names of folders, texts of models and our own output have letters that other locales lack, and
    Polars and DuckDB take every path as UTF-8.
    """
    if sys.flags.utf8_mode or locale.getencoding().lower() == "utf-8":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (the same command)


if __name__ == "__main__":
    main()
