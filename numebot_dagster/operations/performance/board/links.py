"""Build the links of the board: between its pages, and into Dagster."""

from __future__ import annotations

from collections.abc import Sequence

from numebot_dagster import command_lines
from numebot_dagster.modeling.registry import RegisteredModel


def round_(number: int) -> str:
    """Return the page of a round, as seen from the top of the board."""
    return f"rounds/{number}.html"


def model(registered: RegisteredModel) -> str:
    """Return the page of a model, as seen from the top of the board."""
    return f"models/{registered.asset_name}.html"


def in_dagster(registered: RegisteredModel) -> dict[str, str]:
    """Return a model's assets in Dagster's UI by what they are."""
    kinds = ("weights", "diagnostics", "predictions", "submission", "performance")
    return {kind: f"/assets/models/{registered.asset_name}/{kind}" for kind in kinds}


def submission(registered: RegisteredModel, round_number: int) -> str:
    """Return Dagster's page of a model's submission to a round."""
    return f"/assets/models/{registered.asset_name}/submission?partition={round_number}"


def command_of_round(round_number: int, models: Sequence[str]) -> str:
    """Return the command that plays some models of a round again."""
    return command_lines.run(round_number, models)
