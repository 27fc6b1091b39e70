"""Draw one model: a round day by day, its summed scores beside what was foretold, and its falls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.numbers import counted, score
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import Mark
from numebot_dagster.scoring.luck.curves import (
    Drawdown,
    ExpectedCurve,
    RunningRound,
    expected_curve,
    running_rounds,
)
from numebot_dagster.scoring.luck.daily_series import DailySeries, RoundScores

if TYPE_CHECKING:
    import altair as alt

RUNNING_SHOWN = 6
LEAST_FOR_BANDS = 5
CODES_NAMED = 6
"""Changes of code whose hash is written beside its mark; all show it when they are pointed at."""
_SUM, _BELOW = "summed scores", "below the peak"
_SIGNED = "+.2~r"


@dataclass(frozen=True)
class Change:
    """A round that was the first to be played with other weights.

    Attributes:
        day: on which it opened.
        vintage: of the weights.
        code_hash: of their code, where that is another one too; otherwise empty.
    """

    day: date
    vintage: int
    code_hash: str = ""

    @property
    def text(self) -> str:
        """What changed, in words."""
        code = f", code {self.code_hash}" if self.code_hash else ""
        return f"weights {self.vintage}{code}"


@dataclass(frozen=True)
class Foretold:
    """What validation foretold of the mean score, as far as it can be drawn.

    Attributes:
        mean: of a round.
        error: standard error of the mean.
        daily_error: standard deviation of what a day adds to the sum, by the series itself.
        quantile: errors on each side that 95 % of the sums stay within.
    """

    mean: float
    error: float
    daily_error: float
    quantile: float


def day_by_day(scores: RoundScores, metric: str) -> Picture:
    """Draw what to expect of a round by day, and where the running rounds stand in that.

    Args:
        scores: of one model, with at least one score.
        metric: Numerai's name of the score.
    """
    title = f"A round of this model, {metric.upper()} by scoring day"
    curve = expected_curve(scores)
    newest = int(np.flatnonzero(~np.isnan(scores.values).all(axis=0))[-1]) + 1
    x = marks.whole_axis("day", "scoring day", (0.5, max(newest, 10) + 0.5))
    running: Sequence[RunningRound] = []
    shown, traces = _running_lines(scores, x, metric)
    drawn = [marks.zero_line()]
    subtitle = f"Bands are drawn from {LEAST_FOR_BANDS} resolved rounds on. "
    if curve is not None and curve.rounds >= LEAST_FOR_BANDS:
        running = running_rounds(scores, curve)
        drawn += marks.bands(_band(curve), x, metric.upper())
        subtitle = f"Bands: half and nine tenths of {curve.rounds} past rounds, {_overlap(curve)}. "
    subtitle += f"Lines: {counted(len(shown), 'running round')}."
    return Picture(title, subtitle, _standing(running), marks.plot(*drawn, *traces))


def cumulated(
    series: DailySeries, metric: str, changes: Sequence[Change], foretold: Foretold | None = None
) -> Picture:
    """Draw the daily series summed, with marks where weights or code changed.

    Args:
        series: of one model, with at least one date.
        metric: Numerai's name of the score.
        changes: of weights, in their order.
        foretold: by validation, to be drawn beside it; None without it.
    """
    sums = math.sqrt(series.horizon) * np.cumsum(series.values)
    columns = {"day": _days(series), "sum": sums}
    if foretold is not None:
        columns |= _corridor(series, foretold)
    frame = pl.DataFrame(columns)
    seen = [change for change in changes if frame["day"][0] < str(change.day) <= frame["day"][-1]]
    subtitle = "As if a round a day had been played. "
    if foretold is not None:
        subtitle += "Dashed: what validation gives, with 95 %. "
    if seen:
        subtitle += "Thin marks: other weights; thick: other code."
    drawn = [] if foretold is None else _promise(frame)
    return Picture(
        f"{metric.upper()} day by day, summed",
        subtitle.strip(),
        f"The sum is {score(sums[-1])} after {counted(len(sums), 'day')}; "
        f"{counted(len(seen), 'change')} of weights.",
        marks.plot(marks.zero_line(), *_marks_of(seen), *drawn, _line(frame)),
    )


def falls(series: DailySeries, fall: Drawdown, metric: str) -> Picture:
    """Draw how far the summed series was below its peak, and how far chance takes such a model.

    Args:
        series: of one model, with at least one date.
        fall: its drawdown.
        metric: Numerai's name of the score.
    """
    import altair as alt

    frame = pl.DataFrame({"day": _days(series), "fall": -fall.falls})
    area = (
        alt.Chart(marks.rounded(frame))
        .mark_area(style=Mark.INNER_BAND)
        .encode(_dates(), _sums("fall", _BELOW))
    )
    expected = _level(-fall.expected, "expected of luck", "left")
    rare = _level(-fall.high, "once in twenty", "right")
    said = (
        f"Now {score(-fall.now)} from its peak, at the deepest {score(-fall.deepest)}. Its own "
        f"days in another order fall by {score(-fall.expected)} on average, and once in twenty by "
        f"{score(-fall.high)}"
    )
    return Picture(
        f"{metric.upper()} below its peak",
        f"{said} or more, with {100 * fall.mean_share:.0f} % of its past mean.",
        f"{said}.",
        marks.plot(area, *expected, *rare, height=180),
    )


def _level(value: float, text: str, align: Literal["left", "right"]) -> list[alt.Chart]:
    """Return a dashed line at a value, with a text above one end of it."""
    import altair as alt

    frame = pl.DataFrame({"fall": [value], "text": [text]})
    base = alt.Chart(marks.rounded(frame)).encode(_sums("fall", _BELOW))
    note = base.mark_text(style=Mark.NOTE, align=align, baseline="bottom", dy=-2)
    place = alt.XValue("width") if align == "right" else alt.XValue(4)
    return [base.mark_rule(style=Mark.ZERO), note.encode(alt.Text("text:N"), place)]


def _running_lines(
    scores: RoundScores, x: alt.X, metric: str
) -> tuple[Sequence[int], list[alt.Chart]]:
    """Return the numbers of some running rounds, and their lines."""
    import altair as alt

    rows = np.flatnonzero(np.isnan(scores.values[:, -1]))
    chosen = _spread(rows.tolist(), RUNNING_SHOWN)
    places = [(row, day) for row in chosen for day in np.flatnonzero(~np.isnan(scores.values[row]))]
    frame = pl.DataFrame(
        [
            (int(scores.rounds[row]), int(day) + 1, float(scores.values[row, day]))
            for row, day in places
        ],
        schema={"round": pl.Int64, "day": pl.Int64, "value": pl.Float64},
        orient="row",
    )
    lines = marks.lines(frame, x, "value", metric.upper()).mark_line(style=Mark.TRACE)
    tooltip = [alt.Tooltip(f"{name}:Q") for name in ("round", "day")]
    value = alt.Tooltip("value:Q", format=marks.SIGNED)
    return chosen, [lines.encode(alt.Detail("round:N"), tooltip=[*tooltip, value])]


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """Return at most so many numbers, from the first to the last, about evenly apart."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[index * (len(numbers) - 1) // (count - 1)] for index in range(count)]


def _overlap(curve: ExpectedCurve) -> str:
    """Return how much the rounds of a curve say, as they overlap."""
    if curve.independent_rounds < 1:
        return "which all overlap"
    return f"which say as much as {curve.independent_rounds:.1f} that do not overlap"


def _band(curve: ExpectedCurve) -> pl.DataFrame:
    """Return the days of a curve that some past round has, as `marks.bands` draws them."""
    columns = dict(zip(marks.QUANTILES, curve.quantiles, strict=True))
    return pl.DataFrame({"day": curve.days, **columns}).filter(pl.col("q50").is_finite())


def _standing(running: Sequence[RunningRound]) -> str:
    """Return how many of the running rounds stand within nine tenths of the past ones."""
    placed = [round_ for round_ in running if not math.isnan(round_.share_below)]
    if not placed:
        return "There are no running rounds and past ones to compare yet."
    inside = sum(round_.is_in_band for round_ in placed)
    text = f"{inside} of {len(placed)} running rounds stand within nine tenths of the past ones"
    outside = [round_ for round_ in placed if not round_.is_in_band]
    if not outside:
        return f"{text}."
    far = max(outside, key=lambda round_: abs(round_.share_below - 0.5))
    return (
        f"{text}; round {far.round_number} is the furthest: {score(far.score)} on day {far.day}, "
        f"above {100 * far.share_below:.0f} % of them."
    )


def _days(series: DailySeries) -> list[str]:
    """Return dates as texts, which a browser reads as UTC."""
    return [str(day) for day in series.dates]


def _dates() -> alt.X:
    import altair as alt

    axis = alt.Axis(title=None, grid=False, tickCount=7, tickMinStep=marks.DAY, labelOverlap=True)
    return alt.X("day:T", scale=alt.Scale(type="utc"), axis=axis)


def _sums(field: str, title: str) -> alt.Y:
    """Return a vertical axis of summed scores, of which zero is a part."""
    import altair as alt

    axis = alt.Axis(title=title, format=_SIGNED, tickCount=6)
    return alt.Y(f"{field}:Q", scale=alt.Scale(zero=True), axis=axis)


def _line(frame: pl.DataFrame) -> alt.Chart:
    """Return the line of the column `sum`."""
    import altair as alt

    tooltip = [alt.Tooltip("day:N"), alt.Tooltip("sum:Q", format=_SIGNED)]
    line = alt.Chart(marks.rounded(frame.select("day", "sum"))).mark_line(style=Mark.ACCENT)
    return line.encode(_dates(), _sums("sum", _SUM), tooltip=tooltip)


def _corridor(series: DailySeries, foretold: Foretold) -> dict[str, np.ndarray]:
    """Return what the sums should be by date, and the ends within which 95 % of them stay.

    The error of the promised mean grows with the days, that of what the days add with their root.
    """
    days = np.cumsum(series.spans)
    half = foretold.quantile * np.hypot(days * foretold.error, np.sqrt(days) * foretold.daily_error)
    middle = foretold.mean * days
    return {"low": middle - half, "middle": middle, "high": middle + half}


def _promise(frame: pl.DataFrame) -> list[alt.Chart]:
    import altair as alt

    base = alt.Chart(marks.rounded(frame.select("day", "low", "middle", "high"))).encode(_dates())
    return [
        base.mark_area(style=Mark.OUTER_BAND).encode(_sums("low", _SUM), alt.Y2("high:Q")),
        base.mark_line(style=Mark.MIDDLE).encode(_sums("middle", _SUM)),
    ]


def _marks_of(changes: Sequence[Change]) -> list[alt.Chart]:
    """Return a rule for each change; the newest codes are named."""
    codes = [change for change in changes if change.code_hash]
    weights = [change for change in changes if not change.code_hash]
    named = codes[-CODES_NAMED:]
    beside = [
        _names(named[:-1], align="left", dx=4),
        _names(named[-1:], align="right", dx=-4),  # it may be near the edge
    ]
    layers = [_rules(weights, 1), _rules(codes, 2.5), *beside]
    return [layer for layer in layers if layer is not None]


def _rules(changes: Sequence[Change], width: float) -> alt.Chart | None:
    import altair as alt

    if not changes:
        return None
    rule = alt.Chart(_frame(changes)).mark_rule(style=Mark.UNTOLD, strokeWidth=width)
    return rule.encode(_dates(), tooltip=[alt.Tooltip("day:N"), alt.Tooltip("text:N")])


def _names(changes: Sequence[Change], align: Literal["left", "right"], dx: int) -> alt.Chart | None:
    import altair as alt

    if not changes:
        return None
    text = alt.Chart(_frame(changes)).mark_text(style=Mark.NOTE, align=align, baseline="top", dx=dx)
    return text.encode(_dates(), alt.Text("code:N"), alt.YValue(2))


def _frame(changes: Sequence[Change]) -> pl.DataFrame:
    rows = [(str(change.day), change.text, change.code_hash) for change in changes]
    return pl.DataFrame(rows, schema=["day", "text", "code"], orient="row")
