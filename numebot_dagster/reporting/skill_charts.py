"""Draw what can be said of each model: the mean of its rounds with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.numbers import counted
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import Mark

if TYPE_CHECKING:
    import altair as alt

STYLES = {"better": Mark.ACCENT, "worse": Mark.WORSE}
"""How models are drawn of which more is known than that they cannot be told apart."""


def intervals(rows: pl.DataFrame, metric: str, rounds: int) -> Picture:
    """Draw the mean final score of each model with its 95 % interval.

    Args:
        rows: model, mean, low, high, skill (`better`, `worse` or another word), in the order in
            which they are drawn; those without an interval are left out.
        metric: Numerai's name of the score.
        rounds: how many rounds they are about, resolved and running.
    """
    drawn = rows.drop_nulls("low")
    title = f"What can be said of each model by {metric.upper()}"
    if drawn.is_empty():
        return marks.notice(
            title, "It is too early to say anything", "Thirty scoring days are needed."
        )
    counts = {name: rows.filter(pl.col("skill") == name).height for name in STYLES}
    rest = rows.height - sum(counts.values())
    said = (
        f"{counts['better']} better than zero, {counts['worse']} worse, {rest} cannot be told apart"
    )
    layers = [
        layer
        for name in (*STYLES, "")
        for layer in _of_one_skill(drawn, name, drawn["model"].to_list(), metric)
    ]
    return Picture(
        title,
        f"{counted(rounds, 'round')}: {said}. Lines: 95 % intervals; running rounds count by day.",
        f"Of {counted(rows.height, 'model')}, {said}.",
        marks.plot(_zero(), *layers, height=70 + marks.ROW_HEIGHT * drawn.height),
    )


def _of_one_skill(
    rows: pl.DataFrame, skill: str, order: Sequence[str], metric: str
) -> list[alt.Chart]:
    """Return the intervals and means of the models of which the same is known."""
    import altair as alt

    style = STYLES.get(skill, Mark.UNTOLD)
    is_other = ~pl.col("skill").is_in(list(STYLES))
    chosen = rows.filter(pl.col("skill") == skill if skill else is_other)
    if chosen.is_empty():
        return []
    axis = alt.Axis(title=f"mean {metric.upper()} of a round", format=marks.SIGNED, tickCount=6)
    base = alt.Chart(marks.rounded(chosen)).encode(
        y=alt.Y(
            "model:N",
            scale=alt.Scale(domain=list(order)),
            axis=alt.Axis(title=None, labelLimit=150),
        ),
        tooltip=[
            alt.Tooltip("model:N"),
            *(alt.Tooltip(f"{name}:Q", format=marks.SIGNED) for name in ("mean", "low", "high")),
        ],
    )
    return [
        base.mark_rule(style=style, strokeWidth=2).encode(
            x=alt.X("low:Q", axis=axis), x2=alt.X2("high:Q")
        ),
        base.mark_point(style=style, filled=True, size=45, opacity=1).encode(alt.X("mean:Q")),
    ]


def _zero() -> alt.Chart:
    import altair as alt

    rule = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(style=Mark.ZERO)
    return rule.encode(x=alt.X("zero:Q"))
