"""`numebot status`: what is confirmed, what is missing, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from numebot_dagster.cli import session
from numebot_dagster.cli.session import console
from numebot_dagster.operations.status import RoundModel, recent_rounds, weights_status


def status(
    rounds: Annotated[int, typer.Option(min=1, help="How many of the newest rounds.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show rounds by models: what is confirmed, what is missing, failed and why; and stale weights.

    Read from the data folder alone, so that it answers without Numerai.
    """
    import polars as pl

    from numebot_dagster.reporting.tables import rich_table

    with session.explained():
        platform = session.open_platform()
        found = [_row(one) for one in recent_rounds(platform, rounds)]
        held = [asdict(one) for one in weights_status(platform)]
    if as_json:
        typer.echo(json.dumps({"rounds": found, "weights": held}, default=str, indent=1))
        return
    if found:
        console.print(rich_table(pl.DataFrame(found, infer_schema_length=None), "Submissions"))
    else:
        console.print("No round was played yet: numebot run plays the open one.\n")
    console.print(rich_table(pl.DataFrame(held, infer_schema_length=None), "Weights"))


def _row(one: RoundModel) -> dict[str, object]:
    receipt = one.receipt
    if receipt is None:
        return {
            "round": one.round_number,
            "model": one.model,
            "outcome": None,
            "state": "missing",
            "vintage": None,
            "reason": "",
        }
    return {
        "round": one.round_number,
        "model": one.model,
        "outcome": receipt.outcome,
        "state": receipt.state,
        "vintage": receipt.vintage,
        "reason": receipt.reason or "",
    }
