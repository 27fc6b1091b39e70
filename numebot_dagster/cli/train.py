"""`numebot train`: pin a vintage and train on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from numebot_dagster.cli import session
from numebot_dagster.cli.session import Wish, console
from numebot_dagster.lake import catalog
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.operations import training
from numebot_dagster.operations.platform import Platform


def train(
    models: Annotated[
        str | None, typer.Option(help="Numerai names, joined by commas; by default all enabled.")
    ] = None,
) -> None:
    """Pin today's training data as a vintage, and train models on it.

    A vintage is named by the newest round. Training again during the same round uses the same
    vintage, and a model whose code has not changed since is not trained a second time.
    """
    from numebot_dagster.defs.models.assets import weights_key
    from numebot_dagster.defs.training.assets import TRAINING_DATA

    with session.explained():
        platform = session.open_platform()
        chosen = session.chosen_models(platform.registry, models)
        vintage = training.vintage_of_today(platform)
        session.add_partition("vintages", str(vintage))
        selection = [TRAINING_DATA, *(weights_key(model) for model in chosen)]
        result = session.execute(Wish("train_job", str(vintage), selection))
        _report(platform, vintage, chosen)
    raise typer.Exit(0 if result.success else 1)


def _report(platform: Platform, vintage: int, models: Sequence[RegisteredModel]) -> None:
    """Shows the weights of the code as it is; others of the same vintage are of former code."""
    from numebot_dagster.reporting.tables import rich_table

    trained = catalog.query(
        platform.lake,
        "select model, data_version, train_eras, train_rows, seconds, peak_memory_mb::bigint as mb "
        "from weights where vintage = ? and list_contains(?, model || ' ' || code_hash) "
        "order by model",
        [vintage, [f"{model.name} {code_hash(model)}" for model in models]],
    )
    console.print(rich_table(trained, f"Weights of vintage {vintage}"))
