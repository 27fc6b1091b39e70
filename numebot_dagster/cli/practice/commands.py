"""`numebot practice`: serve a practice tournament, advance its clock, show its state."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import MofNCompleteColumn, Progress, TaskID
from rich.table import Table

from numebot_dagster import command_lines
from numebot_dagster.cli.practice import faults, scenario
from numebot_dagster.cli.practice.controls import DEFAULT_FOLDER, Folder, controls_of, fail
from numebot_dagster.cli.screen import console, show_table
from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.terminal import wait_for_reader

if TYPE_CHECKING:
    from numebot_dagster.practice.creation import Plan

DEFAULT_MODELS = "example_model,lightgbm_model"
PARTICIPANT = "participant"  # folder of a participant's data beside the tournament's own
WIDTH_WITHOUT_MODELS = 48  # of the table of rounds


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The practice tournament: Numerai's stand-in on your own machine.",
)
app.add_typer(faults.app, name="fault")
app.command()(scenario.scenario)


Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the tournament; 0 means any free one.")
]
Scale = Annotated[str, typer.Option(help="Size of the data: small, or full for the real sizes.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the market and of all ids.")]
Start = Annotated[str, typer.Option(help="Start of the clock, such as 2026-06-01T00:00:00Z.")]
Models = Annotated[str, typer.Option(help="The account's models, separated by commas.")]
Stakes = Annotated[
    list[str] | None,
    typer.Option(help="MODEL=NMR staked on each round, for a new folder. May be repeated."),
]
RealClock = Annotated[
    bool, typer.Option("--real-clock", help="Follow the wall clock instead of standing still.")
]
OpenNow = Annotated[
    bool, typer.Option("--open-now", help="With --real-clock: open a round at once.")
]
RulesChange = Annotated[
    int | None,
    typer.Option(help="First round with today's rules; earlier rounds pay by the former ones."),
]
RealTime = Annotated[
    bool,
    typer.Option(
        "--real-time",
        help="Open a round every few minutes: wall time inside a window, fast in between.",
    ),
]
Minutes = Annotated[
    float, typer.Option(min=0.1, help="Minutes from opening to opening with --real-time.")
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse queries that deviate from the schema; Numerai does not."),
]
RateLimits = Annotated[
    Enforcement, typer.Option(help="Numerai's limits of each query: as published, half, none.")
]


@app.command()
def serve(
    folder: Folder = DEFAULT_FOLDER,
    port: Port = 0,
    scale: Scale = "small",
    seed: Seed = 0,
    start: Start = "2026-06-01T00:00:00Z",
    models: Models = DEFAULT_MODELS,
    stake: Stakes = None,
    real_clock: RealClock = False,
    open_now: OpenNow = False,
    rules_change_at: RulesChange = None,
    real_time: RealTime = False,
    minutes: Minutes = 5.0,
    strict: Strict = False,
    rate_limits: RateLimits = Enforcement.ON,
) -> None:
    """Serve a practice tournament until Ctrl-C; continue an existing one where it stopped.

    The clock stands still until `numebot practice advance` moves it. Models, stakes, start and
    clock are set when the folder is new; for an existing one, seed and scale must be the same.
    """
    from numebot_dagster.practice.creation import Plan

    plan = Plan(
        seed=seed,
        scale=scale,
        start=_instant(start),
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        stakes=_stakes(stake or []),
        real_clock=real_clock,
        open_now=open_now,
        rules_change_at=rules_change_at,
        minutes_a_round=minutes if real_time else 0.0,
    )
    _run(folder, plan, port, strict, rate_limits)


def _run(folder: Path, plan: Plan, port: int, strict: bool, rate_limits: Enforcement) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # small products on several threads are slower
    from numebot_dagster.practice.rules.clock import Refused
    from numebot_dagster.practice.server import serve as run

    by_itself = plan.real_clock or bool(plan.minutes_a_round)
    try:
        with suppress(KeyboardInterrupt), _GenerationProgress() as progress:
            run(
                folder,
                plan,
                port,
                deviations=not strict,
                rate_limits=rate_limits,
                on_ready=lambda address: _welcome(folder, address, plan, by_itself=by_itself),
                on_progress=progress.show,
            )
    except Refused as error:
        fail(error)


@app.command()
def advance(
    folder: Folder = DEFAULT_FOLDER,
    to: Annotated[
        str | None,
        typer.Option(
            help="One of next-open, next-close, next-score, resolve (until the first unresolved "
            "round with a submission resolves), or an instant such as 2026-06-02T12:00:00Z."
        ),
    ] = None,
    days: Annotated[float, typer.Option(min=0, help="Days to add.")] = 0,
    hours: Annotated[float, typer.Option(min=0, help="Hours to add.")] = 0,
) -> None:
    """Move the clock of a running practice tournament forward."""
    if to is None and not days and not hours:
        raise typer.BadParameter("give at least one of --to, --days and --hours")
    with controls_of(folder) as controls:
        controls.advance(to, days=days, hours=hours)
        console.print(_headline(controls.state()))


@app.command()
def state(
    folder: Folder = DEFAULT_FOLDER,
    rounds: Annotated[
        int, typer.Option(min=1, help="How many of the newest rounds, and of those played.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show the clock, the rounds and what was submitted to a running practice tournament.

    The newest rounds are shown, and below them older ones that have a submission.
    """
    wait_for_reader()
    with controls_of(folder) as controls:
        tournament = controls.state()
    if as_json:
        typer.echo(json.dumps(tournament, indent=1))
        return
    console.print(_headline(tournament))
    shown = _shown(tournament, rounds)
    show_table(_rounds_table(tournament, shown, console.width), ("final", "opens"))
    if left := len(tournament["rounds"]) - len(shown):
        console.print(f"… and {left} more rounds; to show more: --rounds N", highlight=False)


class _GenerationProgress:
    """Shows a bar for each large data file that is generated, if there are any."""

    def __init__(self) -> None:
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            *Progress.get_default_columns(), MofNCompleteColumn(), transient=True
        )

    def __enter__(self) -> _GenerationProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str, done: int, total: int) -> None:
        """Move the bar of a file."""
        if name not in self._bars:
            self._progress.start()
            self._bars[name] = self._progress.add_task(f"{name}, eras", total=total)
        self._progress.update(self._bars[name], completed=done)
        if done == total:
            self._progress.stop()


_STANDS_STILL = (
    "The clock stands still until you move it. check_round_open and check_new_round of numerapi, "
    "which compare rounds\nwith the real time, therefore always return False; for them, serve a "
    "new folder with --real-clock --open-now."
)


def _welcome(folder: Path, address: Any, plan: Plan, *, by_itself: bool) -> None:
    """Print where the tournament is and what to do next."""
    at = None if folder == DEFAULT_FOLDER else folder
    advance = command_lines.practice("advance", "--to", "next-open", folder=at)
    # The registry may have models that the account of a chosen list lacks.
    names = ",".join(plan.models)
    only = "" if names == DEFAULT_MODELS else f" --models {shlex.quote(names)}"
    play = (
        "  numebot up    # plays each round as it opens\n"
        if by_itself
        else f"  {advance}\n  numebot run{only}\n"
    )
    typer.echo(
        f"The practice tournament answers at {address.url} (Ctrl-C stops it, nothing is lost).\n\n"
        f"Lines for your .env file:\n\n{address.dotenv()}"
        # Never the folder of the real tournament, whose rounds have the same numbers.
        f"NUMERAI_DATA_FOLDER={shlex.quote(str(folder.absolute() / PARTICIPANT))}\n\n"
        f"Next, in another terminal:\n\n"
        f"  numebot train{only}\n"
        f"{play}"
        f"  {command_lines.practice('state', folder=at)}\n"
    )
    if not by_itself:
        typer.echo(_STANDS_STILL)


def _headline(tournament: dict[str, Any]) -> str:
    now = datetime.fromisoformat(tournament["clock"]["now"])
    motion = "follows the wall clock" if tournament["clock"]["real"] else "stands still"
    opened, newest = tournament["open_round"], tournament["newest_round"]
    window = f"round {opened} is open" if opened else f"round {newest} has closed"
    return f"{now:%A %Y-%m-%d %H:%M:%S} UTC, the clock {motion}; {window}"


def _counted(tournament: dict[str, Any]) -> dict[tuple[int, str], str]:
    """Return the status of the submissions that count, by round and model."""
    return {
        (line["round"], line["model"]): line["status"]
        for line in tournament["submissions"]
        if line["status"] in ("on-time", "late", "queued")
    }


def _shown(tournament: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the newest rounds, and the newest older ones that have a submission."""
    played = {number for number, _ in _counted(tournament)}
    rounds = tournament["rounds"]
    older = [round_ for round_ in rounds[count:] if round_["number"] in played]
    return [*rounds[:count], *older[:count]]


def _rounds_table(
    tournament: dict[str, Any], rounds: Sequence[dict[str, Any]], width: int
) -> Table:
    """Return some rounds, with the status of each model, or counts if that is too wide."""
    from rich import box

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    names = [model["name"] for model in tournament["models"]]
    fits = WIDTH_WITHOUT_MODELS + sum(max(len(name), 7) + 2 for name in names) <= width
    for title in ("round", "opens", "status", "days", "final"):
        table.add_column(title, no_wrap=True, justify="right" if title == "days" else "left")
    for title in names if fits else ["submissions"]:
        table.add_column(title)
    counted = _counted(tournament)
    for round_ in rounds:
        statuses = [counted.get((round_["number"], name), "") for name in names]
        counts = Counter(filter(None, statuses))
        shown = ", ".join(f"{count} {status}" for status, count in counts.items())
        table.add_row(
            str(round_["number"]),
            f"{datetime.fromisoformat(round_['open_time']):%a %d %b %H:%M}",
            round_["status"].lower(),
            str(round_["scored_days"]),
            f"{datetime.fromisoformat(round_['resolve_time']):%d %b}",
            *(statuses if fits else [shown]),
        )
    return table


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not a point in time; write it as 2026-06-01T00:00:00Z"
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _stakes(texts: list[str]) -> dict[str, str]:
    pairs = [text.rpartition("=") for text in texts]
    if any(not mark for _, mark, _ in pairs):
        raise typer.BadParameter("a stake is written MODEL=NMR, such as example_model=2.5")
    return {model: nmr for model, _, nmr in pairs}
