"""Draw where models stand in the field: percentile by round, rank and reputation over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.marks import Measure
from numebot_dagster.reporting.numbers import counted, score
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.selection import newest_scores
from numebot_dagster.reporting.theme import Mark, drawn_apart

if TYPE_CHECKING:
    import altair as alt

MOST_DATES = 150
PERCENTILE = Measure(format="d")
RANK = Measure(format=",d", has_zero=False, is_falling=True)
BANDS = " Bands: half and nine tenths of the models. Dashed: their median."


def percentiles(scores: pl.DataFrame, metric: str) -> Picture:
    """Draw the percentile of each round's newest score in the field.

    Args:
        scores: the `scores` view; other metrics in it are ignored.
        metric: Numerai's name of the score.
    """
    title = f"Percentile in the field, {metric.upper()} by round"
    newest = newest_scores(scores, metric).filter(pl.col("percentile").is_finite())
    if newest.is_empty():
        return marks.notice(
            title, "Numerai has named no percentile yet", "It comes with the scores of a round."
        )
    rows = newest.sort("round").select(
        "model", "round", "resolved", percentile=pl.col("percentile") * 100
    )
    drawn = marks.lines_or_bands(
        rows, marks.whole_axis("round", "round"), "percentile", "percentile", PERCENTILE
    )
    subtitle = "100: above all others. Grey ground: the round is still running."
    return Picture(
        title,
        subtitle + _bands(rows),
        _median(rows.filter("resolved")),
        marks.plot(*_running(rows), *drawn),
    )


def ranks(leaderboard: pl.DataFrame) -> Picture:
    """Draw the rank of each model in Numerai's leaderboard.

    Args:
        leaderboard: date, model and rank of own models, by date.
    """
    title, rows = "Rank in Numerai's leaderboard", leaderboard.drop_nulls("rank")
    if rows.is_empty():
        return _no_leaderboard(title)
    drawn = marks.lines_or_bands(_by_text(rows, "rank"), _dates(rows), "rank", "rank", RANK)
    last = rows.filter(pl.col("date") == pl.col("date").max()).sort("rank", "model")
    places = [f"{row['model']} is at {row['rank']:,}" for row in last.iter_rows(named=True)]
    result = ", ".join(dict.fromkeys((places[0], places[-1])))
    return Picture(
        title,
        f"The first rank is at the top.{_bands(rows)}",
        f"On {last['date'][0]} {result}.",
        marks.plot(*drawn),
    )


def reputations(leaderboard: pl.DataFrame, metric: str) -> Picture:
    """Draw the reputation of each model by a score: Numerai's mean of a year of rounds.

    Args:
        leaderboard: date, model and reputation of own models, by date.
        metric: Numerai's name of the score.
    """
    title = f"{metric.upper()} reputation"
    rows = leaderboard.drop_nulls("reputation")
    if rows.is_empty():
        return _no_leaderboard(title)
    drawn = marks.lines_or_bands(_by_text(rows, "reputation"), _dates(rows), "reputation", title)
    last = rows.filter(pl.col("date") == pl.col("date").max()).sort("reputation", "model")
    ends = [f"{row['model']} {score(row['reputation'])}" for row in last.iter_rows(named=True)]
    result = f"Highest: {ends[-1]}; lowest: {ends[0]}." if len(ends) > 1 else f"{ends[0]}."
    return Picture(
        title,
        f"As Numerai's leaderboard has it, a mean over rounds of about a year.{_bands(rows)}",
        result,
        marks.plot(marks.zero_line(), *drawn),
    )


def thinned(leaderboard: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of at most `MOST_DATES` days, evenly apart, with the newest one."""
    dates = leaderboard["date"].unique().sort(descending=True)
    kept = dates.gather_every(-(-max(len(dates), 1) // MOST_DATES))
    return leaderboard.filter(pl.col("date").is_in(kept.implode()))


def _running(rows: pl.DataFrame) -> list[alt.Chart]:
    """Shade the rounds from the first that is still running on."""
    import altair as alt

    running = rows.filter(~pl.col("resolved"))
    if running.is_empty():
        return []
    first = max(min(running["round"]), min(rows["round"]) + 0.5) - 0.5
    span = alt.Data(values=[{"left": first, "right": max(rows["round"])}])
    ground = alt.Chart(span).mark_rect(style=Mark.GROUND)
    # Not before the rounds that are shown.
    shown = ground.transform_calculate(from_round=f"max(datum.left, {marks.SINCE})")
    return [shown.encode(alt.X("from_round:Q"), alt.X2("right:Q"))]


def _median(resolved: pl.DataFrame) -> str:
    if resolved.is_empty():
        return "No round has resolved yet; percentiles of running rounds will move."
    rounds = counted(resolved["round"].n_unique(), "resolved round")
    median = sorted(resolved["percentile"].to_list())[resolved.height // 2]
    return f"Median percentile of {rounds}: {median:.0f}."


def _bands(rows: pl.DataFrame) -> str:
    return "" if drawn_apart(rows["model"]) else BANDS


def _by_text(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    return rows.sort("date").select("model", column, date=pl.col("date").cast(pl.String))


def _dates(rows: pl.DataFrame) -> alt.X:
    return marks.day_axis("date", rows["date"].n_unique())


def _no_leaderboard(title: str) -> Picture:
    return marks.notice(
        title, "The leaderboard has not been read yet", "numebot collect reads it once a day."
    )
