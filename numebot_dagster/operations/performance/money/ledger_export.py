"""Write the account book as rows of text, to the last digit of an NMR."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from numebot_dagster.operations.performance.money.ledger import Holdings, Ledger, Line, Sums

COLUMNS = {
    "date_paid": "day on which the round resolved and paid; empty before that",
    "model": "Numerai's name of the model",
    "round": "number of the round",
    "state": "`equal` to what Numerai credited, `difference`, `pending` (the round has not "
    "resolved) or `unknown` (a figure is missing; `remark` names it)",
    "rule": "how the round stakes, what it pays and where it is clipped",
    "scores": "the paid scores, each with version and scoring day; several are separated by `;`",
    "multipliers": "their multipliers, in the same order",
    "payout_factor": "by which the round scaled its payouts",
    "stake_nmr": "NMR at risk in this round",
    "computed_nmr": "stake x clip(payout factor x sum of multiplier x score)",
    "credited_nmr": "what Numerai paid (or burned, below zero); of a pending round, what it "
    "expects to pay",
    "realised_nmr": "atomic staking: the payout after the burns that came before it",
    "deferred_nmr": "atomic staking: the burns that later payouts of the model have to make up for",
    "nmr_usd": "USD for one NMR on the day paid; empty where no price of that day is stored",
    "nmr_eur": "EUR for one NMR on the day paid; empty where neither Numerai nor "
    "`NUMEBOT_RATES_FILE` has it",
    "usd": "`credited_nmr` in USD on the day paid, rounded to cents",
    "eur": "`credited_nmr` in EUR on the day paid, rounded to cents",
    "remark": "by how much what differs, or which figure is missing",
}
"""The columns of the CSV and what each holds; `make docs` writes them into docs/operations.md."""


def as_csv(ledger: Ledger) -> str:
    """Return a line for each model and round, by the day paid, pending rounds last."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(line) for line in in_order(ledger))
    return text.getvalue()


def as_record(ledger: Ledger) -> dict[str, Any]:
    """Return lines, sums and holdings for JSON; amounts are texts, so that no digit is lost."""
    sums = {"by_year": ledger.by_year, "by_month": ledger.by_month, "by_model": ledger.by_model}
    return {
        "known_until": ledger.day and ledger.day.isoformat(),
        "sums": sums_of(ledger.sums),
        **{name: {key: sums_of(each) for key, each in by.items()} for name, by in sums.items()},
        "holdings": [holdings_of(each) for each in ledger.holdings],
        "lines": [row_of(line) for line in in_order(ledger)],
    }


def in_order(ledger: Ledger) -> list[Line]:
    """Return the lines by the day paid, pending rounds last."""

    def key(line: Line) -> tuple[date, int, str]:
        day = line.resolve_date if line.resolved else None
        return day or date.max, line.round_number, line.model

    return sorted(ledger.lines, key=key)


def row_of(line: Line) -> dict[str, str]:
    """Return the columns of a line."""
    netted = line.netted
    return {
        "date_paid": f"{line.resolve_date}" if line.resolved and line.resolve_date else "",
        "model": line.model,
        "round": str(line.round_number),
        "state": str(line.match),
        "rule": line.rule,
        "scores": "; ".join(
            f"{score.name} day {score.day}: {digits(score.value)}" for score in line.scores
        ),
        "multipliers": "; ".join(digits(score.multiplier) for score in line.scores),
        "payout_factor": digits(line.payout_factor),
        "stake_nmr": digits(line.at_risk),
        "computed_nmr": digits(line.computed),
        "credited_nmr": digits(line.credited),
        "realised_nmr": digits(netted.realised if netted else None),
        "deferred_nmr": digits(netted.deferred if netted else None),
        "nmr_usd": digits(line.price.usd if line.resolved else None),
        "nmr_eur": digits(line.price.eur if line.resolved else None),
        "usd": digits(line.usd),
        "eur": digits(line.eur),
        "remark": line.remark,
    }


def sums_of(sums: Sums) -> dict[str, str | int]:
    """Return sums as texts, with the number of lines by how they match."""
    amounts: Mapping[str, Decimal] = {
        "settled_nmr": sums.settled,
        "earned_nmr": sums.earned,
        "burned_nmr": sums.burned,
        "pending_nmr": sums.pending,
        "usd": sums.usd,
        "eur": sums.eur,
    }
    return {
        **{name: digits(amount) for name, amount in amounts.items()},
        "without_usd": sums.without_usd,
        "without_eur": sums.without_eur,
        **{str(match): count for match, count in sums.rounds.items()},
    }


def holdings_of(holdings: Holdings) -> dict[str, str]:
    """Return what a model has in positions, as texts."""
    return {
        "model": holdings.model,
        "kind": str(holdings.kind),
        "at_risk_nmr": digits(holdings.at_risk),
        "waiting_nmr": digits(holdings.waiting),
        "claimable_nmr": digits(holdings.claimable),
        "settled_nmr": digits(holdings.settled),
        "realised_nmr": digits(holdings.realised),
        "deferred_nmr": digits(holdings.deferred),
    }


def digits(number: Decimal | None) -> str:
    """Return all digits of a number, without an exponent; nothing for what is not known."""
    return "" if number is None else f"{number:f}"
