"""`numebot demo`: a whole season against the practice tournament, in a minute."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from numebot_dagster.cli import errors, execution, screen, session
from numebot_dagster.cli.execution import Request
from numebot_dagster.cli.practice.folder import PracticeFolder
from numebot_dagster.cli.screen import console, show_table
from numebot_dagster.lake import catalog
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import skipped_rounds
from numebot_dagster.operations.training import trainer
from numebot_dagster.settings import SettingsError

if TYPE_CHECKING:
    from numebot_dagster.practice.server import PracticeServer

EXAMPLE_QUERY = (
    "sql \"select count(*) from submissions where outcome='on_time' and state='confirmed'\""
)


def demo(
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds to play.")] = 3,
    folder: Annotated[Path, typer.Option(help="Folder that keeps everything.")] = Path("demo"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete an earlier demo and start again.")
    ] = False,
) -> None:
    """Play a practice tournament from the first training to the first resolved round.

    Starts a practice tournament, trains two models, plays rounds until each submission is
    confirmed, moves the clock until the first round resolves, and shows the scores. Run it again to
    continue where it stopped.
    """
    started = time.monotonic()
    with errors.explained():
        place = PracticeFolder(_prepared(folder, fresh=fresh))
        with _step("Starting the practice tournament"):
            server = place.start()
        try:
            session.use_only(place.path)
            success = _season(server, rounds)
        finally:
            server.stop()
        _next_steps(folder, time.monotonic() - started)
    raise typer.Exit(0 if success else 1)


def _prepared(folder: Path, *, fresh: bool) -> Path:
    """Return the folder to play in, and refuse one that a demo did not make."""
    place = PracticeFolder(folder.absolute())
    if folder.exists() and any(folder.iterdir()) and not place.is_demo():
        raise SettingsError(f"{folder} is not empty and holds no demo: choose another --folder")
    if fresh:
        place.remove()
    place.claim()
    return place.path


def _season(server: PracticeServer, rounds: int) -> bool:
    platform = session.open_platform()
    names = ", ".join(model.name for model in platform.registry.enabled)
    with _step(f"Pinning the training data and training {names}"):
        success = _train(platform)
    for _ in range(rounds):
        server.advance("next-open")
        number = _open_round(platform)
        with _step(f"Round {number}: predicting, submitting, confirming"):
            success &= execution.execute(Request("round_job", str(number))).success
    with _step("Moving the clock until a round resolves (about 13 weeks)"):
        server.advance("resolve")
        skipped_rounds.skip_what_closed(platform)
    days = collecting.days_to_collect(platform)
    with _step(f"Collecting the scores of {len(days)} days, the leaderboard and the payouts"):
        success &= execution.collect(platform, days)
    _results(platform)
    return success


def _train(platform: Platform) -> bool:
    """Train unless all models have weights, as those of an earlier demo are still new."""
    stored = [weight_store.stored(platform.lake, model.name) for model in platform.registry.enabled]
    if all(stored):
        return True
    vintage = next(
        iter(reversed(platform.lake.stored_vintages())), trainer.vintage_of_today(platform)
    )
    return execution.execute(Request("train_job", str(vintage))).success


def _open_round(platform: Platform) -> int:
    round_ = platform.round_to_play()
    if round_ is None:
        raise UnexpectedAnswer("the practice tournament has no open round after its opening")
    return round_.number


@contextmanager
def _step(text: str) -> Iterator[None]:
    console.print(screen.styled(text, "bold", " …"))
    started = time.monotonic()
    yield
    console.print(screen.styled("  done", "green", f" in {time.monotonic() - started:.1f} s"))


def _results(platform: Platform) -> None:
    from numebot_dagster.reporting.performance_tables import rounds_summary
    from numebot_dagster.reporting.tables import rich_table

    lake = platform.lake
    summary = rounds_summary(
        catalog.query(lake, "from scores"), catalog.query(lake, "from submissions")
    )
    console.print()
    show_table(rich_table(summary, "What happened"), ("resolved", "state"))
    console.print(
        "CORR and MMC are final once a round has resolved. Before that they show the market so "
        "far: mostly noise on day 1; only those of day 60 are paid."
        + _independence_note(summary["round"].unique().to_list())
        + "\n",
        highlight=False,
    )


def _independence_note(rounds: list[int]) -> str:
    from numebot_dagster.reporting.numbers import counted
    from numebot_dagster.reporting.performance_tables import independent_rounds

    independent = independent_rounds(rounds)
    if len(rounds) < 2 or independent > len(rounds) / 2:
        return ""
    return (
        f" These {counted(len(rounds), 'round')} share most of their days and tell as much as "
        f"{independent:.1f} independent rounds: too little to prefer a model."
    )


def _next_steps(folder: Path, seconds: float) -> None:
    # As it must be typed: a virtual environment that is not active is not on the PATH.
    installed = shutil.which("numebot")
    command = "numebot" if installed else str(Path(sys.executable).with_name("numebot"))
    console.print(f"The demo took {seconds:.0f} s. To query its results:", highlight=False)
    query = f"(cd {shlex.quote(str(folder))} && {shlex.quote(command)} {EXAMPLE_QUERY})"
    console.print(f"  {query}", highlight=False, soft_wrap=True)
    console.print(f"  views: {', '.join(catalog.VIEWS)}\n", highlight=False, soft_wrap=True)
    console.print("To open the Dagster UI on this state:", highlight=False)
    up = shlex.join([command, "up", "--folder", str(folder)])
    console.print(f"  {up}", highlight=False, soft_wrap=True)
