"""Gather what needs a person, each cause once, with the command that helps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from numebot_dagster import command_lines
from numebot_dagster.operations.causes import by_cause, names_of, one_line, rounds_of
from numebot_dagster.operations.health import standing_checks
from numebot_dagster.operations.health.status import Moment, RoundModel, Standing, WeightsStatus
from numebot_dagster.operations.performance import due
from numebot_dagster.operations.performance.board import links
from numebot_dagster.operations.performance.board.standings import BAD
from numebot_dagster.operations.performance.money.ledger import Ledger
from numebot_dagster.operations.performance.money.ledger_lines import Match
from numebot_dagster.operations.platform import Platform
from numebot_dagster.submissions.receipts import Rung

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.today import Need


def of_numerai(at: Moment) -> Iterator[Need]:
    """Yield that Numerai was not reached, if so."""
    from numebot_dagster.reporting.pages.today import Need

    if at.problem:
        text = f"was not reached, so this is what was stored before: {one_line(at.problem)}"
        yield Need("Numerai", text, command_lines.numebot("doctor"))


def of_rounds(cells: Iterable[RoundModel], at: Moment) -> Iterator[Need]:
    """Yield the failures of some rounds, and what went out on a lower rung."""
    from numebot_dagster.reporting.pages.today import Need

    groups: dict[tuple[Standing, int], list[RoundModel]] = {}
    for cell in cells:
        if cell.standing in BAD or (cell.receipt and cell.receipt.rung is not Rung.LIVE):
            groups.setdefault((cell.standing, cell.round_number), []).append(cell)
    for (standing, number), group in groups.items():
        is_open = at.open_round is not None and at.open_round.number == number
        how = standing if standing in BAD else "on a lower rung"
        what = f"{how} in {rounds_of([number]).lower()}"
        for cause in by_cause((cell.model, cell.reason) for cell in group):
            yield Need(
                names_of(cause.models),
                f"{what}: {one_line(cause.text)}" if cause.text else what,
                links.command_of_round(number, cause.models) if is_open else "",
                links.round_(number),
                links.runs_of_round(number),
            )


def of_weights(weights: Sequence[WeightsStatus]) -> Iterator[Need]:
    """Yield what is wrong with the weights of models."""
    from numebot_dagster.reporting.pages.today import Need

    for cause in by_cause((model.model, model.problem) for model in weights if model.problem):
        text, _, command = cause.text.rpartition(": ")
        is_command = command.startswith("numebot ")
        yield Need(
            names_of(cause.models),
            text if is_command else cause.text,
            command if is_command else "",
        )


def are_scores_overdue(platform: Platform, newest: date | None, now: datetime) -> bool:
    """Return whether scores after the newest day should be stored by now, of what is in scoring."""
    if newest is None or not due.are_overdue(newest, now):
        return False
    return bool(standing_checks.in_scoring(platform, due.last_publication(now)))


def of_scores(newest: date) -> Iterator[Need]:
    """Yield that scores are overdue."""
    from numebot_dagster.reporting.pages.today import Need

    text = f"end on {newest:%a} {newest.day} {newest:%b}: those of the days since are missing"
    yield Need("Scores", text, command_lines.numebot("collect"))


def of_money(book: Ledger) -> Iterator[Need]:
    """Yield that payouts differ from what their own rules give, if so."""
    from numebot_dagster.reporting.pages.page import SECTIONS
    from numebot_dagster.reporting.pages.today import Need

    different = book.that(Match.DIFFERENCE)
    if different:
        rounds = rounds_of(sorted({line.round_number for line in different})).lower()
        models = names_of(sorted({line.model for line in different}))
        text = f"was not credited what its rules give in {rounds}"
        yield Need(models, text, command_lines.numebot("ledger"), SECTIONS["money"])
