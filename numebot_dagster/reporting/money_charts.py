"""Draw what was paid so far, and where the running rounds may end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.numbers import nmr
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import Mark

if TYPE_CHECKING:
    import altair as alt

TITLE = "Paid so far, and where the running rounds may end"
BAND = ("q05", "q25", "q75", "q95")
"""The columns of quantiles that are drawn, as `marks.QUANTILES` names them."""


def paid(days: pl.DataFrame, paths: pl.DataFrame | None = None) -> Picture:
    """Draw payouts less burns, cumulated by the day paid, and where running rounds may end.

    Args:
        days: date, nmr (of all models together) and resolved; running rounds by the day on which
            they resolve, with what they would pay by the newest scores.
        paths: date and the columns of `BAND`: NMR that running rounds pay up to that day.
    """
    if days.is_empty():
        return marks.notice(TITLE, "No round had a stake yet", "numebot collect reads positions.")
    total = days.group_by("date", "resolved").agg(pl.col("nmr").sum())
    total = total.sort(["resolved", "date"], descending=[True, False])
    total = total.with_columns(nmr=pl.col("nmr").cum_sum())
    settled, running = total.filter("resolved"), total.filter(~pl.col("resolved"))
    so_far = settled["nmr"][-1] if settled.height else 0.0
    drawn = [marks.zero_line()]
    words = (
        f"{nmr(so_far)} so far; {nmr(total['nmr'][-1])} if all running rounds ended as they stand."
    )
    how = "Solid: rounds that have resolved. Dashed: running rounds by the newest scores."
    if paths is not None:
        ends = paths.select("date", *(pl.col(name) + so_far for name in BAND))
        ends = _from(settled, ends, BAND)
        drawn += [
            _area(ends, *BAND[::3], Mark.OUTER_BAND),
            _area(ends, *BAND[1:3], Mark.INNER_BAND),
        ]
        low, high = ends["q05"][-1], ends["q95"][-1]
        words += f" Nine of ten simulated paths end between {nmr(low)} and {nmr(high)}."
        how += " Bands: half and nine tenths of the simulated paths."
    drawn += [_line(_from(settled, running, ("nmr",)), Mark.MIDDLE), _line(settled, Mark.ACCENT)]
    return Picture(TITLE, how, words, marks.plot(*drawn))


def _from(settled: pl.DataFrame, rows: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return rows that begin where the settled line ends."""
    start = settled.tail(1).select("date", *(pl.col("nmr").alias(name) for name in columns))
    return pl.concat([start, rows.select("date", *columns)])


def _line(rows: pl.DataFrame, style: Mark) -> alt.Chart:
    import altair as alt

    when = alt.Tooltip("date:T", format="%a %-d %b %Y", timeUnit="utcyearmonthdate")
    return _chart(rows).mark_line(style=style).encode(
        x=_days(), y=_amount("nmr"), tooltip=[when, alt.Tooltip("nmr:Q", format="+.3f")]
    )  # fmt: skip


def _area(rows: pl.DataFrame, low: str, high: str, style: Mark) -> alt.Chart:
    import altair as alt

    return _chart(rows).mark_area(style=style).encode(
        x=_days(), y=_amount(low), y2=alt.Y2(f"{high}:Q")
    )  # fmt: skip


def _chart(rows: pl.DataFrame) -> alt.Chart:
    import altair as alt

    return alt.Chart(marks.rounded(rows).with_columns(pl.col("date").cast(pl.String)))


def _days() -> alt.X:
    import altair as alt

    axis = alt.Axis(
        title="day on which a round pays",
        format="%-d %b %y",
        grid=False,
        tickCount=8,
        tickMinStep=marks.DAY,
        labelExpr="utchours(datum.value) ? '' : datum.label",
        labelOverlap=True,
    )
    return alt.X("date:T", scale=alt.Scale(type="utc", nice=False), axis=axis)


def _amount(field: str) -> alt.Y:
    import altair as alt

    axis = alt.Axis(title="NMR, cumulated", format=",.4~r", tickCount=6)
    return alt.Y(f"{field}:Q", scale=alt.Scale(zero=True), axis=axis)
