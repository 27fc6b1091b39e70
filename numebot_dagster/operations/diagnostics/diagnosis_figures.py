"""Draw the charts of a diagnosis, and select its numbers that are plotted over vintages."""

from __future__ import annotations

import math

from numebot_dagster.lake import files
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.diagnostics.diagnosis_store import Diagnosis

_MEANS = {
    "mean_corr": "corr",
    "mean_mmc": "mmc",
    "benchmark_corr": "benchmark_corr",
    "with_benchmark": "correlation_with_benchmark",
    "rms_exposure": "rms_feature_exposure",
}
"""Means over the held-out eras by the names under which they are plotted."""


def corr_curve(diagnosis: Diagnosis) -> str:
    """Return a small Markdown image of CORR summed over the eras."""
    from numebot_dagster.reporting.diagnostics_charts import cumulative
    from numebot_dagster.reporting.sparkline import sparkline

    totals = cumulative(diagnosis.by_era, "corr")["total"].to_list()
    return sparkline(totals, width=320, height=60, alt="CORR, summed over the eras")


def draw(lake: Lake, model: RegisteredModel, diagnosis: Diagnosis) -> dict[str, bytes]:
    """Draw the two charts of a diagnosis, and store them in place of the model's former ones.

    Returns:
        The PNG files by name.
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
    for name, png in charts.items():
        files.replace_bytes(lake.figure(f"{model.asset_name}_{name}.png"), png)
    return charts


def numbers(diagnosis: Diagnosis) -> dict[str, float]:
    """Return the finite numbers of the held-out eras, by name, to plot over vintages."""
    held_out = diagnosis.held_out
    values: dict[str, float] = {
        name: held_out[metric].mean for name, metric in _MEANS.items() if metric in held_out
    }
    if "corr" in held_out:
        corr = held_out["corr"]
        values |= {
            "sharpe": corr.sharpe,
            "max_drawdown": corr.max_drawdown,
            "held_out_eras": corr.n,
        }
    if "max_feature_exposure" in held_out:
        values["max_exposure"] = _largest_exposure(diagnosis)
    values |= {
        "refits": diagnosis.refits,
        "seconds": diagnosis.seconds,
        "peak_memory_mb": diagnosis.peak_memory_mb,
    }
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _largest_exposure(diagnosis: Diagnosis) -> float:
    """Return the largest exposure to a feature in any of the held-out eras."""
    by_era = diagnosis.by_era
    rows = by_era.filter(
        by_era["metric"] == "max_feature_exposure", by_era["era"] >= diagnosis.held_out_from
    )
    return max(rows["value"].to_list())
