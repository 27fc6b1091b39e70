"""`numebot train`: pin a vintage and train on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from numebot_dagster.cli import errors, execution, screen, session
from numebot_dagster.cli.execution import Request
from numebot_dagster.cli.screen import say, show_table
from numebot_dagster.cli.session import ModelNames
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.operations import slots
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer


def train(
    models: ModelNames = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also train models whose code has not changed.")
    ] = False,
) -> None:
    """Pin today's training data as a vintage, and train models on it.

    A vintage is named after the newest round. Training again during the same round uses the same
    vintage, and skips models whose code has not changed. With --force they are trained again: the
    new weights are stored beside the former ones and used from then on.

    A model's code is its module, all of your own files that it imports, directly or not, and the
    data files that its class lists in `data_files`. Comments, docstrings and formatting do not
    count.
    """
    from numebot_dagster.defs.model_assets import weights_key
    from numebot_dagster.defs.training.assets import TRAINING_DATA

    with errors.explained():
        platform = session.open_platform()
        chosen = session.chosen_models(platform.registry, models)
        vintage = trainer.vintage_of_today(platform)
        names = ", ".join(model.name for model in chosen)
        say(f"Vintage {vintage}: {names}")
        _warn_of_names(platform, chosen)
        keys = [weights_key(model) for model in chosen]
        config = {key.to_python_identifier(): {"config": {"force": force}} for key in keys}
        request = Request("train_job", str(vintage), [TRAINING_DATA, *keys], config)
        result = execution.execute(request)
        _report(platform, vintage, chosen)
    raise typer.Exit(0 if result.success else 1)


def _warn_of_names(platform: Platform, models: Sequence[RegisteredModel]) -> None:
    """Warn of names that the account lacks; training goes on, as the model may be made later."""
    for text in slots.without_slot(platform, models):
        screen.warn(f"{text} It is trained anyway.")


def pin(vintage: int) -> bool:
    """Pin the training data of today as a vintage; return whether that succeeded."""
    from numebot_dagster.defs.training.assets import TRAINING_DATA

    return execution.execute(Request("train_job", str(vintage), [TRAINING_DATA])).success


def _report(platform: Platform, vintage: int, models: Sequence[RegisteredModel]) -> None:
    """Show the weights that the present code of each model made, and name models without any."""
    import polars as pl

    from numebot_dagster.reporting.tables import rich_table

    manifests = []
    for model in models:
        with suppress(SourceNotFound):  # its training has said so
            places = trainer.weights_of_code(platform, model, vintage, code_hash(model))
            manifests += [weight_store.read_manifest(place.path) for place in places[:1]]
    rows = [
        {
            "model": manifest.model,
            "data_version": manifest.data_version,
            "train_eras": manifest.train_eras,
            "train_rows": manifest.train_rows,
            "seconds": f"{manifest.seconds:.1f}",
            "memory MB": round(manifest.peak_memory_mb),
        }
        for manifest in manifests
    ]
    if rows:
        table = pl.DataFrame(rows).sort("model")
        title = f"Weights of vintage {vintage}"
        show_table(rich_table(table, title), ("data version", "train eras"))
    missing = {model.name for model in models} - {row["model"] for row in rows}
    if missing:
        say(f"No weights of vintage {vintage}: {', '.join(sorted(missing))}")
