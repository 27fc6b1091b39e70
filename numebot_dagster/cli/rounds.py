"""`numebot rounds`: register rounds with Dagster."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from numebot_dagster.cli import errors, screen, session

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Register rounds as partitions of the Dagster assets.",
)


@app.callback()
def _group() -> None:
    """Register rounds as partitions of the Dagster assets."""


@app.command()
def add(
    number: Annotated[
        int | None, typer.Argument(help="Number of the round; by default the open one.")
    ] = None,
) -> None:
    """Register a round as a partition for `dagster asset materialize`, and print its number."""
    from numebot_dagster.defs.instance import add_partition

    with errors.explained():
        platform = session.open_platform()
        if number is None:
            round_ = platform.round_to_play()
            if round_ is None:
                errors.fail("no round is open now; give its number: numebot rounds add N")
            number = round_.number
        else:
            number = platform.client.round(number).number  # which refuses a number of no round
        is_new = add_partition("rounds", str(number))
        state = "is registered" if is_new else "was registered before"
        screen.note(
            f"Round {number} {state}. For Dagster's own commands:\n"
            f"  export DAGSTER_HOME={shlex.quote(str(platform.settings.instance_folder))}"
        )
        typer.echo(number)
