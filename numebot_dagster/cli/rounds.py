"""`numebot rounds`: the rounds that Dagster knows."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from numebot_dagster.cli import session

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Rounds as partitions of the Dagster assets.",
)


@app.callback()
def _group() -> None:
    """Rounds as partitions of the Dagster assets."""


@app.command()
def add(
    number: Annotated[
        int | None, typer.Argument(help="The round; by default the one that is open.")
    ] = None,
) -> None:
    """Register a round as a partition, for `dagster asset materialize`; prints its number."""
    from numebot_dagster.defs.instance import add_partition

    with session.explained():
        platform = session.open_platform()
        if number is None:
            found = platform.round_to_play()
            if found is None:
                session.fail("no round is open now; name one: numebot rounds add N")
            number = found.number
        else:
            number = platform.client.round(number).number  # so that it is one
        is_new = add_partition("rounds", str(number))
        note = "registered" if is_new else "was registered already"
        session.errors.print(
            f"Round {number} {note}. For Dagster's own commands:\n"
            f"  export DAGSTER_HOME={shlex.quote(str(platform.settings.instance_folder))}",
            highlight=False,
            soft_wrap=True,
        )
        typer.echo(number)
