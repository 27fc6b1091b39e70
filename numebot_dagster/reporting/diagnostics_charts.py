"""Draw the two charts of a model's diagnostics as PNG files in memory.

They take the frames of a diagnosis: `by_era` (`era`, `metric`, `value`) and `exposure_by_feature`
(`feature`, `mean_exposure`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting.style import (
    GREY,
    NEGATIVE,
    PALETTE,
    POSITIVE,
    SHADE,
    SOFT_INK,
    add_legend,
    label_axes,
    new_figure,
    render,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEATURES_SHOWN = 20
CUMULATED = {
    "corr": ("CORR", PALETTE[0], "-"),
    "mmc": ("MMC", PALETTE[2], "-"),
    "benchmark_corr": ("CORR of the benchmark", SOFT_INK, (0, (5, 2))),
}
"""The lines of the first chart by metric: label, colour and dashes."""


def cumulative(by_era: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return `era` and `total`, the sum of a metric's scores up to each era that has one."""
    scores = by_era.filter(pl.col("metric") == metric, pl.col("value").is_finite()).sort("era")
    return scores.select("era", total=pl.col("value").cum_sum())


def cumulative_scores(
    by_era: pl.DataFrame, *, model: str, benchmark: str | None, held_out: int
) -> bytes:
    """Draw how CORR and MMC add up over the eras, beside the benchmark's own CORR.

    Args:
        by_era: scores by era; metrics beyond `CUMULATED` are ignored.
        model: its name, for the title.
        benchmark: the name of the benchmark model, if there is one.
        held_out: how many of the newest eras of CORR are shaded.

    Returns:
        A PNG of 990 by 506 pixels.
    """
    lines = {metric: cumulative(by_era, metric) for metric in CUMULATED}
    eras = lines["corr"]["era"]
    figure, axes = new_figure(
        f"Cumulative scores of {shortened(model, 40)}, {_span(eras)}",
        "Out of sample: no era was predicted by a training that had seen it."
        + (f"  Benchmark: {benchmark}." if benchmark else ""),
    )
    _shade(axes, eras, held_out)
    for metric, line in lines.items():
        if line.is_empty():
            continue
        label, colour, dashes = CUMULATED[metric]
        axes.plot(line["era"], line["total"], label=label, color=colour, linestyle=dashes,
                  linewidth=2, marker="o" if line.height == 1 else None)  # fmt: skip
    label_axes(axes, "era", "sum of the eras' scores")
    ends = sorted(
        ((line["total"][-1], CUMULATED[metric][0]) for metric, line in lines.items() if len(line)),
        reverse=True,
    )
    add_legend(axes, [label for _, label in ends])
    return render(figure)


def feature_exposure(exposure: pl.DataFrame, *, model: str) -> bytes:
    """Draw the features with the largest mean correlation with the predictions over the eras.

    Args:
        exposure: `feature`, `mean_exposure` (from -1 to 1), in any order.
        model: its name, for the title.

    Returns:
        A PNG 990 pixels wide, higher with more features.
    """
    top = exposure.sort(pl.col("mean_exposure").abs(), descending=True).head(FEATURES_SHOWN)
    figure, axes = new_figure(
        f"Feature exposure of {shortened(model, 40)}: {top.height} of {exposure.height} features",
        "Mean over the eras of the correlation between a feature and the predictions.",
        height=1.5 + 0.22 * max(top.height, 4),
    )
    values = top["mean_exposure"].to_list()
    colours = [NEGATIVE if value < 0 else POSITIVE for value in values]
    axes.barh(range(len(values)), values, color=colours, height=0.7)
    axes.set_yticks(range(len(values)), [shortened(name, 44) for name in top["feature"]])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.9)
    axes.set_xlabel("mean correlation", fontsize=9.5, labelpad=6)
    return render(figure)


def _shade(axes: Axes, eras: pl.Series, held_out: int) -> None:
    """Shade the held-out eras, with their name above."""
    if not 0 < held_out <= len(eras):
        return
    first, last = eras[-held_out] - 0.5, eras[-1] + 0.5
    axes.axvspan(first, last, color=SHADE, zorder=0, linewidth=0)
    axes.text(
        last, 1.01, f"held out: {held_out} eras", transform=axes.get_xaxis_transform(),
        ha="right", va="bottom", fontsize=8, color=SOFT_INK, style="italic",
    )  # fmt: skip


def _span(eras: pl.Series) -> str:
    if eras.is_empty():
        return "no era"
    first, last = eras[0], eras[-1]
    return f"era {first}" if first == last else f"eras {first} to {last}"
