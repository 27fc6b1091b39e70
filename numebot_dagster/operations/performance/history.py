"""Read models' scores and payouts from the lake, and draw the dashboard from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numebot_dagster.lake import catalog, figures
from numebot_dagster.lake.figures import Figure
from numebot_dagster.lake.layout import Lake

if TYPE_CHECKING:
    import polars as pl

CHARTS = ("corr_by_scoring_day", "final_corr_by_round", "mean_final_corr")

# Dagster keeps every event for ever, and a model has 60 rounds in scoring on every day.
DAYS_BETWEEN_POINTS = 5
_NEWEST_ON_DAYS = """
select model, round, metric, max(day) as day, arg_max(value, day) as value,
    arg_max(percentile, day) as percentile
from scores where date between ? and ? and value is not null
group by all having bool_or(day % ? = 1 or resolved) order by model, round, metric
"""


@dataclass(frozen=True)
class NewestScores:
    """The newest scores of one submission.

    Attributes:
        numbers: the scoring day, and score and percentile by metric.
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
    """

    curve: str
    summary: pl.DataFrame

    @property
    def numbers(self) -> dict[str, Any]:
        """The summary's numbers, without those that are unknown."""
        if self.summary.is_empty():
            return {}
        row = self.summary.drop("model").row(0, named=True)
        return {name: value for name, value in row.items() if value is not None}


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
                numbers[f"{metric}_percentile"] = percentile
        yield NewestScores(str(model), int(str(round_number)), numbers)


def model_history(lake: Lake, model_name: str) -> ModelHistory:
    """Return a model's curve over its rounds and its summary."""
    from numebot_dagster.reporting.performance_tables import CORR, model_summary
    from numebot_dagster.reporting.selection import newest_scores
    from numebot_dagster.reporting.sparkline import sparkline

    scores = catalog.query(lake, "from scores where model = ?", [model_name])
    payouts = catalog.query(lake, "from payouts where model = ?", [model_name])
    newest = newest_scores(scores, CORR)["value"].to_list()
    curve = sparkline(newest, alt=f"newest {CORR} of each round")
    return ModelHistory(curve, model_summary(scores, payouts))


def draw_dashboard(lake: Lake) -> Dashboard:
    """Draw the three charts of all models, store them, and return them with the tables."""
    import polars as pl

    from numebot_dagster.reporting import charts
    from numebot_dagster.reporting.performance_tables import CORR, model_summary, rounds_summary
    from numebot_dagster.reporting.selection import newest_scores
    from numebot_dagster.reporting.sparkline import sparkline

    scores, payouts = catalog.query(lake, "from scores"), catalog.query(lake, "from payouts")
    pictures = (
        charts.scores_by_day(scores, CORR),
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
