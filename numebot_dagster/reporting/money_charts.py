"""Draw what was paid so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.numbers import nmr
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import Mark

if TYPE_CHECKING:
    import altair as alt


def paid(rounds: pl.DataFrame) -> Picture:
    """Draw payouts less burns, cumulated over the rounds, and what is expected of running ones.

    Args:
        rounds: round, nmr (of all models together) and resolved, by round.
    """
    title = "Paid so far, and what the running rounds would pay today"
    if rounds.is_empty():
        return marks.notice(title, "No round had a stake yet", "numebot collect reads positions.")
    total = rounds.sort("round").with_columns(nmr=pl.col("nmr").cum_sum())
    settled = total.filter(pl.col("resolved"))
    x, title_of_y = marks.whole_axis("round", "round"), "NMR, cumulated"
    # From the last resolved round on, so that the two lines meet.
    running = total.filter(pl.col("round") >= pl.lit(settled["round"].max()).fill_null(0))
    last = total["nmr"][-1]
    so_far = settled["nmr"][-1] if settled.height else 0.0
    return Picture(
        title,
        "Solid: rounds that have resolved. Dashed: as of the newest scores, which will move.",
        f"{nmr(so_far)} so far; {nmr(last)} if all running rounds ended as they stand.",
        marks.plot(
            marks.zero_line(),
            _line(running, x, title_of_y, Mark.MIDDLE),
            _line(settled, x, title_of_y, Mark.ACCENT),
        ),
    )


def _line(rows: pl.DataFrame, x: alt.X, title: str, style: Mark) -> alt.Chart:
    import altair as alt

    axis = alt.Axis(title=title, format=",.2f", tickCount=6)
    return (
        alt.Chart(marks.rounded(rows.select("round", "nmr")))
        .mark_line(style=style)
        .encode(
            x=x,
            y=alt.Y("nmr:Q", scale=alt.Scale(zero=True), axis=axis),
            tooltip=[alt.Tooltip("round:Q"), alt.Tooltip("nmr:Q", format="+.3f")],
        )
    )
