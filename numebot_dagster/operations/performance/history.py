"""Read models' scores and payouts from the lake, and draw the dashboard from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numebot_dagster.lake import catalog, figures
from numebot_dagster.lake.days import days_version
from numebot_dagster.lake.figures import Figure
from numebot_dagster.lake.layout import Lake

if TYPE_CHECKING:
    import polars as pl

CHARTS = ("corr_by_scoring_day", "final_corr_by_round", "mean_final_corr")

# Dagster keeps every event for ever, and a model has 60 rounds in scoring on every day.
DAYS_BETWEEN_POINTS = 5
ROUNDS_BY_DAY = 260  # a year of rounds tells how a score moves from day to day
_NEWEST_ON_DAYS = """
select model, round, metric, max(day) as day, arg_max(value, day) as value,
    arg_max(percentile, day) as percentile
from scores where date between ? and ? and value is not null
group by all having bool_or(day % ? = 1 or resolved) order by model, round, metric
"""

# All that summaries need of a submission's scores: those of its last day, and the newest with a
# value. Over years there are fifty times as many. All are needed where a day was stored twice, of
# which the set of days, as bits, has fewer than there are rows.
_LAST = """
with submissions as (
    select model, round, metric, version, bool_or(resolved) as resolved,
        count(*) > bit_count(bit_or(1::hugeint << (day % 120)::int)) as is_twice,
        max(day) as day, arg_max_null(date, day) as date,
        arg_max_null(value, day) as value, arg_max_null(percentile, day) as percentile,
        max(day) filter (has_value) as day_before, arg_max_null(date, day) filter (has_value)
            as date_before, arg_max_null(value, day) filter (has_value) as value_before,
        arg_max_null(percentile, day) filter (has_value) as percentile_before
    from (
        select *, value is not null and not isnan(value) as has_value from scores
        where metric in (?, ?) and day is not null
    ) group by all
), once as (from submissions where not is_twice)
select model, round, metric, version, resolved, day, date, value, percentile from once
union all by name
select model, round, metric, version, resolved, day_before as day, date_before as date,
    value_before as value, percentile_before as percentile
from once where day_before < day
union all by name
select scores.* from scores semi join (from submissions where is_twice) as twice
on scores.model = twice.model and scores.round = twice.round and scores.metric = twice.metric
and scores.version is not distinct from twice.version
where scores.day is not null
"""
_LAST_PAYOUTS = """
select model, round, max(date) as date, unnest(arg_max(
    {payout_nmr: payout_nmr, settled: settled}, (date, coalesce(settled, false))
))
from (from payouts qualify date = max(date) over (partition by model, round)) group by model, round
"""
_BY_DAY = """
select model, round, metric, version, day, date, value, resolved from scores
where metric = ? and round > (select max(round) from scores) - ?
"""


@dataclass(frozen=True)
class NewestScores:
    """The newest scores of one submission.

    Attributes:
        numbers: the scoring day, and score and percentile (0 to 1, of two digits) by metric.
    """

    model: str
    round_number: int
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class ModelHistory:
    """A model's scores and payouts.

    Attributes:
        curve: Markdown image of the newest CORR of each round.
        summary: see `performance_tables.model_summary`; one row, or none without scores.
        rounds: see `performance_tables.scored_rounds`.
    """

    curve: str
    summary: pl.DataFrame
    rounds: pl.DataFrame

    @property
    def numbers(self) -> dict[str, Any]:
        """The summary's numbers, without those that are unknown."""
        if self.summary.is_empty():
            return {}
        row = self.summary.drop("model").row(0, named=True)
        numbers = {name: value for name, value in row.items() if value is not None}
        if "percentile" in numbers:
            numbers["percentile"] = round(numbers["percentile"], 2)
        return numbers


@dataclass(frozen=True)
class Dashboard:
    """All models and rounds.

    Attributes:
        curve: Markdown image of the mean newest CORR of each round.
        models: see `performance_tables.model_summary`.
        rounds: see `performance_tables.rounds_summary`.
        charts: the stored pictures by name.
        folder: the folder of the figures.
    """

    curve: str
    models: pl.DataFrame
    rounds: pl.DataFrame
    charts: Mapping[str, Figure]
    folder: Path


def scores_to_plot(lake: Lake, days: Sequence[date]) -> Iterator[NewestScores]:
    """Yield the newest scores of each submission that reached a day worth plotting on `days`.

    Those are the first scoring day, every fifth one after it, and the last.
    """
    parameters = [min(days), max(days), DAYS_BETWEEN_POINTS]
    frame = catalog.query(lake, _NEWEST_ON_DAYS, parameters)
    for (model, round_number), rows in frame.group_by("model", "round", maintain_order=True):
        numbers: dict[str, float] = {"scoring_day": max(rows["day"].to_list())}
        for metric, value, percentile in rows.select("metric", "value", "percentile").iter_rows():
            numbers[metric] = value
            if percentile is not None:
                numbers[f"{metric}_percentile"] = round(percentile, 2)
        yield NewestScores(str(model), int(str(round_number)), numbers)


def model_history(lake: Lake, model_name: str) -> ModelHistory:
    """Return a model's curve over its rounds and its summary."""
    import polars as pl

    from numebot_dagster.reporting.performance_tables import CORR, model_summary, scored_rounds
    from numebot_dagster.reporting.selection import newest_scores
    from numebot_dagster.reporting.sparkline import sparkline

    is_own = pl.col("model") == model_name
    scores, payouts = _last_scores(lake).filter(is_own), last_payouts(lake).filter(is_own)
    newest = newest_scores(scores, CORR)["value"].to_list()
    curve = sparkline(newest, alt=f"newest {CORR} of each round")
    return ModelHistory(curve, model_summary(scores, payouts), scored_rounds(scores))


def _last_scores(lake: Lake) -> pl.DataFrame:
    """Return what summaries need of all scores; read once for the histories of all models."""
    return _last(lake, "scores", days_version(lake, "scores"))


def last_payouts(lake: Lake) -> pl.DataFrame:
    """Return the newest payout of each submission."""
    return _last(lake, "payouts", days_version(lake, "payouts"))


@lru_cache(maxsize=2)
def _last(lake: Lake, table: str, _version: object) -> pl.DataFrame:
    from numebot_dagster.reporting.performance_tables import CORR, MMC

    if table == "payouts":
        return catalog.query(lake, _LAST_PAYOUTS)
    return catalog.query(lake, _LAST, [CORR, MMC])


def draw_dashboard(lake: Lake) -> Dashboard:
    """Draw the three charts of all models, store them, and return them with the tables."""
    import polars as pl

    from numebot_dagster.reporting import charts
    from numebot_dagster.reporting.performance_tables import CORR, model_summary, rounds_summary
    from numebot_dagster.reporting.selection import newest_scores
    from numebot_dagster.reporting.sparkline import sparkline

    scores, payouts = _last_scores(lake), last_payouts(lake)
    by_day = catalog.query(lake, _BY_DAY, [CORR, ROUNDS_BY_DAY])
    pictures = (
        charts.scores_by_day(by_day, CORR),
        charts.final_by_round(scores, CORR),
        charts.mean_final(scores, CORR),
    )
    stored = {
        name: figures.store(lake, *picture.file(name), picture.title)
        for name, picture in zip(CHARTS, pictures, strict=True)
    }
    means = newest_scores(scores, CORR).group_by("round").agg(pl.col("value").mean())
    return Dashboard(
        curve=sparkline(means.sort("round")["value"].to_list(), width=320, height=60),
        models=model_summary(scores, payouts),
        rounds=rounds_summary(scores, catalog.query(lake, "from submissions")),
        charts=stored,
        folder=lake.figure("").absolute(),
    )
