"""Define the weights asset of every model."""

import dagster as dg
from pydantic import Field

from numebot_dagster.defs import catalogue
from numebot_dagster.defs.metadata import Metadata, readable, stored_in
from numebot_dagster.defs.model_assets import code_version, shared_attributes, weights_key
from numebot_dagster.defs.partitions import vintages
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.training.assets import TRAINING_DATA
from numebot_dagster.defs.turns import TRAINING, turn
from numebot_dagster.lake import tables
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.modeling.weights.weight_store import StoredWeights
from numebot_dagster.modeling.worker.failures import ModelError
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer
from numebot_dagster.operations.training.vintages import Vintage, read_vintage


class TrainConfig(dg.Config):
    """The options of a training besides its vintage."""

    force: bool = Field(
        default=False,
        description=(
            "Train even if weights of this vintage and code exist. They are kept; the new ones "
            "are stored beside them and are used from then on."
        ),
    )


def build_weights(registry: Registry) -> list[dg.AssetsDefinition]:
    """Return the weights asset of every enabled model."""
    return [_weights(model) for model in registry.enabled]


def _weights(model: RegisteredModel) -> dg.AssetsDefinition:
    @dg.asset(
        key=weights_key(model),
        partitions_def=vintages,
        deps=[TRAINING_DATA],
        kinds={"python"},
        code_version=code_version(model),
        description=(
            f"The weights that {model.name} learned from a vintage. {model.description}\n\n"
            "Trained in a process of its own, within the budgets that the model declares; stored "
            "in the library's own format with a manifest and 500 canary rows, by which later "
            "predictions are checked. Never changed: a forced training of the same vintage and "
            "code is stored beside the first."
        ),
        metadata=catalogue.source(model),
        **shared_attributes(model),
    )
    def weights(
        context: dg.AssetExecutionContext, config: TrainConfig, platform: PlatformResource
    ) -> dg.MaterializeResult:
        opened = platform.open(context.log)
        vintage = _vintage(opened, context.partition_key)
        with turn(context, opened.lake, TRAINING):
            stored = _trained(opened, model, vintage, force=config.force)
        return dg.MaterializeResult(metadata=_facts(stored))

    return weights


def _facts(stored: StoredWeights) -> Metadata:
    manifest = stored.manifest
    return readable(
        {
            "data_version": manifest.data_version,
            "target_is": dg.MetadataValue.json(manifest.target_is),
            "features": len(manifest.features),
            "train_eras": manifest.train_eras,
            "train_rows": manifest.train_rows,
            "seconds": manifest.seconds,
            "peak_memory_mb": manifest.peak_memory_mb,
            "parameters": dg.MetadataValue.json(manifest.parameters),
            "libraries": dg.MetadataValue.json(manifest.library_versions),
            "code_hash": stored.code_hash,
            "folder": dg.MetadataValue.path(stored.folder),
            **stored_in(tables.WEIGHTS, stored.folder),
        }
    )


def _trained(
    platform: Platform, model: RegisteredModel, vintage: Vintage, *, force: bool
) -> StoredWeights:
    try:
        return trainer.train(platform, model, vintage, force=force)
    except ModelError as error:
        raise dg.Failure(
            trainer.explained(error),
            metadata={"log": dg.MetadataValue.text(error.log_tail)} if error.log_tail else None,
        ) from None


def _vintage(platform: Platform, key: str) -> Vintage:
    if not key.isdigit() or int(key) not in platform.lake.stored_vintages():
        raise dg.Failure(
            f"Vintage {key} is not pinned yet, so it has no training data: launch train_today_job, "
            "or materialise training/data for it first.",
            allow_retries=False,
        )
    return read_vintage(platform, int(key))
