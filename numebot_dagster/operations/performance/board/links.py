"""Build the links of the board: between its pages, and into Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

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


def of_round(round_number: int) -> dict[str, str]:
    """Return a round's runs and assets in Dagster's UI by what they are."""
    return {
        "runs": runs_of_round(round_number),
        "details": f"/assets/rounds/details?partition={round_number}",
        "live data": f"/assets/rounds/live_data?partition={round_number}",
    }


def runs_of_round(round_number: int) -> str:
    """Return Dagster's list of the runs that played a round."""
    return f"/runs?q[]={quote(f'tag:dagster/partition={round_number}', safe='')}"


def of_line(registered: RegisteredModel, round_number: int) -> dict[str, str]:
    """Return a model's assets of a round and their checks in Dagster's UI by what they are."""
    folder = f"/assets/models/{registered.asset_name}"
    return {
        "predictions": f"{folder}/predictions?partition={round_number}",
        "submission": f"{folder}/submission?partition={round_number}",
        "checks": f"{folder}/predictions?view=checks",
    }


def weights(registered: RegisteredModel, vintage: int) -> str:
    """Return Dagster's page of the weights that a model made from a vintage."""
    return f"/assets/models/{registered.asset_name}/weights?partition={vintage}"


def command_of_round(round_number: int, models: Sequence[str]) -> str:
    """Return the command that plays some models of a round again."""
    return command_lines.run(round_number, models)
