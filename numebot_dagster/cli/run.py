"""`numebot run`: a whole round by one command."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

import typer

from numebot_dagster import command_lines
from numebot_dagster.cli import errors, execution, screen, session
from numebot_dagster.cli.execution import Request, Result
from numebot_dagster.cli.screen import console, say, show_table
from numebot_dagster.cli.session import ModelNames
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.records import ROUNDS_LOOKED_BACK, Round
from numebot_dagster.operations.causes import by_cause, must_be_corrected
from numebot_dagster.operations.platform import Platform
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import CAME_LATER, Outcome, Receipt

RoundNumber = Annotated[
    int | None, typer.Option("--round", help="Number of the round; by default the open one.")
]
Late = Annotated[
    bool,
    typer.Option(
        "--late",
        help="Submit after the close of the round. The submission is scored but not paid, and "
        "Numerai also uses it for the next round, until that round is played.",
    ),
]


def run(
    round_number: RoundNumber = None,
    models: ModelNames = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Predict and check, but do not submit.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace a submission, even one that Numebot did not make."),
    ] = False,
    late: Late = False,
) -> None:
    """Play a round: fetch its data, predict with every model, submit, and confirm the submissions.

    You can repeat the command at any time: it asks Numerai first what was submitted, continues
    where it stopped, and never submits twice. Exit status 0 means that each of the models is
    confirmed, or was submitted on time from elsewhere (with --dry-run: predicted).
    """
    with errors.explained():
        platform = session.open_platform(needs_key=not dry_run)
        session.show_in_force(platform)
        chosen = session.chosen_models(platform.registry, models)
        round_ = _round_of(platform, round_number)
        if late:
            _say_what_late_means(round_.number)
        elif _has_closed(platform, round_):
            _say_what_closed_means(round_, dry_run=dry_run)
        options = {"dry_run": dry_run, "force": force, "late": late}
        result = execution.execute(_request(round_.number, chosen, **options))
        if dry_run:
            success = _report_dry_run(chosen, result)
        else:
            success = _report(platform, round_, chosen, late=late) and result.success
    raise typer.Exit(0 if success else 1)


def _round_of(platform: Platform, number: int | None) -> Round:
    return _open_round(platform) if number is None else _past_or_open_round(platform, number)


def _open_round(platform: Platform) -> Round:
    round_ = platform.round_to_play()
    if round_ is None:
        errors.fail(
            f"no round is open at {platform.client.now():%a %Y-%m-%d %H:%M} UTC. Rounds open from "
            "Tuesday to Saturday at 12:00 UTC; `numebot up` waits for them. To play a round "
            "that has closed, add --round N --late."
        )
    return round_


def _past_or_open_round(platform: Platform, number: int) -> Round:
    """Return a round that has opened and whose submissions Numerai can still be asked for."""
    newest = platform.client.rounds(limit=1)[-1].number
    try:
        round_ = platform.client.round(number)
    except UnexpectedAnswer:
        errors.fail(f"there is no round {number}; the newest is {newest}")
    if number < newest - ROUNDS_LOOKED_BACK:
        errors.fail(
            f"round {number} closed on {round_.close_staking_time:%Y-%m-%d}, too long ago: Numerai "
            f"shows the submissions of the last {ROUNDS_LOOKED_BACK} rounds, and the newest is "
            f"{newest}"
        )
    if platform.client.now() < round_.open_time:
        errors.fail(f"round {number} opens on {round_.open_time:%a %d %b at %H:%M} UTC")
    return round_


def _say_what_late_means(number: int) -> None:
    console.print(
        screen.styled(
            "Late submission:",
            "yellow",
            f" what is uploaded after the close of round {number} is not paid there. Numerai also "
            f"uses it for round {number + 1}, until that round is played.",
        )
    )


def _say_what_closed_means(round_: Round, *, dry_run: bool) -> None:
    meaning = (
        "it can be predicted if its live data are stored."
        if dry_run
        else "nothing is uploaded without --late. Numebot asks Numerai what was submitted, and "
        "records a model without a submission as missed."
    )
    closed = f"{round_.close_staking_time:%a %d %b at %H:%M} UTC"
    say(f"Round {round_.number} closed on {closed}: {meaning}")


def _request(
    number: int, models: list[RegisteredModel], *, dry_run: bool, force: bool, late: bool
) -> Request:
    from numebot_dagster.defs.model_assets import predictions_key, submission_key
    from numebot_dagster.defs.rounds.assets import DETAILS, LIVE_DATA

    selection = [DETAILS, LIVE_DATA]
    for model in models:
        selection.append(predictions_key(model))
        if model.submit and not dry_run:
            selection.append(submission_key(model))
    config = {
        "live_data": {"config": {"late": late}},
        "play_round": {"config": {"force": force, "late": late}},
    }
    return Request("round_job", str(number), selection, config)


def _report_dry_run(models: list[RegisteredModel], result: Result) -> bool:
    """Name the models that were not predicted; return whether all were."""
    from numebot_dagster.defs.model_assets import predictions_key

    missing = [model.name for model in models if predictions_key(model) not in result.made]
    if missing:
        say(f"Not predicted: {', '.join(missing)}")
    return not missing


def _report(
    platform: Platform, round_: Round, models: list[RegisteredModel], *, late: bool
) -> bool:
    """Print the state of each submission; return whether all are confirmed as asked for."""
    latest = receipts.latest(platform.lake, round_.number)
    names = [model.name for model in models if model.submit]
    submissions = {name: latest.get(name, Receipt(name, round_.number)) for name in names}
    _show_submissions(round_.number, submissions, latest.keys())
    has_closed = _has_closed(platform, round_)
    came_later = {
        name for name in names if has_closed and not platform.lake.takes_part(name, round_.number)
    }
    reasons = {
        name: CAME_LATER if name in came_later else receipt.reason or receipt.rung_reason or ""
        for name, receipt in submissions.items()
    }
    for cause in by_cause((name, reason) for name, reason in reasons.items() if reason):
        say(str(cause))
    failed = [
        name
        for name, receipt in submissions.items()
        if receipt.outcome is Outcome.FAILED and not must_be_corrected(reasons[name])
    ]
    if failed and not has_closed:
        say(f"To try again: {command_lines.run(round_.number, failed)}")
    return all(
        (receipt.is_on_time or (late and receipt.is_late))
        and (receipt.is_foreign or receipt.is_confirmed)
        for name, receipt in submissions.items()
        if name not in came_later or came_later == set(names)
    )


def _show_submissions(
    round_number: int, submissions: Mapping[str, Receipt], recorded: Collection[str]
) -> None:
    import polars as pl

    from numebot_dagster.reporting.tables import rich_table

    rows = [
        {
            "model": name,
            "outcome": receipt.outcome,
            "state": receipt.state
            if name in recorded and not _ended_before_asking(receipt)
            else None,
            "rung": receipt.rung if receipt.predictions_sha256 else None,
            "vintage": receipt.vintage,
            "rows": receipt.rows,
        }
        for name, receipt in submissions.items()
    ]
    frame = pl.DataFrame(rows)
    empty = [name for name in ("rung", "vintage", "rows") if frame[name].null_count() == len(rows)]
    show_table(rich_table(frame.drop(empty), f"Round {round_number}"), ("rows", "vintage"))


def _has_closed(platform: Platform, round_: Round) -> bool:
    return platform.client.now() >= round_.close_staking_time


def _ended_before_asking(receipt: Receipt) -> bool:
    """Return whether it ended before Numerai was asked; `pending` would promise something."""
    return receipt.is_pending and receipt.outcome is not None
