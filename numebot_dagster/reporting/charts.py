"""Draw a participant's scores: by scoring day, by round, and against the number of rounds.

Each chart is made of the `scores` view (see `selection`) and one metric. Up to `MOST_LINES` models
have a line of their own; larger fleets are drawn as bands and as a heat map. When there is nothing
to draw yet, the picture says what is missing and when it is expected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.numbers import counted, score
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.selection import final_scores, newest_scores, scores_of
from numebot_dagster.reporting.theme import Mark, drawn_apart, shortened

if TYPE_CHECKING:
    import altair as alt

NOISY_DAYS = 5
"""Scoring days drawn on a shaded ground: the returns of k days are, if days are independent, a
share of k/60 of the variance of what a 60-day round is finally scored on; 8 % on day 5."""

MOST_TRACES = 60
HEAT_MAP_ROUNDS = 120
LEAST_LIMIT = 0.005
"""The full colour of a heat map stands at least for this score."""


def scores_by_day(scores: pl.DataFrame, metric: str = "corr60") -> Picture:
    """Draw how each round's score moved from day to day.

    Args:
        scores: the `scores` view: model, round, metric, version, day (1 to 60), date, value,
            percentile, resolved; other metrics in it are ignored.
        metric: Numerai's name of the score, for example corr60 or mmc60.
    """
    published = scores_of(scores, metric).filter(pl.col("value").is_not_null())
    title = f"{_label(metric)} by scoring day"
    if published.is_empty():
        return marks.notice(title, *_no_scores(metric))
    last_day = max(published["day"])
    x = marks.whole_axis("day", "scoring day of the round", (0.5, max(last_day, 10) + 0.5))
    means = means_by_day(published)
    last = means.unique("model", keep="last", maintain_order=True)
    if drawn_apart(published["model"]):
        subtitle = (
            "Thin: a recent round. Thick: a model's mean, as far as half its rounds have come."
        )
        drawn = _rounds_and_means(published, means, x, metric, _from_best(last))
    else:
        subtitle = "Bands: half and nine tenths of all rounds of all models. Dashed: their median."
        by_day = published.group_by("day").agg(*marks.quantiles()).sort("day")
        chosen = marks.chosen_lines(means, x, "value", _unit(metric))
        drawn = [*marks.bands(by_day, x, _unit(metric)), *chosen]
    chart = marks.plot(_ground(), marks.zero_line(), *drawn, *_resolution(metric, last_day, x))
    return Picture(
        f"{title}, {_rounds(published)}, {_models(published)}",
        f"{subtitle} Grey ground: mostly noise. Only the last day is paid.",
        f"{_label(metric)} by scoring day up to day {last_day}. {_ends(last)}",
        chart,
    )


def final_by_round(scores: pl.DataFrame, metric: str = "corr60") -> Picture:
    """Draw the final score of every resolved round; arguments as for `scores_by_day`."""
    final = final_scores(scores, metric)
    title = f"Final {_label(metric)} by round"
    if final.is_empty():
        return marks.notice(title, *_nothing_resolved(scores, metric))
    means = final.group_by("model").agg(pl.col("value").mean())
    drawn = marks.lines_or_bands(
        final, marks.whole_axis("round", "round"), "value", f"final {_unit(metric)}"
    )
    bands = "" if drawn_apart(final["model"]) else (
        " Bands: half and nine tenths of the models. Dashed: their median."
    )  # fmt: skip
    return Picture(
        f"{title}, {_rounds(final)}, {_models(final)}",
        "The score of each round's last day, which alone is paid. "
        f"Neighbouring rounds share most of their days.{bands}",
        f"Final {_label(metric)} of {_rounds(final)}. {_ends(means)}",
        marks.plot(marks.zero_line(), *drawn),
    )


def scores_by_round(scores: pl.DataFrame, metric: str, models: Sequence[str]) -> Picture:
    """Draw the newest score of the last rounds of all models as a heat map.

    Args:
        scores: as for `scores_by_day`.
        metric: as there.
        models: the order of the rows.
    """
    newest = newest_scores(scores, metric)
    title = f"{_label(metric)} by round"
    if newest.is_empty():
        return marks.notice(title, *_no_scores(metric))
    recent = newest.filter(pl.col("round") > max(newest["round"]) - HEAT_MAP_ROUNDS)
    limit = max(LEAST_LIMIT, float(recent["value"].abs().quantile(0.95) or 0))
    means = recent.filter("resolved").group_by("model").agg(pl.col("value").mean())
    chart = marks.heat_map(
        recent.select("model", "round", "value", "resolved"), models, _label(metric), limit
    )
    return Picture(
        f"{title}, {_rounds(recent)}, {_models(recent)}",
        "Blue: above zero. Orange: below. Lighter: the round is still running.",
        f"Newest {_label(metric)} of {_rounds(recent)}. {_ends(means)}",
        marks.rows(chart),
        is_dense=True,
    )


def mean_final(scores: pl.DataFrame, metric: str = "corr60") -> Picture:
    """Draw each model's mean final score against the number of its rounds resolved so far.

    Rounds count in the order of their numbers. Arguments as for `scores_by_day`.
    """
    final = final_scores(scores, metric)
    title = f"Mean final {_label(metric)} against rounds resolved"
    if final.is_empty():
        return marks.notice(title, *_nothing_resolved(scores, metric))
    running = running_means(final)
    last = running.unique("model", keep="last", maintain_order=True).select("model", value="mean")
    x = marks.whole_axis("resolved", "rounds resolved", (0.5, max(running["resolved"]) + 0.5))
    y_title = f"mean final {_unit(metric)}"
    if drawn_apart(running["model"]):
        subtitle = "Rounds overlap: 64 in a row hold about 1.6 independent observations."
        lines = marks.lines(running.drop("round"), x, "mean", y_title)
        drawn = [lines.encode(**marks.by_model(_from_best(last)))]
    else:
        subtitle = (
            "Bands: half and nine tenths of the models that have come so far. Dashed: the median."
        )
        by_count = running.group_by("resolved").agg(*marks.quantiles("mean"), models=pl.len())
        enough = by_count.filter(pl.col("models") * 2 >= pl.col("models").max()).sort("resolved")
        chosen = marks.chosen_lines(running.drop("round"), x, "mean", y_title)
        drawn = [*marks.bands(enough, x, y_title), *chosen]
    return Picture(
        f"{title}, {_models(final)}",
        subtitle,
        f"Mean final {_label(metric)} so far. {_ends(last)}",
        marks.plot(marks.zero_line(), *drawn),
    )


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


def _rounds_and_means(
    published: pl.DataFrame, means: pl.DataFrame, x: alt.X, metric: str, models: Sequence[str]
) -> list[alt.Chart]:
    import altair as alt

    look = marks.by_model(models)
    newest = published["round"].unique().sort().tail(max(1, MOST_TRACES // len(models)))
    recent = published.filter(pl.col("round").is_in(newest.implode()))
    opacity = max(0.12, min(0.5, 6 / recent.select("model", "round").n_unique()))
    rounds = marks.lines(recent.select("model", "round", "day", "value"), x, "value", _unit(metric))
    thin = rounds.encode(
        detail=alt.Detail("round:N"),
        color=look["color"],
        opacity=alt.OpacityValue(opacity),
        strokeWidth=alt.StrokeWidthValue(0.8),
    )
    return [thin, marks.lines(means, x, "value", _unit(metric)).encode(**look)]


def _ground() -> alt.Chart:
    """Shade the first days, whose scores are mostly noise."""
    import altair as alt

    days = alt.Data(values=[{"first": 0.5, "last": NOISY_DAYS + 0.5}])
    return alt.Chart(days).mark_rect(style=Mark.GROUND).encode(alt.X("first:Q"), alt.X2("last:Q"))


def _resolution(metric: str, last_day: int, x: alt.X) -> list[alt.Chart]:
    """Mark the day that is paid, where a round has come so far."""
    import altair as alt

    final_day = _final_day(metric)
    if final_day is None or last_day < final_day:
        return []
    day = alt.Chart(alt.Data(values=[{"day": final_day, "text": "resolves"}])).encode(x=x)
    note = day.mark_text(style=Mark.NOTE, align="right", dx=-4, baseline="top")
    return [day.mark_rule(style=Mark.ZERO), note.encode(alt.Text("text:N"), alt.YValue(2))]


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
    return shortened(str(names[0]), 30) if len(names) == 1 else counted(len(names), "model")


def _from_best(values: pl.DataFrame) -> list[str]:
    """Return model names by falling value, so that the legend is also a ranking."""
    return values.sort("value", "model", descending=[True, False])["model"].to_list()


def _ends(values: pl.DataFrame) -> str:
    """Return the highest and the lowest of the models' values in words."""
    order = values.sort("value", "model", descending=[True, False]).select("model", "value").rows()
    if not order:
        return "No round has resolved yet."
    (best, high), (worst, low) = order[0], order[-1]
    if len(order) == 1:
        return f"{best}: {score(high)}."
    return f"Highest: {best} {score(high)}; lowest: {worst} {score(low)}."
