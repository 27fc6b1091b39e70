"""`numebot practice scenario`: play a scripted week of faults against the platform."""

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
from numebot_dagster.cli.screen import console, show_table

if TYPE_CHECKING:
    from numebot_dagster.practice.scenario import Outcome


def scenario(
    name: Annotated[str, typer.Argument(help="Name of the scenario: bad-week.")],
    folder: Folder = DEFAULT_FOLDER,
    play: Annotated[
        str | None,
        typer.Option(
            help="Command that plays a round, such as 'numebot run', if the platform does not "
            "run by itself."
        ),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for a round while the clock stands still.")
    ] = 180.0,
) -> None:
    """Play a scripted week of faults against your platform, and show how it did.

    Run `numebot up` beside it, or give the command that plays a round.
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
    due = sum(len(outcome.statuses) for outcome in outcomes)
    on_time = sum(outcome.on_time for outcome in outcomes)
    console.print(f"{on_time} of {due} submissions were on time by the tournament's own state.")
    raise typer.Exit(0 if on_time == due else 1)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Remove the faults also when a signal ends the process."""
    signals = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # a second signal would interrupt the removal
        raise SystemExit(128 + number)

    former = {each: signal.signal(each, end) for each in signals}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def _run(command: str, seconds: float) -> str:
    """Run a command of the user, with all that it starts, and return how it ended."""
    with subprocess.Popen(command, shell=True, start_new_session=True) as process:  # noqa: S602
        try:
            return f"ended with status {process.wait(seconds)}"
        except subprocess.TimeoutExpired:
            return f"was stopped after {seconds:.0f} seconds"
        finally:
            with suppress(ProcessLookupError):  # and all that it left running
                os.killpg(process.pid, signal.SIGKILL)


def _report(outcomes: list[Outcome]) -> Table:
    table = Table("round", "what went wrong", "faults that struck")
    for name in outcomes[0].statuses:
        table.add_column(name)
    for outcome in outcomes:
        struck = ", ".join(f"{kind} ×{count}" for kind, count in outcome.struck.items() if count)  # noqa: RUF001
        table.add_row(
            str(outcome.round),
            outcome.act.title,
            struck or "none",
            *(_cell(outcome, name) for name in outcome.statuses),
        )
    return table


def _cell(outcome: Outcome, name: str) -> str:
    uploads = outcome.attempts.get(name, 0)
    after = f" after {outcome.seconds[name]:.0f} s" if name in outcome.seconds else ""
    again = f", {uploads} submissions" if uploads > 1 else ""
    return f"{outcome.statuses[name]}{after}{again}"
