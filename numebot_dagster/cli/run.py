"""`numebot run`: a whole round by one command."""

from __future__ import annotations

from typing import Annotated

import typer

from numebot_dagster import command_lines
from numebot_dagster.cli import session
from numebot_dagster.cli.screen import say, show_table
from numebot_dagster.cli.session import Wish, console
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.causes import by_cause, must_be_corrected
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds.follow_up import CAME_LATER, ROUNDS_LOOKED_BACK
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt


def run(
    round_number: Annotated[
        int | None, typer.Option("--round", help="The round; by default the one that is open.")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Numerai names, joined by commas; by default all enabled.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Predict and check, but submit nothing.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace a submission that Numebot did not make, or its own."),
    ] = False,
    late: Annotated[
        bool,
        typer.Option(
            "--late",
            help="Submit although the round has closed. It is scored, but not paid, and Numerai "
            "makes it the next round's submission too, until that round is played.",
        ),
    ] = False,
) -> None:
    """Play a round: fetch its data, predict with every model, submit, and have it confirmed.

    What Numerai already holds is asked first, so the command may be repeated at any time: it goes
    on where it was stopped and never submits twice. Exit status 0 means that every model asked for
    is confirmed, or has a submission on time that was made elsewhere (with --dry-run: predicted).
    """
    from numebot_dagster.defs.training.weights import predictions_key

    with session.explained():
        platform = session.open_platform(needs_key=not dry_run)
        session.show_in_force(platform)
        chosen = session.chosen_models(platform.registry, models)
        found = (
            _open_round(platform) if round_number is None else _known_round(platform, round_number)
        )
        number = found.number
        if late:
            _say_what_late_means(number)
        elif _has_closed(platform, found):
            _say_what_closed_means(found, dry_run=dry_run)
        result = session.execute(_wish(number, chosen, dry_run=dry_run, force=force, late=late))
        if dry_run:
            missing = [one.name for one in chosen if predictions_key(one) not in result.made]
            done = not missing
            if missing:
                console.print(f"Not predicted: {', '.join(missing)}", highlight=False)
        else:
            done = _report(platform, found, chosen, late=late) and result.success
    raise typer.Exit(0 if done else 1)


def _open_round(platform: Platform) -> Round:
    found = platform.round_to_play()
    if found is None:
        session.fail(
            f"no round is open at {platform.client.now():%a %Y-%m-%d %H:%M} UTC. Rounds open from "
            "Tuesday to Saturday at 12:00 UTC; `numebot up` waits for them. One that has closed is "
            "played with --round N --late."
        )
    return found


def _known_round(platform: Platform, number: int) -> Round:
    """The round, if it has opened and Numerai still tells what it holds of it."""
    newest = platform.client.rounds(limit=1)[-1].number
    try:
        found = platform.client.round(number)
    except UnexpectedAnswer:
        session.fail(f"there is no round {number}; the newest is {newest}")
    if number < newest - ROUNDS_LOOKED_BACK:
        session.fail(
            f"round {number} closed on {found.close_staking_time:%Y-%m-%d}, which is too long ago: "
            f"the newest is {newest}, and what was submitted can be asked for the last "
            f"{ROUNDS_LOOKED_BACK} rounds"
        )
    if platform.client.now() < found.open_time:
        session.fail(f"round {number} opens on {found.open_time:%a %d %b at %H:%M} UTC")
    return found


def _say_what_late_means(number: int) -> None:
    console.print(
        session.styled(
            "Late submission:",
            "yellow",
            f" what is uploaded after the close of round {number} is not paid there, and also "
            f"fills round {number + 1}, until that round is played.",
        )
    )


def _say_what_closed_means(found: Round, *, dry_run: bool) -> None:
    meaning = (
        "it can be predicted if its live data were stored before."
        if dry_run
        else "nothing is uploaded without --late. What Numerai holds of it:"
    )
    console.print(
        f"Round {found.number} closed on {found.close_staking_time:%a %d %b at %H:%M} UTC: "
        f"{meaning}",
        highlight=False,
    )


def _wish(
    number: int, models: list[RegisteredModel], *, dry_run: bool, force: bool, late: bool
) -> Wish:
    from numebot_dagster.defs.rounds.assets import DETAILS, LIVE_DATA
    from numebot_dagster.defs.training.weights import predictions_key, submission_key

    selection = [DETAILS, LIVE_DATA]
    for model in models:
        selection.append(predictions_key(model))
        if model.submit and not dry_run:
            selection.append(submission_key(model))
    config = {
        "live_data": {"config": {"late": late}},
        "play_round": {"config": {"force": force, "late": late}},
    }
    return Wish("round_job", str(number), selection, config)


def _report(
    platform: Platform, round_: Round, models: list[RegisteredModel], *, late: bool
) -> bool:
    """Prints what is known of each submission; returns whether all are confirmed as asked for."""
    import polars as pl

    from numebot_dagster.reporting.tables import rich_table

    latest = receipts.latest(platform.lake, round_.number)
    names = [model.name for model in models if model.submit]
    standing = {name: latest.get(name, Receipt(name, round_.number)) for name in names}
    rows = [
        {
            "model": name,
            "outcome": receipt.outcome,
            "state": receipt.state if name in latest and not _is_over_untold(receipt) else None,
            "rung": receipt.rung if receipt.predictions_sha256 else None,
            "vintage": receipt.vintage,
            "rows": receipt.rows,
        }
        for name, receipt in standing.items()
    ]
    frame = pl.DataFrame(rows)
    empty = [name for name in ("rung", "vintage", "rows") if frame[name].null_count() == len(rows)]
    show_table(rich_table(frame.drop(empty), f"Round {round_.number}"), ("rows", "vintage"))
    has_closed = _has_closed(platform, round_)
    came_later = {
        name for name in names if has_closed and not platform.lake.takes_part(name, round_.number)
    }
    reasons = {
        name: CAME_LATER if name in came_later else receipt.reason or receipt.rung_reason or ""
        for name, receipt in standing.items()
    }
    for cause in by_cause((name, reason) for name, reason in reasons.items() if reason):
        say(str(cause))
    failed = [
        name
        for name, receipt in standing.items()
        if receipt.outcome is Outcome.FAILED and not must_be_corrected(reasons[name])
    ]
    if failed and not has_closed:
        say(f"To try again: {command_lines.run(round_.number, failed)}")
    return all(
        (receipt.is_on_time or (late and receipt.is_late))
        and (receipt.is_foreign or receipt.is_confirmed)
        for name, receipt in standing.items()
        if name not in came_later or came_later == set(names)
    )


def _has_closed(platform: Platform, round_: Round) -> bool:
    return platform.client.now() >= round_.close_staking_time


def _is_over_untold(receipt: Receipt) -> bool:
    """Whether it ended before Numerai was asked: to call that pending would promise something."""
    return receipt.is_pending and receipt.outcome is not None
