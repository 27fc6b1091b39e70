"""`numebot train`: pin a vintage and train on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from numebot_dagster.cli import session
from numebot_dagster.cli.screen import say, show_table
from numebot_dagster.cli.session import Wish
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.operations import slots
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer


def train(
    models: Annotated[
        str | None, typer.Option(help="Numerai names, joined by commas; by default all enabled.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Train even models whose code has not changed.")
    ] = False,
) -> None:
    """Pin today's training data as a vintage, and train models on it.

    A vintage is named by the newest round. Training again during the same round uses the same
    vintage, and a model whose code has not changed since is not trained a second time, unless
    --force is given: then the new weights are stored beside the former ones, and used from then on.

    A model's code is its module and what that imports of your own files, directly or not. Comments,
    docstrings and formatting do not count; data files count that its class names in `data_files`.
    """
    from numebot_dagster.defs.training.assets import TRAINING_DATA
    from numebot_dagster.defs.training.weights import weights_key

    with session.explained():
        platform = session.open_platform()
        chosen = session.chosen_models(platform.registry, models)
        vintage = trainer.vintage_of_today(platform)
        names = ", ".join(model.name for model in chosen)
        say(f"Vintage {vintage}: {names}")
        _warn_of_names(platform, chosen)
        keys = [weights_key(model) for model in chosen]
        config = {key.to_python_identifier(): {"config": {"force": force}} for key in keys}
        request = Wish("train_job", str(vintage), [TRAINING_DATA, *keys], config)
        result = session.execute(request)
        _report(platform, vintage, chosen)
    raise typer.Exit(0 if result.success else 1)


def _warn_of_names(platform: Platform, models: Sequence[RegisteredModel]) -> None:
    """Say which names are not at Numerai; training goes on, as a slot may be made later."""
    for text in slots.without_slot(platform, models):
        session.errors.print(
            session.styled("warning:", "yellow", f" {text} It is trained all the same."),
            soft_wrap=True,
        )


def pin(vintage: int) -> bool:
    """Pin the training data of today as a vintage, as a training does; whether that succeeded."""
    from numebot_dagster.defs.training.assets import TRAINING_DATA

    return session.execute(Wish("train_job", str(vintage), [TRAINING_DATA])).success


def _report(platform: Platform, vintage: int, models: Sequence[RegisteredModel]) -> None:
    """Show the weights of the code as it is, and who has none.

    Others of the same vintage are of former code.
    """
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
            "seconds": manifest.seconds,
            "mb": round(manifest.peak_memory_mb),
        }
        for manifest in manifests
    ]
    if rows:
        table = pl.DataFrame(rows).sort("model")
        title = f"Weights of vintage {vintage}"
        show_table(rich_table(table, title), ("data version", "train eras"))
    missing = {model.name for model in models} - {row["model"] for row in rows}
    if missing:
        say(f"Without weights of vintage {vintage}: {', '.join(sorted(missing))}")
