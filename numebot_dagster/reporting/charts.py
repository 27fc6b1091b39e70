"""Draw the three charts of a participant's scores as PNG files in memory.

Each takes the `scores` view (see `selection`) and one metric. When there is nothing to draw yet,
the picture says what is missing and when it is expected.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting.selection import final_scores, newest_scores, scores_of
from numebot_dagster.reporting.style import (
    GREY,
    SHADE,
    SOFT_INK,
    SeriesStyle,
    add_legend,
    label_axes,
    new_figure,
    render,
    series_styles,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOISY_DAYS = 5
"""Scoring days drawn on a shaded ground: the returns of k days are, if days are independent, a
share of k/60 of the variance of what a 60-day round is finally scored on; 8 % on day 5."""

MODELS_WITH_ROUNDS = 8
"""Up to this many models every round is drawn; with more, each model's mean alone."""


def scores_by_day(scores: pl.DataFrame, metric: str = "corr60") -> bytes:
    """Draw how each round's score moved: thin lines are rounds, thick lines a model's mean.

    Args:
        scores: the `scores` view: model, round, metric, version, day (1 to 60), date, value,
            percentile, resolved; other metrics in it are ignored.
        metric: Numerai's name of the score, for example corr60 or mmc60.

    Returns:
        A PNG of 990 by 506 pixels, wider with more than 25 models.
    """
    published = scores_of(scores, metric).filter(pl.col("value").is_not_null())
    if published.is_empty():
        return _notice(f"{_label(metric)} by scoring day", *_no_scores(metric))
    styles = series_styles(published["model"])
    with_rounds = len(styles) <= MODELS_WITH_ROUNDS
    figure, axes = new_figure(
        f"{_label(metric)} by scoring day, {_rounds(published)}, {_models(published)}",
        ("Thin: one round.  Thick" if with_rounds else "Each line")
        + ": a model's mean, as far as half of its rounds have come.  Only the last day is paid.",
    )
    means = means_by_day(published)
    if with_rounds:
        _draw_rounds(axes, published, styles)
    for (model,), line in means.group_by("model", maintain_order=True):
        _draw_line(axes, line["day"], line["value"], str(model), styles[str(model)])
    _mark_days(axes, metric, last_day=max(published["day"]))
    label_axes(axes, "scoring day of the round", _unit(metric))
    add_legend(axes, _from_best(means.unique("model", keep="last", maintain_order=True)))
    return render(figure)


def final_by_round(scores: pl.DataFrame, metric: str = "corr60") -> bytes:
    """Draw the final score of every resolved round; arguments and size as for `scores_by_day`."""
    final = final_scores(scores, metric)
    title = f"Final {_label(metric)} by round"
    if final.is_empty():
        return _notice(title, *_nothing_resolved(scores, metric))
    styles = series_styles(final["model"])
    figure, axes = new_figure(
        f"Final {_label(metric)}, {_rounds(final)}, {_models(final)}",
        "The score of each round's last day, which alone is paid.  "
        "Neighbouring rounds share most of their days.",
    )
    for (model,), line in final.group_by("model", maintain_order=True):
        _draw_line(axes, line["round"], line["value"], str(model), styles[str(model)], thin=True)
    _pad_single(axes, final["round"])
    label_axes(axes, "round", f"final {_unit(metric)}")
    add_legend(axes, _from_best(final.group_by("model").agg(pl.col("value").mean())))
    return render(figure)


def mean_final(scores: pl.DataFrame, metric: str = "corr60") -> bytes:
    """Draw each model's mean final score against the number of its rounds resolved so far.

    Rounds count in the order of their numbers. Arguments and size as for `scores_by_day`.
    """
    final = final_scores(scores, metric)
    title = f"Mean final {_label(metric)} against rounds resolved"
    if final.is_empty():
        return _notice(title, *_nothing_resolved(scores, metric))
    running = running_means(final)
    styles = series_styles(running["model"])
    figure, axes = new_figure(
        f"{title}, {_models(final)}",
        "Rounds overlap, so the mean settles slowly: 64 rounds in a row hold about 1.6 "
        "independent observations.",
    )
    for (model,), line in running.group_by("model", maintain_order=True):
        _draw_line(axes, line["resolved"], line["mean"], str(model), styles[str(model)])
    axes.set_xlim(0.5, max(5, *running["resolved"]) + 0.5)
    label_axes(axes, "rounds resolved", f"mean final {_unit(metric)}")
    last = running.unique("model", keep="last", maintain_order=True)
    add_legend(axes, _from_best(last.select("model", value="mean")))
    return render(figure)


def running_means(final: pl.DataFrame) -> pl.DataFrame:
    """Return model, round, resolved (how many up to this round) and mean (of their scores).

    Args:
        final: one row per model and resolved round, as `selection.final_scores` returns it.
    """
    count = pl.int_range(1, pl.len() + 1).over("model")
    return final.sort("model", "round").select(
        "model", "round", resolved=count, mean=pl.col("value").cum_sum().over("model") / count
    )


def means_by_day(published: pl.DataFrame) -> pl.DataFrame:
    """Return model, day and value: each model's mean over the rounds that have reached the day.

    A day that fewer than half of the model's rounds have reached is left out: its mean would be
    that of other rounds, and jump where only the oldest are left.

    Args:
        published: one row per model, round and day, as `selection.scores_of` returns it.
    """
    by_day = published.group_by("model", "day").agg(pl.col("value").mean(), rounds=pl.len())
    reached = pl.col("rounds") * 2 >= pl.col("rounds").max().over("model")
    return by_day.filter(reached).drop("rounds").sort("model", "day")


def _draw_rounds(axes: Axes, published: pl.DataFrame, styles: dict[str, SeriesStyle]) -> None:
    from matplotlib.collections import LineCollection

    opacity = max(0.12, min(0.5, 6 / published.select("model", "round").n_unique()))
    for (model,), rows in published.group_by("model", maintain_order=True):
        curves = [
            list(zip(curve["day"], curve["value"], strict=True))
            for _, curve in rows.group_by("round", maintain_order=True)
        ]
        color = styles[str(model)].color
        axes.add_collection(LineCollection(curves, colors=color, alpha=opacity, linewidths=0.8))
        single = rows.filter(pl.len().over("round") == 1)
        axes.plot(single["day"], single["value"], ".", color=color, alpha=opacity, markersize=4)


def _draw_line(
    axes: Axes, x: pl.Series, y: pl.Series, model: str, style: SeriesStyle, *, thin: bool = False
) -> None:
    """Draw one model's line, with markers where there are few points."""
    axes.plot(
        x,
        y,
        label=model,
        color=style.color,
        linestyle=style.dashes,
        linewidth=1.4 if thin else 2,
        marker=style.marker if len(x) <= (80 if thin else 15) else None,
        markersize=3.5 if thin else 4.5,
        solid_capstyle="round",
    )


def _mark_days(axes: Axes, metric: str, last_day: int) -> None:
    """Shade the first days, whose scores are mostly noise, and mark the day that is paid."""
    axes.axvspan(0.5, NOISY_DAYS + 0.5, color=SHADE, zorder=0, linewidth=0)
    final_day = _final_day(metric)
    axes.set_xlim(0.5, max(last_day, 2 * NOISY_DAYS) + 0.7)
    _note(axes, 0.5, "first days: mostly noise" if last_day > 12 else "day-1 scores are noise")
    if final_day is not None and last_day >= final_day:
        axes.axvline(final_day, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)))
        _note(axes, final_day, "resolves", align="center")


def _note(axes: Axes, day: float, text: str, align: str = "left") -> None:
    axes.text(
        day, 1.01, text, transform=axes.get_xaxis_transform(),
        ha=align, va="bottom", fontsize=8, color=SOFT_INK, style="italic",
    )  # fmt: skip


def _pad_single(axes: Axes, x: pl.Series) -> None:
    """Keep a single round in the middle of a plot as wide as a few rounds."""
    if x.n_unique() == 1:
        axes.set_xlim(x[0] - 2, x[0] + 2)


def _notice(title: str, what: str, when: str) -> bytes:
    """Return a picture in place of a chart that cannot be drawn yet."""
    figure, axes = new_figure(title, "Nothing to draw yet", height=2.4)
    axes.set_axis_off()
    axes.text(0.5, 0.64, what, ha="center", va="center", fontsize=14, color=SOFT_INK)
    axes.text(0.5, 0.4, when, ha="center", va="center", fontsize=10, color=SOFT_INK)
    return render(figure)


def _no_scores(metric: str) -> tuple[str, str]:
    return (
        f"No {_label(metric)} score has been published yet",
        "A round's first score comes four business days after its close; "
        "scores are published Tuesday to Saturday.",
    )


def _nothing_resolved(scores: pl.DataFrame, metric: str) -> tuple[str, str]:
    newest = newest_scores(scores, metric).sort("day", "round", descending=[True, False])
    if newest.is_empty():
        return _no_scores(metric)
    first = newest.row(0, named=True)
    progress = f"Round {first['round']} is the furthest: scoring day {first['day']}"
    final_day = _final_day(metric)
    if final_day is None or first["day"] >= final_day:
        return "No round has resolved yet", f"{progress}."
    return (
        "No round has resolved yet",
        f"{progress} of {final_day}, {final_day - first['day']} scoring days before its final one.",
    )


def _final_day(metric: str) -> int | None:
    """Return the scoring day that is paid, by Numerai's naming: 60 for corr60 and mmc60."""
    match = re.search(r"(20|60)$", metric)
    return int(match[1]) if match else None


def _label(metric: str) -> str:
    return metric.upper()


def _unit(metric: str) -> str:
    return f"{_label(metric)} ({'correlation' if 'corr' in metric else 'contribution, no unit'})"


def _rounds(rows: pl.DataFrame) -> str:
    first, last = min(rows["round"]), max(rows["round"])
    return f"round {first}" if first == last else f"rounds {first} to {last}"


def _models(rows: pl.DataFrame) -> str:
    names = rows["model"].unique()
    return shortened(str(names[0]), 30) if len(names) == 1 else f"{len(names)} models"


def _from_best(values: pl.DataFrame) -> list[str]:
    """Return model names by falling value, so that the legend is also a ranking."""
    return values.sort("value", "model", descending=[True, False])["model"].to_list()
