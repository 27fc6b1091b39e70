"""Define the diagnostics asset of every model: its scores on eras that it has not seen."""

import dagster as dg
from pydantic import Field

from numebot_dagster.defs import catalogue, metadata
from numebot_dagster.defs.metadata import Metadata
from numebot_dagster.defs.model_assets import (
    code_version,
    diagnostics_key,
    shared_attributes,
    weights_key,
)
from numebot_dagster.defs.partitions import vintages
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.turns import TRAINING, turn
from numebot_dagster.lake import tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.operations.diagnostics import diagnosis_figures
from numebot_dagster.operations.diagnostics.diagnosis import Diagnosis, diagnose


class DiagnoseConfig(dg.Config):
    """The options of a run besides its vintage and its models."""

    again: bool = Field(
        default=False, description="Diagnose the model again although a diagnosis is stored."
    )


def build_diagnostics(registry: Registry) -> list[dg.AssetsDefinition]:
    """Return the diagnostics asset of every enabled model.

    No schedule and no training requests them: they can take longer than the training itself.
    """
    return [_diagnostics(model, registry) for model in registry.enabled]


def _diagnostics(model: RegisteredModel, registry: Registry) -> dg.AssetsDefinition:
    @dg.asset(
        key=diagnostics_key(model),
        partitions_def=vintages,
        deps=[
            weights_key(model),
            *(diagnostics_key(registry[name]) for name in model.inputs if registry[name].enabled),
        ],
        kinds={"python", "parquet"},
        code_version=code_version(model),
        description=(
            f"The scores of {model.name} on eras that it has not seen. It predicts the labelled "
            "validation eras, and its predictions are scored era by era.\n\n"
            "A model that leaves the validation data alone is scored with the weights of the "
            "vintage themselves; a model that trains on all eras is trained again, walking forward "
            "through the eras. `recipe` shows which of the two it was. Eras are purged by the "
            "longest horizon of all targets in use.\n\n"
            "`held_out` is what may be published: the newest labelled eras, which are kept from "
            "tuning and blending. `numebot models diagnose` shows the same in a terminal, and "
            "compares it with Numerai's own diagnostics on request."
        ),
        metadata=catalogue.source(model),
        **shared_attributes(model),
    )
    def diagnostics(
        context: dg.AssetExecutionContext, config: DiagnoseConfig, platform: PlatformResource
    ) -> dg.MaterializeResult:
        opened = platform.open(context.log)
        vintage = int(context.partition_key)
        with turn(context, opened.lake, TRAINING):
            diagnosis = diagnose(opened, model, vintage, again=config.again)
        return dg.MaterializeResult(metadata=diagnosis_metadata(opened.lake, model, diagnosis))

    return diagnostics


def diagnosis_metadata(lake: Lake, model: RegisteredModel, diagnosis: Diagnosis) -> Metadata:
    """Return tables, charts (which are stored below `figures/` as well) and numbers to plot."""
    return {
        "recipe": diagnosis.recipe,
        **_tables(diagnosis),
        **metadata.pictures(diagnosis_figures.draw(lake, model, diagnosis)),
        **metadata.readable(diagnosis_figures.numbers(diagnosis)),
        "target": diagnosis.target,
        "benchmark": diagnosis.benchmark or "",
        "data_version": diagnosis.data_version,
        "code_hash": diagnosis.code_hash,
        "predictions": dg.MetadataValue.path(diagnosis.predictions),
        **metadata.stored_in(tables.DIAGNOSTICS, diagnosis.predictions.parent),
    }


def _tables(diagnosis: Diagnosis) -> Metadata:
    """Return the summaries, how far they can be trusted, and the curve of CORR."""
    from numebot_dagster.reporting.diagnostics_tables import caveat, figures_table, intervals_table

    tables: Metadata = {
        "held_out": metadata.markdown(figures_table(diagnosis.held_out)),
        "all_eras": metadata.markdown(figures_table(diagnosis.summaries)),
    }
    if "corr" in diagnosis.held_out:
        tables["corr_intervals"] = metadata.markdown(intervals_table(diagnosis.held_out["corr"]))
    tables["caveat"] = caveat(diagnosis.held_out or diagnosis.summaries)
    tables["corr_curve"] = dg.MetadataValue.md(diagnosis_figures.corr_curve(diagnosis))
    return tables
