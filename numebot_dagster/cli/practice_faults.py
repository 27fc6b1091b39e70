"""`numebot practice fault` and `scenario`: make things go wrong, and see how the platform does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from numebot_dagster.practice.controls import Controls
    from numebot_dagster.practice.scenario import Outcome

app = typer.Typer(no_args_is_help=True, help="What goes wrong in the practice tournament.")
Folder = Annotated[Path, typer.Option(help="Where the practice tournament lives.")]
DEFAULT_FOLDER = Path("practice-tournament")


@app.command()
def kinds() -> None:
    """Show what can go wrong."""
    from numebot_dagster.practice.fault_kinds import KINDS

    table = Table("kind", "strikes", "times", "what happens", "can be set")
    for kind in KINDS.values():
        values = " ".join(f"{name}={value}" for name, value in kind.values.items())
        table.add_row(kind.name, kind.where, _times(kind.times), kind.does, values)
    Console().print(table)


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="One of `numebot practice fault kinds`.")],
    folder: Folder = DEFAULT_FOLDER,
    where: Annotated[
        str | None,
        typer.Option(
            help="Endpoints: graphql:<root field>, download:<version>/<file>, upload:<file>, "
            "submission:<file or model>, webhook:<model>; * stands for anything."
        ),
    ] = None,
    times: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often; if absent, as the kind has it: endless, but for changing-data (2) and "
            "invalid-later (1).",
        ),
    ] = None,
    probability: Annotated[float, typer.Option(min=0, max=1, help="For each request.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Decides which requests are struck.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="Ends after so much of the tournament's time.")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE. May be repeated.")
    ] = None,
) -> None:
    """Make something go wrong in a running practice tournament."""
    pairs = [text.partition("=") for text in values or []]
    if any(not mark for _, mark, _ in pairs):
        raise typer.BadParameter("write --set NAME=VALUE, as --set seconds=5")
    asked: dict[str, Any] = {
        "where": where,
        "probability": probability,
        "seed": seed,
        "minutes": minutes,
        "values": {name: value for name, _, value in pairs},
    }
    if times is not None:
        asked["times"] = times
    with _controls(folder) as controls:
        typer.echo(f"fault {controls.add_fault(kind, **asked)} added")


@app.command(name="list")
def show(
    folder: Folder = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show the faults of a running practice tournament and how often they struck."""
    with _controls(folder) as controls:
        faults = controls.faults()
    if as_json:
        typer.echo(json.dumps(faults, indent=1))
        return
    table = Table("id", "kind", "where", "struck", "of", "set", "state")
    for one in faults:
        values = " ".join(f"{name}={value}" for name, value in one["values"].items())
        table.add_row(
            str(one["id"]), one["kind"], one["where"], f"{one['struck']} of {one['seen']} seen",
            _times(one["times"]), values, "over" if one["over"] else "on",
        )  # fmt: skip
    Console().print(table)


def _times(times: int | None) -> str:
    return "endless" if times is None else str(times)


@app.command()
def clear(
    identifier: Annotated[int | None, typer.Argument(help="Which one; all if absent.")] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Remove one fault or all of them."""
    with _controls(folder) as controls:
        typer.echo(f"{controls.remove_faults(identifier)} removed")


def scenario(
    name: Annotated[str, typer.Argument(help="bad-week")],
    folder: Folder = DEFAULT_FOLDER,
    play: Annotated[
        str | None,
        typer.Option(
            help="Command that plays a round, as 'numebot run'; for a platform that does "
            "not run by itself."
        ),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds that a round gets while the clock stands still.")
    ] = 180.0,
) -> None:
    """Play a scripted week of faults against your platform, and say how it did.

    Have `numebot up` running beside it, or give the command that plays a round.
    """  # fmt: skip
    from numebot_dagster.practice.clock import Refused
    from numebot_dagster.practice.scenario import SCENARIOS, Stage

    if name not in SCENARIOS:
        raise typer.BadParameter(f"there is no scenario {name}; choose {', '.join(SCENARIOS)}")

    def run(seconds: float) -> None:
        if play is not None:
            typer.echo(f"`{play}` {_run(play, seconds)}")

    with _controls(folder) as controls, _ending_in_order():
        try:
            outcomes = Stage(controls, patience, run, typer.echo).perform(SCENARIOS[name])
        except Refused as error:
            _fail(error)
    console = Console()
    console.print(_report(outcomes))
    asked = sum(len(one.statuses) for one in outcomes)
    met = sum(one.on_time for one in outcomes)
    console.print(f"{met} of {asked} submissions were on time by the tournament's own state.")
    raise typer.Exit(0 if met == asked else 1)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Lets a signal that ends the process run what must come last: faults are removed again."""
    signals = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)  # a second one would interrupt the removal
        raise SystemExit(128 + number)

    former = {one: signal.signal(one, end) for one in signals}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


def _run(command: str, seconds: float) -> str:
    """Runs a command of the user, with all that it starts, and says how it ended."""
    with subprocess.Popen(command, shell=True, start_new_session=True) as process:  # noqa: S602
        try:
            return f"ended with status {process.wait(seconds)}"
        except subprocess.TimeoutExpired:
            return f"was stopped after {seconds:.0f} seconds"
        finally:
            with suppress(ProcessLookupError):  # whatever it left running, too
                os.killpg(process.pid, signal.SIGKILL)


def _report(outcomes: list[Outcome]) -> Table:
    table = Table("round", "what went wrong", "faults that struck")
    for name in outcomes[0].statuses:
        table.add_column(name)
    for one in outcomes:
        struck = ", ".join(f"{kind} ×{count}" for kind, count in one.struck.items() if count)  # noqa: RUF001
        table.add_row(
            str(one.round),
            one.act.title,
            struck or "none",
            *(_cell(one, name) for name in one.statuses),
        )
    return table


def _cell(one: Outcome, name: str) -> str:
    uploads = one.attempts.get(name, 0)
    after = f" after {one.seconds[name]:.0f} s" if name in one.seconds else ""
    again = f", {uploads} submissions" if uploads > 1 else ""
    return f"{one.statuses[name]}{after}{again}"


class _controls:  # noqa: N801
    """The control API of a folder's tournament; a refusal ends the command with its text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Controls:
        from numebot_dagster.practice.clock import Refused
        from numebot_dagster.practice.controls import Controls, read_address

        try:
            return Controls(read_address(self._folder).url)
        except Refused as error:
            _fail(error)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        from numebot_dagster.practice.clock import Refused

        if isinstance(error, Refused):
            _fail(error)


def _fail(error: Exception) -> NoReturn:
    typer.secho(str(error), err=True, fg="red")
    raise typer.Exit(1)
