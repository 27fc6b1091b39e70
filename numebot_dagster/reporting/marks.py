"""Draw the parts that charts share: axes, lines of models, bands, notes, heat maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from numebot_dagster.reporting.picture import WIDTH, Picture
from numebot_dagster.reporting.theme import DASHES, Mark, shortened

if TYPE_CHECKING:
    import altair as alt

HEIGHT = 280
ROW_HEIGHT = 14
CHOSEN = "chosen"
"""The parameter of a chart that lists the models whose lines are drawn; `board.js` sets it."""

MOST_POINTS = 160
"""Where a chart has more, its lines have none."""

NAME_LENGTH = 20
SIGNED = "+.4f"
"""Scores have four digits and a sign; Vega writes a true minus."""

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def plot(*charts: alt.Chart, height: int = HEIGHT) -> alt.LayerChart:
    """Return charts over each other, the first one below, `WIDTH` pixels wide with axes and legend.

    All at once: Altair copies whatever it is given with every step.
    """
    import altair as alt

    fit = alt.AutoSizeParams(type="fit", contains="padding")
    return alt.LayerChart(layer=list(charts), width=WIDTH, height=height, autosize=fit)


def lines(frame: pl.DataFrame, x: alt.X, y: str, y_title: str) -> alt.Chart:
    """Return lines, with points where there are few; `by_model` tells them apart.

    Args:
        frame: a row per point.
        x: the horizontal axis.
        y: the column of the vertical axis.
        y_title: its title.
    """
    import altair as alt

    is_short = frame.height <= MOST_POINTS
    point = alt.OverlayMarkDef(size=22, strokeWidth=0, filled=True)
    return (
        alt.Chart(rounded(frame.select(cs.by_name(*_drawn(x, y), require_all=False))))
        .mark_line(point=point if is_short else False)
        .encode(
            x=x,
            y=score_axis(y, y_title),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip(x.shorthand),
                alt.Tooltip(f"{y}:Q", format=SIGNED),
            ],
        )
    )


def _drawn(x: alt.X, y: str) -> tuple[str, ...]:
    """Return the columns that lines need, those of their tooltips included."""
    return ("model", "round", str(x.shorthand).partition(":")[0], y)


def chosen_lines(frame: pl.DataFrame, x: alt.X, y: str, y_title: str) -> list[alt.Chart]:
    """Return the lines of the models that the reader of a page has chosen, each with its name.

    At first there are none. Their names stand at their ends, because a legend without entries
    cannot be laid out.

    Args:
        frame: a row per point and model, in the order of the x axis.
        x: the horizontal axis.
        y: the column of the vertical axis.
        y_title: its title.
    """
    import altair as alt

    is_chosen = f"indexof({CHOSEN}, datum.model) >= 0"
    color = alt.Color("model:N", legend=None)
    drawn = lines(frame, x, y, y_title).transform_filter(is_chosen).encode(color=color)
    last = frame.unique("model", keep="last", maintain_order=True)
    ends = alt.Chart(rounded(last.select(cs.by_name(*_drawn(x, y), require_all=False))))
    names = ends.mark_text(align="right", dx=-6, dy=-7).encode(
        x=x, y=score_axis(y, y_title), text=alt.Text("model:N"), color=color
    )
    chosen = alt.param(name=CHOSEN, value=[])
    return [drawn.add_params(chosen), names.transform_filter(is_chosen)]


def whole_axis(field: str, title: str, domain: Sequence[float] | None = None) -> alt.X:
    """Return a horizontal axis of whole numbers without a grid."""
    import altair as alt

    scale = alt.Scale(zero=False, nice=False)
    if domain is not None:
        scale = alt.Scale(domain=list(domain), nice=False)
    axis = alt.Axis(title=title, format="d", grid=False, tickMinStep=1, tickCount=10)
    return alt.X(f"{field}:Q", scale=scale, axis=axis)


def score_axis(field: str, title: str) -> alt.Y:
    """Return a vertical axis of scores, of which zero is a part."""
    import altair as alt

    axis = alt.Axis(title=title, format=SIGNED, tickCount=6)
    return alt.Y(f"{field}:Q", scale=alt.Scale(zero=True), axis=axis)


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


def bands(frame: pl.DataFrame, x: alt.X, title: str) -> list[alt.Chart]:
    """Return nine tenths, half and the median of values.

    Args:
        frame: a row per place on the x axis with the columns of `QUANTILES`.
        x: the horizontal axis.
        title: of the vertical axis.
    """
    import altair as alt

    base = alt.Chart(rounded(frame)).encode(x=x)
    outer = base.mark_area(style=Mark.OUTER_BAND).encode(
        score_axis("q05", title), y2=alt.Y2("q95:Q")
    )
    inner = base.mark_area(style=Mark.INNER_BAND).encode(
        score_axis("q25", title), y2=alt.Y2("q75:Q")
    )
    middle = base.mark_line(style=Mark.MIDDLE).encode(score_axis("q50", title))
    return [outer, inner, middle]


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

    first, last = min(frame["round"]), max(frame["round"])
    return (
        alt.Chart(rounded(frame))
        .mark_rect()
        .encode(
            x=alt.X(
                "round:O",
                scale=alt.Scale(
                    domain=list(range(first, last + 1)), paddingInner=0, paddingOuter=0
                ),
                axis=alt.Axis(
                    title="round (lighter: still running)", values=_ticks(first, last), labelAngle=0
                ),
            ),
            y=alt.Y(
                "model:N",
                sort=list(models),
                axis=alt.Axis(title=None, labelLimit=150),
                scale=alt.Scale(paddingInner=0.08),
            ),
            color=_diverging(metric, limit),
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


def _diverging(metric: str, limit: float) -> alt.Color:
    """Return blue above zero and orange below, white at zero and full at the limit."""
    import altair as alt

    return alt.Color(
        "value:Q",
        scale=alt.Scale(
            domain=[-limit, 0, limit], range="diverging", interpolate="rgb", clamp=True
        ),
        legend=alt.Legend(
            title=metric, format="+.2f", gradientLength=90, values=[-limit, 0, limit]
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
