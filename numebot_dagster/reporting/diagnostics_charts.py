"""Draw the two charts of a model's diagnostics.

They are made of the frames of a diagnosis: `by_era` (`era`, `metric`, `value`) and
`exposure_by_feature` (`feature`, `mean_exposure`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.numbers import counted, score
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import Mark, shortened

if TYPE_CHECKING:
    import altair as alt

FEATURES_SHOWN = 20
CUMULATED = {
    "corr": ("CORR", (1, 0)),
    "mmc": ("MMC", (8, 3, 2, 3)),
    "benchmark_corr": ("CORR of the benchmark", (5, 3)),
}
"""The lines of the first chart by metric: label and dashes; their colours are the first three."""


def cumulative(by_era: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return `era` and `total`, the sum of a metric's scores up to each era that has one."""
    scores = by_era.filter(pl.col("metric") == metric, pl.col("value").is_finite()).sort("era")
    return scores.select("era", total=pl.col("value").cum_sum())


def cumulative_scores(
    by_era: pl.DataFrame, *, model: str, benchmark: str | None, held_out: int
) -> Picture:
    """Draw how CORR and MMC add up over the eras, beside the benchmark's own CORR.

    Args:
        by_era: scores by era; metrics beyond `CUMULATED` are ignored.
        model: its name, for the title.
        benchmark: the name of the benchmark model, if there is one.
        held_out: how many of the newest eras of CORR are shaded.
    """
    sums = pl.concat(
        cumulative(by_era, metric).with_columns(model=pl.lit(label))
        for metric, (label, _) in CUMULATED.items()
    )
    eras = cumulative(by_era, "corr")["era"]
    title = f"Cumulative scores of {shortened(model, 40)}"
    if sums.is_empty():
        return marks.notice(title, "No era has a score", "Train on data with newer eras.")
    ends = sums.unique("model", keep="last", maintain_order=True)
    ends = ends.sort("total", descending=True)
    lines = marks.lines(sums, marks.whole_axis("era", "era"), "total", "sum of the eras' scores")
    chart = marks.plot(
        *_held_out(eras, held_out), marks.zero_line(), lines.encode(**_looks(ends["model"]))
    )
    named = f" Benchmark: {benchmark}." if benchmark else ""
    results = (f"{name} {score(total)}" for name, total in ends.select("model", "total").rows())
    return Picture(
        f"{title}, {_span(eras)}",
        f"Out of sample: no era was predicted by a training that had seen it.{named}",
        f"Sums at the end: {', '.join(results)}.",
        chart,
    )


def feature_exposure(exposure: pl.DataFrame, *, model: str) -> Picture:
    """Draw the features with the largest mean correlation with the predictions over the eras.

    Args:
        exposure: `feature`, `mean_exposure` (from -1 to 1), in any order.
        model: its name, for the title.
    """
    import altair as alt

    title = f"Feature exposure of {shortened(model, 40)}"
    if exposure.is_empty():
        return marks.notice(title, "No feature was looked at", "Diagnose the model again.")
    top = exposure.sort(pl.col("mean_exposure").abs(), descending=True).head(FEATURES_SHOWN)
    value = alt.X("mean_exposure:Q", axis=alt.Axis(title="mean correlation", format="+.2f"))
    bars = alt.Chart(marks.rounded(top)).encode(
        x=value,
        y=alt.Y("feature:N", sort=None, axis=alt.Axis(title=None, labelLimit=260)),
        tooltip=[alt.Tooltip("feature:N"), alt.Tooltip("mean_exposure:Q", format=marks.SIGNED)],
    )
    above = bars.mark_bar(style=Mark.ACCENT).transform_filter("datum.mean_exposure >= 0")
    below = bars.mark_bar(style=Mark.WORSE).transform_filter("datum.mean_exposure < 0")
    largest, mean = top.select("feature", "mean_exposure").row(0)
    return Picture(
        f"{title}: {top.height} of {counted(exposure.height, 'feature')}",
        "Mean over the eras of the correlation between a feature and the predictions.",
        f"The largest is that of {largest}, {score(mean)}.",
        marks.plot(above, below, height=90 + marks.ROW_HEIGHT * top.height),
    )


def _looks(order: pl.Series) -> dict[str, Any]:
    """Return colour and dashes of the sums, with one legend in their order."""
    import altair as alt

    labels = [label for label, _ in CUMULATED.values()]
    dashes = [list(dash) for _, dash in CUMULATED.values()]
    legend = alt.Legend(title=None, values=order.to_list(), symbolType="stroke", symbolSize=300)
    return {
        "color": alt.Color("model:N", scale=alt.Scale(domain=labels), legend=legend),
        "strokeDash": alt.StrokeDash(
            "model:N", scale=alt.Scale(domain=labels, range=dashes), legend=legend
        ),
    }


def _held_out(eras: pl.Series, count: int) -> list[alt.Chart]:
    """Shade the held-out eras, and name them."""
    import altair as alt

    if not 0 < count <= len(eras):
        return []
    place = {"first": eras[-count] - 0.5, "last": eras[-1] + 0.5, "text": f"held out: {count} eras"}
    area = alt.Chart(alt.Data(values=[place]))
    note = area.mark_text(style=Mark.NOTE, align="left", dx=4, baseline="top")
    return [
        area.mark_rect(style=Mark.GROUND).encode(alt.X("first:Q"), alt.X2("last:Q")),
        note.encode(alt.Text("text:N"), alt.X("first:Q"), alt.YValue(2)),
    ]


def _span(eras: pl.Series) -> str:
    if eras.is_empty():
        return "no era"
    first, last = eras[0], eras[-1]
    return f"era {first}" if first == last else f"eras {first} to {last}"
