"""`numebot ledger`: the account book of payouts and burns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import typer

from numebot_dagster import command_lines
from numebot_dagster.cli import errors, session
from numebot_dagster.cli.screen import plain_table, say, show_table, warn
from numebot_dagster.operations.performance.money import ledger_export
from numebot_dagster.operations.performance.money.ledger import (
    Ledger,
    Match,
    Sums,
    account_book,
)
from numebot_dagster.reporting.numbers import MISSING, counted
from numebot_dagster.terminal import wait_for_reader

LINES_SHOWN = 20
_RIGHT = ("rounds", "equal", "earned", "burned", "settled", "pending", "USD", "EUR")


class Format(StrEnum):
    """Format of the account book."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def ledger(
    year: Annotated[
        int | None, typer.Option(help="Only rounds paid in this calendar year (UTC).")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Numerai names, separated by commas; by default all.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
) -> None:
    """Show what each model and round has paid, recomputed and matched to what Numerai credited.

    Each payout is computed from the scores, multipliers, payout factor, clip and stake of its own
    round. Differences come first. CSV has a line for each model and round, to the last digit of an
    NMR, with its value in USD and EUR on the day paid.

    Everything is read from the data folder; `numebot collect` and `numebot up` keep it up to date.
    """
    wait_for_reader()
    with errors.explained():
        platform = session.look_at_platform()
        names, book = _names(models), account_book(platform)
        for name in sorted(names or ()):
            session.check_model_name(platform, name, book.by_model)
        book = book.of(year, names)
        if form is Format.CSV:
            typer.echo(ledger_export.as_csv(book), nl=False)
        elif form is Format.JSON:
            typer.echo(json.dumps(ledger_export.as_record(book), indent=1))
        else:
            _show(book)


def _names(models: str | None) -> set[str] | None:
    """Return the names of an option; also of models that are registered no more."""
    return None if models is None else {name.strip() for name in models.split(",")}


def _show(book: Ledger) -> None:
    if not book.lines:
        say(_nothing(book))
        return
    _show_exceptions(book)
    _show_sums("paid in", book.by_year)
    if len(book.by_year) == 1:
        _show_sums("month", book.by_month)
    _show_sums("model", book.by_model)
    _show_holdings(book)
    _remark(book)


def _nothing(book: Ledger) -> str:
    if book.day is None:
        return f"No position was read yet. To read them: {command_lines.numebot('collect')}"
    return "No model had a stake in a round that was paid then."


def _show_exceptions(book: Ledger) -> None:
    """Show first what differs from Numerai's own figures, then what cannot be compared."""
    different = book.that(Match.DIFFERENCE)
    settled = [line for line in book.lines if line.match is not Match.PENDING]
    equal = len(book.that(Match.EQUAL))
    if different:
        warn(f"{counted(len(different), 'payout')} differ from what Numerai credited:")
        table = plain_table("model", "round", "computed NMR", "credited NMR", "difference")
        for line in different[:LINES_SHOWN]:
            numbers = (ledger_export.digits(line.computed), ledger_export.digits(line.credited))
            table.add_row(line.model, str(line.round_number), *numbers, line.remark)
        show_table(table)
    say(f"{equal} of {counted(len(settled), 'settled payout')} equal what Numerai credited.")
    for sentence in book.not_compared:
        say(sentence)


def _show_sums(heading: str, groups: Mapping[str, Sums]) -> None:
    table = plain_table(heading, *_RIGHT)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, sums in groups.items():
        table.add_row(name, *_cells(sums))
    show_table(table, ["equal", "earned", "burned"])


def _cells(sums: Sums) -> list[str]:
    settled = sum(count for match, count in sums.rounds.items() if match is not Match.PENDING)
    return [
        str(sum(sums.rounds.values())),
        f"{sums.rounds[Match.EQUAL]} of {settled}",
        *(_nmr(amount) for amount in (sums.earned, -sums.burned, sums.settled, sums.pending)),
        _money(sums.usd, sums.without_usd, sums.paid),
        _money(sums.eur, sums.without_eur, sums.paid),
    ]


def _money(amount: Decimal, without: int, paid: int) -> str:
    """Return a sum, with a mark where lines lack their price."""
    if not paid:
        return MISSING
    return "unknown" if without == paid else f"{amount:+.2f}{'*' * bool(without)}"


def _nmr(amount: Decimal) -> str:
    return MISSING if not amount else f"{amount:+.6f}"


def _show_holdings(book: Ledger) -> None:
    table = plain_table("model", "staking", "at risk", "waiting", "claimable", "deferred burn")
    for column in table.columns[2:]:
        column.justify = "right"
    for holdings in book.holdings:
        amounts = (holdings.at_risk, holdings.waiting, holdings.claimable, holdings.deferred)
        cells = (MISSING if amount is None else f"{amount:.3f}" for amount in amounts)
        table.add_row(holdings.model, str(holdings.kind), *cells)
    show_table(table)


def _remark(book: Ledger) -> None:
    """Say what the figures rest on, and what is not known."""
    sums = book.sums
    if sums.pending:
        say("Pending is what the scores of today would pay; only the last scoring day counts.")
    if sums.without_usd:
        say(f"* {counted(sums.without_usd, 'payout')} without a price in USD of the day paid.")
    if sums.without_eur:
        say(
            f"* {counted(sums.without_eur, 'payout')} without a price in EUR of the day paid: "
            "set NUMEBOT_RATES_FILE to a CSV with the columns date, nmr_usd, eur_usd."
        )
    say(f"As Numerai had it on {book.day}. Every line: numebot ledger --format csv > ledger.csv")
