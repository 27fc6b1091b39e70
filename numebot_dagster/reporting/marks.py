"""Draw the parts that charts share: axes, lines of models, bands, notes, heat maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from numebot_dagster.reporting.picture import WIDTH, Picture
from numebot_dagster.reporting.theme import DASHES, MOST_LINES, Mark, drawn_apart, shortened

if TYPE_CHECKING:
    import altair as alt

HEIGHT = 280
ROW_HEIGHT = 14
CHOSEN, SINCE = "chosen", "since"
"""The parameters of every chart: the models that are shown, none for all, and the first round.

`board.js` sets them to what the reader of a page has chosen.
"""
IS_CHOSEN = f"indexof({CHOSEN}, datum.model) >= 0"
IS_SHOWN = f"(!length({CHOSEN}) || {IS_CHOSEN})"
IN_ROUNDS = f"(!isValid(datum.round) || datum.round >= {SINCE})"

MOST_POINTS = 160
"""Where a chart has more, its lines have none."""

NAME_LENGTH = 20
WHOLE_ONLY = "datum.value % 1 ? '' : datum.label"
"""The label of a tick: none between whole numbers, which would be named twice."""
FEW_DAYS = 12
DAY = 86_400_000  # milliseconds
SIGNED = "+.4f"
"""Scores have four digits and a sign; Vega writes a true minus."""


@dataclass(frozen=True)
class Measure:
    """Describe what a vertical axis measures.

    Attributes:
        format: of its numbers.
        has_zero: whether zero is a part of the axis.
        is_falling: whether the smallest value is at the top, as for ranks.
    """

    format: str = SIGNED
    has_zero: bool = True
    is_falling: bool = False


SCORE = Measure()

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def plot(*charts: alt.Chart, height: int = HEIGHT) -> alt.LayerChart:
    """Return charts over each other, the first one below, `WIDTH` pixels wide with axes and legend.

    All at once: Altair copies whatever it is given with every step.
    """
    import altair as alt

    fit = alt.AutoSizeParams(type="fit", contains="padding")
    return _layers(charts, height=height, autosize=fit)


def rows(*charts: alt.Chart) -> alt.LayerChart:
    """Return charts over each other that have a row for each model that is shown."""
    import altair as alt

    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return _layers(charts, height=alt.Step(ROW_HEIGHT), autosize=fit)


def _layers(charts: Sequence[alt.Chart], **look: Any) -> alt.LayerChart:
    import altair as alt

    parameters = [
        alt.VariableParameter(name=CHOSEN, value=[]),
        alt.VariableParameter(name=SINCE, value=0),
    ]
    return alt.LayerChart(layer=list(charts), width=WIDTH, params=parameters, **look)


def lines(
    frame: pl.DataFrame, x: alt.X, y: str, y_title: str, measure: Measure = SCORE
) -> alt.Chart:
    """Return lines, with points where there are few; `by_model` tells them apart.

    Args:
        frame: a row per point.
        x: the horizontal axis.
        y: the column of the vertical axis.
        y_title: its title.
        measure: what it measures.
    """
    import altair as alt

    is_short = frame.height <= MOST_POINTS
    point = alt.OverlayMarkDef(size=22, strokeWidth=0, filled=True)
    return (
        alt.Chart(rounded(frame.select(cs.by_name(*_drawn(x, y), require_all=False))))
        .transform_filter(f"{IS_SHOWN} && {IN_ROUNDS}")
        .mark_line(point=point if is_short else False)
        .encode(
            x=x,
            y=vertical_axis(y, y_title, measure),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip(x.shorthand),
                alt.Tooltip(f"{y}:Q", format=measure.format),
            ],
        )
    )


def _drawn(x: alt.X, y: str) -> tuple[str, ...]:
    """Return the columns that lines need, those of their tooltips included."""
    return ("model", "round", str(x.shorthand).partition(":")[0], y)


def chosen_lines(
    frame: pl.DataFrame, x: alt.X, y: str, y_title: str, measure: Measure = SCORE
) -> list[alt.Chart]:
    """Return the lines of the models that the reader of a page has chosen, each with its name.

    At first, and for more than `MOST_LINES`, there are none. Their names stand at their ends,
    because a legend without entries cannot be laid out.

    Args:
        frame: a row per point and model, in the order of the x axis.
        x: the horizontal axis.
        y: the column of the vertical axis.
        y_title: its title.
        measure: what it measures.
    """
    import altair as alt

    is_drawn = f"length({CHOSEN}) <= {MOST_LINES} && {IS_CHOSEN} && {IN_ROUNDS}"
    color = alt.Color("model:N", legend=None)
    drawn = lines(frame, x, y, y_title, measure).transform_filter(is_drawn).encode(color=color)
    last = frame.unique("model", keep="last", maintain_order=True)
    ends = alt.Chart(rounded(last.select(cs.by_name(*_drawn(x, y), require_all=False))))
    names = ends.mark_text(align="right", dx=-6, dy=-7).encode(
        x=x, y=vertical_axis(y, y_title, measure), text=alt.Text("model:N"), color=color
    )
    return [drawn, names.transform_filter(is_drawn)]


def whole_axis(field: str, title: str, domain: Sequence[float] | None = None) -> alt.X:
    """Return a horizontal axis of whole numbers without a grid."""
    import altair as alt

    scale = alt.Scale(zero=False, nice=False)
    if domain is not None:
        scale = alt.Scale(domain=list(domain), nice=False)
    axis = alt.Axis(
        title=title, format="d", grid=False, tickMinStep=1, tickCount=10, labelExpr=WHOLE_ONLY
    )
    return alt.X(f"{field}:Q", scale=scale, axis=axis)


def day_axis(field: str, days: int) -> alt.X:
    """Return a horizontal axis of so many dates."""
    import altair as alt

    daily = alt.TimeIntervalStep(interval="day", step=1)  # as Vega names hours of a few days
    axis = alt.Axis(
        title=None,
        format="%-d %b %y",
        grid=False,
        tickCount=6 if days > FEW_DAYS else daily,
        labelOverlap=True,
    )
    return alt.X(f"{field}:T", scale=alt.Scale(nice=False), axis=axis)


def vertical_axis(field: str, title: str, measure: Measure = SCORE) -> alt.Y:
    """Return a vertical axis of what is measured."""
    import altair as alt

    label = WHOLE_ONLY if measure.format.endswith("d") else alt.Undefined
    axis = alt.Axis(title=title, format=measure.format, tickCount=6, labelExpr=label)
    scale = alt.Scale(zero=measure.has_zero, reverse=measure.is_falling)
    return alt.Y(f"{field}:Q", scale=scale, axis=axis)


def zero_line() -> alt.Chart:
    """Return the line of zero."""
    import altair as alt

    rule = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(style=Mark.ZERO)
    return rule.encode(y=alt.Y("zero:Q"))


def by_model(models: Sequence[str]) -> dict[str, Any]:
    """Return the colour and the dashes of each model, with one legend for both.

    Args:
        models: at most `theme.MOST_LINES` names; the order of colours is that of the alphabet, so
            that a model keeps its colour in all charts of the same models; the legend has the order
            that is given.
    """
    import altair as alt

    names = sorted(set(models))
    labels = ", ".join(f"{json.dumps(name)}: {json.dumps(_short(name))}" for name in names)
    legend = None
    if len(names) > 1:
        legend = alt.Legend(
            title=None,
            values=list(models),
            labelExpr=f"{{{labels}}}[datum.label]",
            symbolType="stroke",
            symbolSize=300,
            symbolOpacity=1,
        )
    dashes = [list(dash) for dash in DASHES[: len(names)]]
    return {
        "color": alt.Color("model:N", scale=alt.Scale(domain=names), legend=legend),
        "strokeDash": alt.StrokeDash(
            "model:N", scale=alt.Scale(domain=names, range=dashes), legend=legend
        ),
    }


def _short(name: str) -> str:
    return shortened(name, NAME_LENGTH)


def bands(frame: pl.DataFrame, x: alt.X, title: str, measure: Measure = SCORE) -> list[alt.Chart]:
    """Return nine tenths, half and the median of values.

    Args:
        frame: a row per place on the x axis with the columns of `QUANTILES`.
        x: the horizontal axis.
        title: of the vertical axis.
        measure: what it measures.
    """
    import altair as alt

    base = alt.Chart(rounded(frame)).transform_filter(IN_ROUNDS).encode(x=x)

    def area(low: str, high: str, style: Mark) -> alt.Chart:
        y = vertical_axis(low, title, measure)
        return base.mark_area(style=style).encode(y, y2=alt.Y2(f"{high}:Q"))

    middle = base.mark_line(style=Mark.MIDDLE).encode(vertical_axis("q50", title, measure))
    return [area("q05", "q95", Mark.OUTER_BAND), area("q25", "q75", Mark.INNER_BAND), middle]


def lines_or_bands(
    frame: pl.DataFrame, x: alt.X, y: str, y_title: str, measure: Measure = SCORE
) -> list[alt.Chart]:
    """Return a line for each of a few models; of more, bands and the lines that a reader chooses.

    Arguments as for `lines`.
    """
    if drawn_apart(frame["model"]):
        last = frame.unique("model", keep="last", maintain_order=True).sort("model")
        order = last.sort(y, descending=not measure.is_falling, maintain_order=True)["model"]
        return [lines(frame, x, y, y_title, measure).encode(**by_model(order.to_list()))]
    place = x.shorthand.partition(":")[0]
    among = frame.group_by(place).agg(*quantiles(y)).sort(place)
    chosen = chosen_lines(frame, x, y, y_title, measure)
    return [*bands(among, x, y_title, measure), *chosen]


def quantiles(value: str = "value") -> list[pl.Expr]:
    """Return the columns that `bands` draws, to be aggregated."""
    return [
        pl.col(value).quantile(share, "linear").alias(name) for name, share in QUANTILES.items()
    ]


def heat_map(frame: pl.DataFrame, models: Sequence[str], metric: str, limit: float) -> alt.Chart:
    """Return a cell for each model and round, blue above zero and orange below.

    Args:
        frame: model, round, value and, for cells that are still running, `resolved` false.
        models: the order of the rows.
        metric: the title of the legend.
        limit: the value of full colour.
    """
    import altair as alt

    return (
        alt.Chart(rounded(frame))
        .transform_filter(f"{IS_SHOWN} && {IN_ROUNDS}")
        .transform_calculate(left="datum.round - 0.5", right="datum.round + 0.5")
        .mark_rect()
        .encode(
            x=_cell_rounds(min(frame["round"]), max(frame["round"])),
            x2=alt.X2("right:Q"),
            y=model_rows(models),
            color=diverging(metric, limit, "+.2f"),
            opacity=alt.OpacityValue(
                0.55,
                condition=alt.ConditionalValueDefnumberExprRef(test="datum.resolved", value=1),
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("round:Q"),
                alt.Tooltip("value:Q", format=SIGNED),
            ],
        )
    )


def _cell_rounds(first: int, last: int) -> alt.X:
    import altair as alt

    axis = alt.Axis(
        title="round (lighter: still running)",
        values=_ticks(first, last),
        format="d",
        grid=False,
        labelOverlap=True,
        labelSeparation=6,
    )
    return alt.X("left:Q", scale=alt.Scale(zero=False, nice=False), axis=axis)


def model_rows(models: Sequence[str]) -> alt.Y:
    """Return a vertical axis with a row for each model that is shown, in this order."""
    import altair as alt

    axis = alt.Axis(title=None, labelLimit=150)
    return alt.Y("model:N", sort=list(models), axis=axis, scale=alt.Scale(paddingInner=0.08))


def diverging(title: str, limit: float, numbers: str) -> alt.Color:
    """Return blue above zero and orange below, white at zero and full at the limit.

    Args:
        title: of the legend.
        limit: the value of full colour.
        numbers: the format of the legend.
    """
    import altair as alt

    return alt.Color(
        "value:Q",
        scale=alt.Scale(
            domain=[-limit, 0, limit], range="diverging", interpolate="rgb", clamp=True
        ),
        legend=alt.Legend(  # above, because few rows have no room for it beside them
            title=title,
            format=numbers,
            orient="top",
            titleOrient="left",
            gradientLength=120,
            values=[-limit, 0, limit],
        ),
    )


def _ticks(first: int, last: int) -> list[int]:
    """Return at most a dozen round numbers to name."""
    steps = (digit * 10**power for power in range(6) for digit in (1, 2, 5))
    step = next(step for step in steps if (last - first) // step < 12)
    return [number for number in range(first, last + 1) if number % step == 0] or [first]


def notice(title: str, what: str, when: str) -> Picture:
    """Return a picture in place of a chart that cannot be drawn yet."""
    import altair as alt

    lines = alt.Chart(alt.Data(values=[{"text": what, "y": 1}, {"text": when, "y": 0}]))
    text = lines.mark_text(style=Mark.LABEL, fontSize=13).encode(
        text=alt.Text("text:N"), y=alt.Y("y:O", sort="descending", axis=None)
    )
    return Picture(title, "Nothing to draw yet", f"{what}. {when}", plot(text, height=90))


def rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose numbers have no more digits than can be seen; null where not finite."""
    number = pl.col(pl.Float64)
    return frame.with_columns(pl.when(number.is_finite()).then(number.round(6)))
