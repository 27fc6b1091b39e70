"""`numebot practice`: serve a practice tournament, advance its clock, look at its state."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import MofNCompleteColumn, Progress, TaskID
from rich.table import Table

from numebot_dagster.cli.practice import faults, scenario
from numebot_dagster.cli.practice.controls import DEFAULT_FOLDER, Folder, controls_of, fail
from numebot_dagster.cli.screen import show_table
from numebot_dagster.cli.session import console
from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.terminal import wait_for_reader

PARTICIPANT = "participant"  # where a participant's data lie beside the tournament's own
WIDTH_WITHOUT_MODELS = 48  # of the table of rounds


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The practice tournament: Numerai's stand-in on your own machine.",
)
app.add_typer(faults.app, name="fault")
app.command()(scenario.scenario)


@app.command()
def serve(
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    scale: Annotated[
        str, typer.Option(help="How large its data are: small, or full for the real sizes.")
    ] = "small",
    seed: Annotated[int, typer.Option(min=0, help="Decides the market and all ids.")] = 0,
    start: Annotated[
        str, typer.Option(help="Where the clock begins, as 2026-06-01T00:00:00Z.")
    ] = "2026-06-01T00:00:00Z",
    models: Annotated[
        str, typer.Option(help="The account's models, joined by commas.")
    ] = "example_model,lightgbm_model",
    stake: Annotated[
        list[str] | None,
        typer.Option(help="MODEL=NMR staked on each round, for a new folder. May be repeated."),
    ] = None,
    real_clock: Annotated[
        bool, typer.Option("--real-clock", help="Follow the wall clock instead of standing still.")
    ] = False,
    open_now: Annotated[
        bool, typer.Option("--open-now", help="With --real-clock: open a round at once.")
    ] = False,
    rules_change_at: Annotated[
        int | None,
        typer.Option(help="First round with today's rules; rounds before it pay by the former."),
    ] = None,
    real_time: Annotated[
        bool,
        typer.Option(
            "--real-time",
            help="Open a round every few minutes: wall time inside a window, fast in between.",
        ),
    ] = False,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Minutes from opening to opening with --real-time.")
    ] = 5.0,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Read queries by the letter of the schema, as Numerai does not."
        ),
    ] = False,
    rate_limits: Annotated[
        Enforcement, typer.Option(help="Numerai's limits of each query: as published, half, none.")
    ] = Enforcement.ON,
) -> None:
    """Serve a practice tournament until Ctrl-C; an existing folder is continued where it stood.

    The clock stands still until `numebot practice advance` moves it. Models, stakes, start and
    clock are taken when the folder is new; seed and scale must agree with it when it is not.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # small products on several threads are slower
    from numebot_dagster.practice.creation import Plan
    from numebot_dagster.practice.rules.clock import Refused
    from numebot_dagster.practice.server import serve as run

    names = tuple(name.strip() for name in models.split(",") if name.strip())
    try:
        plan = Plan(
            seed=seed,
            scale=scale,
            start=_instant(start),
            models=names,
            stakes=_stakes(stake or []),
            real_clock=real_clock,
            open_now=open_now,
            rules_change_at=rules_change_at,
            minutes_a_round=minutes if real_time else 0.0,
        )
        with suppress(KeyboardInterrupt), _Making() as making:
            run(
                folder,
                plan,
                port,
                deviations=not strict,
                rate_limits=rate_limits,
                on_ready=lambda at: _welcome(folder, at, by_itself=real_clock or real_time),
                on_progress=making.show,
            )
    except Refused as error:
        fail(error)


@app.command()
def advance(
    folder: Folder = DEFAULT_FOLDER,
    to: Annotated[
        str | None,
        typer.Option(
            help="next-open, next-close, next-score, resolve (until the first unresolved round "
            "with a submission resolves), or an instant as 2026-06-02T12:00:00Z."
        ),
    ] = None,
    days: Annotated[float, typer.Option(min=0, help="Days to add.")] = 0,
    hours: Annotated[float, typer.Option(min=0, help="Hours to add.")] = 0,
) -> None:
    """Move the clock of a running practice tournament forward."""
    if to is None and not days and not hours:
        raise typer.BadParameter("say how far: --to, --days or --hours")
    with controls_of(folder) as controls:
        controls.advance(to, days=days, hours=hours)
        console.print(_headline(controls.state()))


@app.command()
def state(
    folder: Folder = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show the clock, the rounds and what was submitted to a running practice tournament."""
    wait_for_reader()
    with controls_of(folder) as controls:
        held = controls.state()
    if as_json:
        typer.echo(json.dumps(held, indent=1))
        return
    console.print(_headline(held))
    show_table(_rounds_table(held, console.width), ("final", "opens"))


class _Making:
    """Shows how far the large data files are; nothing when there are none to be made."""

    def __init__(self) -> None:
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            *Progress.get_default_columns(), MofNCompleteColumn(), transient=True
        )

    def __enter__(self) -> _Making:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str, done: int, total: int) -> None:
        """Moves the bar of one file."""
        if name not in self._bars:
            self._progress.start()
            self._bars[name] = self._progress.add_task(f"{name}, eras", total=total)
        self._progress.update(self._bars[name], completed=done)
        if done == total:
            self._progress.stop()


_STANDS_STILL = (
    "The clock stands still until you move it. Clients that compare a round with the clock of the "
    "wall (check_round_open\nand check_new_round of numerapi) are therefore always told no; for "
    "them, serve a new folder with\n--real-clock --open-now."
)


def _welcome(folder: Path, address: Any, *, by_itself: bool) -> None:
    """Says where the tournament is and what to do next."""
    at = "" if folder == DEFAULT_FOLDER else f" --folder {folder}"
    play = (
        "  numebot up    # plays each round as it opens\n"
        if by_itself
        else f"  numebot practice advance --to next-open{at}\n  numebot run\n"
    )
    typer.echo(
        f"The practice tournament answers at {address.url} (Ctrl-C stops it, nothing is lost).\n\n"
        f"Lines for your .env file:\n\n{address.dotenv()}"
        # Never the folder of the real tournament, whose rounds have the same numbers.
        f"NUMERAI_DATA_FOLDER={shlex.quote(str(folder.absolute() / PARTICIPANT))}\n\n"
        f"Next, in another terminal:\n\n"
        f"  numebot train\n"
        f"{play}"
        f"  numebot practice state{at}\n"
    )
    if not by_itself:
        typer.echo(_STANDS_STILL)


def _headline(held: dict[str, Any]) -> str:
    now = datetime.fromisoformat(held["clock"]["now"])
    stands = "follows the wall clock" if held["clock"]["real"] else "stands still"
    number = held["open_round"]
    window = f"round {number} is open" if number else f"round {held['newest_round']} has closed"
    return f"{now:%A %Y-%m-%d %H:%M:%S} UTC, the clock {stands}; {window}"


def _rounds_table(held: dict[str, Any], width: int, newest: int = 20) -> Table:
    """Rounds, newest first, with what each model has in each, or counts where that is too wide."""
    from rich import box

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    names = [model["name"] for model in held["models"]]
    fits = WIDTH_WITHOUT_MODELS + sum(max(len(name), 7) + 2 for name in names) <= width
    for title in ("round", "opens", "status", "days", "final"):
        table.add_column(title, no_wrap=True, justify="right" if title == "days" else "left")
    for title in names if fits else ["submissions"]:
        table.add_column(title)
    counted = {
        (line["round"], line["model"]): line["status"]
        for line in held["submissions"]
        if line["status"] in ("on-time", "late", "queued")
    }
    for one in held["rounds"][:newest]:
        statuses = [counted.get((one["number"], name), "") for name in names]
        counts = Counter(filter(None, statuses))
        shown = ", ".join(f"{count} {status}" for status, count in counts.items())
        table.add_row(
            str(one["number"]),
            f"{datetime.fromisoformat(one['open_time']):%a %d %b %H:%M}",
            one["status"].lower(),
            str(one["scored_days"]),
            f"{datetime.fromisoformat(one['resolve_time']):%d %b}",
            *(statuses if fits else [shown]),
        )
    return table


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not an instant; write 2026-06-01T00:00:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _stakes(texts: list[str]) -> dict[str, str]:
    pairs = [text.rpartition("=") for text in texts]
    if any(not mark for _, mark, _ in pairs):
        raise typer.BadParameter("a stake is written MODEL=NMR, as example_model=2.5")
    return {model: nmr for model, _, nmr in pairs}
