"""`numebot stake-plan`: a suggestion for stakes, which it never places."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from numebot_dagster.cli import errors, session
from numebot_dagster.cli.screen import plain_table, say, show_table
from numebot_dagster.operations.causes import names_of
from numebot_dagster.operations.performance.money.ledger import account_book
from numebot_dagster.operations.performance.money.ledger_lines import Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import MISSING, score
from numebot_dagster.scoring.payouts import total as sum_of
from numebot_dagster.terminal import wait_for_reader

if TYPE_CHECKING:
    from numebot_dagster.operations.performance.money.stake_plan import Plan
    from numebot_dagster.scoring.allocation import Interval

NEVER_ACTS = (
    "This is a calculation. Numebot never moves stake: what is staked is up to you, at numer.ai."
)


class Format(StrEnum):
    """Format of the plan."""

    TABLE = "table"
    JSON = "json"


def stake_plan(
    total: Annotated[
        str | None,
        typer.Option(help="NMR that may be at stake at once; by default what is at stake now."),
    ] = None,
    models: session.ModelNames = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
) -> None:
    """Suggest a stake for each model in each round. It never places one.

    Models are grouped by how their returns by era correlate; each group gets the same share, and
    so does each model within it. About 64 rounds run at once, so each gets one 64th of the total.
    Returns are those of eras that the models have not seen (`numebot models diagnose`), by what the
    newest stored round pays. Each figure has its 95 % interval.
    """
    from numebot_dagster.operations.performance.explanation import code_if_there
    from numebot_dagster.operations.performance.money.stake_plan import NoPlan, suggest

    wait_for_reader()
    with errors.explained():
        platform = session.look_at_platform()
        chosen = session.chosen_models(platform.registry, models)
        codes = {model.name: code_if_there(model) for model in chosen if model.submit}
        try:
            plan = suggest(platform.lake, codes, _total(platform, total))
        except NoPlan as problem:
            errors.fail(str(problem))
    if form is Format.JSON:
        record = {**asdict(plan), "note": NEVER_ACTS}
        typer.echo(json.dumps(record, default=str, indent=1))
    else:
        _show(plan)


def _total(platform: Platform, text: str | None) -> Decimal:
    """Return the NMR to share out: what the user says, or what is at stake in open rounds."""
    if text is None:
        holdings = account_book(platform).holdings
        staked = sum_of([each.at_risk for each in holdings if each.kind is Kind.ATOMIC])
        if not staked:
            errors.fail("no stake is known: say how many NMR may be at stake, as --total 100")
        return staked
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        errors.fail(f"--total {text}: write an amount of NMR above zero, as --total 100")
    return amount


def _show(plan: Plan) -> None:
    from numebot_dagster.scoring.allocation import ramp

    table = plain_table("model", "NMR a round", "weight", "group", "return of an era", "closest")
    for column in table.columns[1:4]:
        column.justify = "right"
    for each in plan.models:
        closest = MISSING if each.closest is None else f"{each.closest[1]:.2f} {each.closest[0]}"
        numbers = (f"{each.nmr:f}", f"{each.weight:.1%}", str(each.cluster))
        table.add_row(each.model, *numbers, _interval(each.mean), closest)
    show_table(table, ["closest", "weight"])
    for reason in dict.fromkeys(each.reason for each in plan.models):
        say(f"{names_of([each.model for each in plan.models if each.reason == reason])}: {reason}.")
    say(_verdict(plan))
    say(
        f"All together: {_interval(plan.mean)} of the stake in an era, spread "
        f"{plan.spread.value:.4f} ({plan.spread.low:.4f} to {plan.spread.high:.4f})."
    )
    say(_basis(plan))
    steps = ramp(float(plan.a_round * plan.rounds), plan.rounds, plan.rounds)
    at_stake = ", ".join(f"{nmr:.1f} NMR after {rounds}" for rounds, nmr in steps)
    say(f"Ramp of {plan.a_round:f} NMR a round: {at_stake} rounds.")
    for name, shortage in plan.left_out.items():
        say(f"Left out, without enough eras: {name} {shortage}")
    say(NEVER_ACTS)


def _verdict(plan: Plan) -> str:
    if len(plan.models) < 2:
        return "There is nothing to compare: it is the only model."
    if not plan.is_evidence:
        return "There is no evidence for a difference between the models, so means weigh nothing."
    better = [each.model for each in plan.models if each.differs and _is_above(each.mean, plan)]
    worse = [each.model for each in plan.models if each.differs and each.model not in better]
    texts = [("more", better), ("less", worse)]
    who = "; ".join(f"{names_of(names)} earned {how}" for how, names in texts if names)
    return f"{who} than the others, beyond chance. The weights do not follow it: choose --models."


def _is_above(mean: Interval, plan: Plan) -> bool:
    means = [each.mean.value for each in plan.models]
    return mean.value > sum(means) / len(means)


def _basis(plan: Plan) -> str:
    from numebot_dagster.scoring.allocation import ALIKE

    return (
        f"Returns are {plan.rules.words} (round {plan.rules.round_number}) over {plan.eras} unseen "
        f"eras, which overlap and say as much as {plan.effective_eras:.1f} independent ones. "
        f"Models of one group correlate by more than {ALIKE:g} on average, by the covariance "
        "shrunk after Ledoit and Wolf."
    )


def _interval(interval: Interval) -> str:
    return f"{score(interval.value)} ({score(interval.low)} to {score(interval.high)})"
