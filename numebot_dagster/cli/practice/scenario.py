"""`numebot practice scenario`: a scripted week of faults, and how the platform did."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.table import Table

from numebot_dagster.cli.practice.controls import DEFAULT_FOLDER, Folder, controls_of
from numebot_dagster.cli.screen import show_table
from numebot_dagster.cli.session import console

if TYPE_CHECKING:
    from numebot_dagster.practice.scenario import Outcome


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
    from numebot_dagster.practice.scenario import SCENARIOS, Stage

    if name not in SCENARIOS:
        raise typer.BadParameter(f"there is no scenario {name}; choose {', '.join(SCENARIOS)}")

    def run(seconds: float) -> None:
        if play is not None:
            typer.echo(f"`{play}` {_run(play, seconds)}")

    with controls_of(folder) as controls, _ending_in_order():
        outcomes = Stage(controls, patience, run, typer.echo).perform(SCENARIOS[name])
    show_table(_report(outcomes))
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
