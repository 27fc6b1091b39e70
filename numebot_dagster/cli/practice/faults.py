"""`numebot practice fault`: make things go wrong in the practice tournament."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.padding import Padding

from numebot_dagster.cli import screen
from numebot_dagster.cli.practice.controls import DEFAULT_FOLDER, Folder, controls_of
from numebot_dagster.cli.screen import console, plain_table, show_table
from numebot_dagster.terminal import wait_for_reader

app = typer.Typer(no_args_is_help=True, help="Make things go wrong in the practice tournament.")


@app.command()
def kinds() -> None:
    """Show what can go wrong."""
    from numebot_dagster.practice.faults.kinds import KINDS

    for kind in KINDS.values():
        rest = f"  strikes {kind.where}, {_times(kind.times)}"
        console.print(screen.styled(kind.kind, "bold", rest))
        console.print(Padding(kind.does(), (0, 0, 0, 4)))
        if kind.defaults():
            console.print(f"    --set {_assignments(kind.defaults())}", highlight=False)


Where = Annotated[
    str | None,
    typer.Option(
        # Typer's Markdown leaves out words in <>, as HTML.
        help="Endpoints: graphql:FIELD, download:VERSION/FILE, upload:FILE, "
        "submission:FILE_OR_MODEL, webhook:MODEL; * stands for anything."
    ),
]


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="Kind, see `numebot practice fault kinds`.")],
    folder: Folder = DEFAULT_FOLDER,
    where: Where = None,
    times: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often it strikes; by default always, but changing-data twice and "
            "invalid-later once.",
        ),
    ] = None,
    probability: Annotated[
        float, typer.Option(min=0, max=1, help="Probability that a request is struck.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed for choosing the requests that are struck.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="Minutes of tournament time after which it ends.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the fault as NAME=VALUE. May be repeated."),
    ] = None,
) -> None:
    """Make something go wrong in a running practice tournament."""
    fault: dict[str, Any] = {
        "where": where,
        "probability": probability,
        "seed": seed,
        "minutes": minutes,
        "values": _parameters(values or []),
    }
    if times is not None:
        fault["times"] = times
    with controls_of(folder) as controls:
        typer.echo(f"fault {controls.add_fault(kind, **fault)} added")


def _parameters(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not mark for _, mark, _ in pairs):
        raise typer.BadParameter("write --set NAME=VALUE, such as --set seconds=5")
    return {name: value for name, _, value in pairs}


@app.command(name="list")
def show(
    folder: Folder = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show the faults of a running practice tournament and how often they struck."""
    wait_for_reader()
    with controls_of(folder) as controls:
        faults = controls.faults()
    if as_json:
        typer.echo(json.dumps(faults, indent=1))
        return
    table = plain_table("id", "kind", "where", "struck", "of", "set", "state")
    for fault in faults:
        table.add_row(
            str(fault["id"]), fault["kind"], fault["where"],
            f"{fault['struck']} of {fault['seen']} seen", _times(fault["times"]),
            _assignments(fault["values"]), "over" if fault["over"] else "on",
        )  # fmt: skip
    show_table(table, ("of", "set"))


def _assignments(values: Mapping[str, float | str]) -> str:
    """Return values as they are typed after `--set`."""
    return " ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def _times(times: int | None) -> str:
    return "endless" if times is None else str(times)


@app.command()
def clear(
    identifier: Annotated[
        int | None, typer.Argument(help="Number of the fault; all by default.")
    ] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Remove one fault or all of them."""
    with controls_of(folder) as controls:
        typer.echo(f"{controls.remove_faults(identifier)} removed")
