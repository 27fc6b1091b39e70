"""The `numebot` command."""

from __future__ import annotations

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
    app()


if __name__ == "__main__":
    main()
