"""Draw the charts of a diagnosis, and select its numbers that are plotted over vintages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numebot_dagster.lake import figures
from numebot_dagster.lake.figures import Figure
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.diagnostics.diagnosis_store import Diagnosis

if TYPE_CHECKING:
    pass


def corr_curve(diagnosis: Diagnosis) -> str:
    """Return a small Markdown image of CORR summed over the eras."""
    from numebot_dagster.reporting.diagnostics_charts import cumulative
    from numebot_dagster.reporting.sparkline import sparkline

    totals = cumulative(diagnosis.by_era, "corr")["total"].to_list()
    return sparkline(totals, width=320, height=60, alt="CORR, summed over the eras")


def draw(lake: Lake, model: RegisteredModel, diagnosis: Diagnosis) -> dict[str, Figure]:
    """Draw the two charts of a diagnosis, and store them in place of those of its vintage.

    Returns:
        The stored pictures by name.
    """
    from numebot_dagster.reporting import diagnostics_charts

    held_out = diagnosis.held_out.get("corr")
    charts = {
        "score_chart": diagnostics_charts.cumulative_scores(
            diagnosis.by_era,
            model=diagnosis.model,
            benchmark=diagnosis.benchmark,
            held_out=0 if held_out is None else held_out.n,
        ),
        "exposure_chart": diagnostics_charts.feature_exposure(
            diagnosis.exposure_by_feature, model=diagnosis.model
        ),
    }
    return {
        name: figures.store(lake, *chart.file(stem(model, name, diagnosis.vintage)), chart.title)
        for name, chart in charts.items()
    }


def stem(model: RegisteredModel, chart: str, vintage: int) -> str:
    """Return the name of the file of a chart without its ending: each vintage keeps its own."""
    return f"{model.asset_name}_{chart}_{vintage}"


def numbers(diagnosis: Diagnosis) -> dict[str, float]:
    """Return the finite numbers of the held-out eras, by name, to plot over vintages."""
    from numebot_dagster.scoring.metrics import METRICS
    from numebot_dagster.scoring.summaries import FIGURES

    held_out = diagnosis.held_out
    values = {
        metric.plotted or f"mean_{name}": held_out[name][metric.figure].value
        for name, metric in METRICS.items()
        if name in held_out
    }
    if "corr" in held_out:
        corr = held_out["corr"]
        shown = (name for name, figure in FIGURES.items() if figure.heading and name != "mean")
        values |= {name: corr[name].value for name in shown} | {"held_out_eras": corr.n}
    values |= {
        "refits": diagnosis.refits,
        "seconds": diagnosis.seconds,
        "peak_memory_mb": diagnosis.peak_memory_mb,
    }
    return {name: value for name, value in values.items() if math.isfinite(value)}
