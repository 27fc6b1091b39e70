"""The diagnostics asset of every model: how it does on eras that it had not seen."""

import math

import dagster as dg
from pydantic import Field

from numebot_dagster.defs import metadata
from numebot_dagster.defs.metadata import Metadata
from numebot_dagster.defs.partitions import vintages
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.training.weights import code_version, group_of, weights_key
from numebot_dagster.defs.turns import TRAINING, turn
from numebot_dagster.lake import files, parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.operations.diagnostics import diagnosis
from numebot_dagster.operations.diagnostics.diagnosis import Diagnosis

_MEANS = {
    "mean_corr": "corr",
    "mean_mmc": "mmc",
    "benchmark_corr": "benchmark_corr",
    "with_benchmark": "correlation_with_benchmark",
    "rms_exposure": "rms_feature_exposure",
}
"""Means of the held-out eras by the names under which they are plotted."""


class DiagnoseConfig(dg.Config):
    """What a run may be asked for besides its vintage and its models."""

    again: bool = Field(
        default=False, description="Judge the model again although it was judged before."
    )


def diagnostics_key(model: RegisteredModel) -> dg.AssetKey:
    """The asset of a model's diagnostics."""
    return dg.AssetKey(["models", model.asset_name, "diagnostics"])


def build_diagnostics(registry: Registry) -> list[dg.AssetsDefinition]:
    """The diagnostics asset of every enabled model.

    No schedule and no training asks for them: they can take longer than the training itself.
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
        group_name=group_of(model),
        kinds={"python", "parquet"},
        code_version=code_version(model),
        description=(
            f"How **{model.name}** does on eras that it has not seen: its predictions for the "
            "labelled validation eras and their scores, by era.\n\n"
            "A model that leaves the validation data alone is judged by the very weights of the "
            "vintage; one that is trained on everything is trained anew, walking forward through "
            "the eras. `recipe` says which it was. Eras are purged by the longest horizon of all "
            "targets in use.\n\n"
            "`held_out` is what may be published: the newest labelled eras, which are kept from "
            "tuning and blending. `numebot models diagnose` shows the same in a terminal, and "
            "compares it with Numerai's own diagnostics when asked."
        ),
    )
    def diagnostics(
        context: dg.AssetExecutionContext, config: DiagnoseConfig, platform: PlatformResource
    ) -> dg.MaterializeResult:
        shop = platform.open(context.log)
        vintage = int(context.partition_key)
        with turn(context, shop.lake, TRAINING):
            found = diagnosis.diagnose(shop, model, vintage, again=config.again)
        return dg.MaterializeResult(metadata=diagnosis_metadata(shop.lake, model, found))

    return diagnostics


def diagnosis_metadata(lake: Lake, model: RegisteredModel, found: Diagnosis) -> Metadata:
    """Tables, pictures (which also lie as files below `figures/`) and numbers to plot."""
    from numebot_dagster.reporting.diagnostics_charts import cumulative
    from numebot_dagster.reporting.diagnostics_tables import (
        caveat,
        figures_table,
        intervals_table,
    )
    from numebot_dagster.reporting.embed import picture
    from numebot_dagster.reporting.sparkline import sparkline
    from numebot_dagster.reporting.tables import markdown_table

    totals = cumulative(found.by_era, "corr")["total"].to_list()
    curve = sparkline(totals, width=320, height=60, alt="CORR, summed over the eras")
    drawings = draw(lake, model, found)
    corr = found.held_out.get("corr")
    return {
        "recipe": found.recipe,
        "held_out": dg.MetadataValue.md(markdown_table(figures_table(found.held_out))),
        "all_eras": dg.MetadataValue.md(markdown_table(figures_table(found.summaries))),
        **(
            {"corr_intervals": dg.MetadataValue.md(markdown_table(intervals_table(corr)))}
            if corr is not None
            else {}
        ),
        "caveat": caveat(found.held_out or found.summaries),
        "corr_curve": dg.MetadataValue.md(curve),
        **{
            name: dg.MetadataValue.md(picture(png, name.replace("_", " ")))
            for name, png in drawings.items()
        },
        **_numbers(found),
        "target": found.target,
        "benchmark": found.benchmark or "",
        "data_version": found.data_version,
        "code_hash": found.code_hash,
        "file": dg.MetadataValue.path(found.predictions),
        **metadata.table_metadata(
            parquet.verify(found.predictions).rows, metadata.columns_of(found.predictions)
        ),
    }


def draw(lake: Lake, model: RegisteredModel, found: Diagnosis) -> dict[str, bytes]:
    """The two charts by name, stored as files as well: the newest diagnosis of a model stays."""
    from numebot_dagster.reporting import diagnostics_charts as charts

    held_out = found.held_out.get("corr")
    drawings = {
        "score_chart": charts.cumulative_scores(
            found.by_era,
            model=found.model,
            benchmark=found.benchmark,
            held_out=0 if held_out is None else held_out.n,
        ),
        "exposure_chart": charts.feature_exposure(found.exposure_by_feature, model=found.model),
    }
    for name, png in drawings.items():
        files.replace_bytes(lake.figure(f"{model.asset_name}_{name}.png"), png)
    return drawings


def _numbers(found: Diagnosis) -> dict[str, float | int]:
    """Curves over vintages, of the held-out eras; what cannot be computed is left out."""
    published = found.held_out
    numbers: dict[str, float | int] = {
        name: published[metric].mean for name, metric in _MEANS.items() if metric in published
    }
    if "corr" in published:
        corr = published["corr"]
        numbers |= {
            "sharpe": corr.sharpe,
            "max_drawdown": corr.max_drawdown,
            "held_out_eras": corr.n,
        }
    if "max_feature_exposure" in published:
        numbers["max_exposure"] = _largest_exposure(found)
    numbers |= {
        "refits": found.refits,
        "seconds": found.seconds,
        "peak_memory_mb": found.peak_memory_mb,
    }
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return metadata.readable(finite)


def _largest_exposure(found: Diagnosis) -> float:
    """The largest exposure to a feature in any of the held-out eras."""
    rows = found.by_era.filter(
        found.by_era["metric"] == "max_feature_exposure", found.by_era["era"] >= found.held_out_from
    )
    return max(rows["value"].to_list())
