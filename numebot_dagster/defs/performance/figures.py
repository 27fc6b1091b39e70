"""What the performance assets show: tables and pictures from `reporting`, as Dagster metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from numebot_dagster.defs.metadata import readable
from numebot_dagster.lake import catalog, files
from numebot_dagster.lake.layout import Lake

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.defs.metadata import Metadata

CORR = "corr60"
ROUNDS_IN_TABLE = 40
# Dagster keeps every event for ever, and a model has 60 rounds in scoring on every day.
DAYS_BETWEEN_POINTS = 5


@dataclass(frozen=True)
class NewestScores:
    """The newest scores of one submission, as numbers to plot."""

    model: str
    partition: str
    facts: dict[str, float | int]


def scores_to_plot(lake: Lake, days: Sequence[date]) -> Iterator[NewestScores]:
    """The newest scores of each model's rounds that reached a day worth plotting on `days`.

    Those are the first scoring day, every fifth one after it, and the last.
    """
    frame = catalog.query(
        lake,
        "select model, round, metric, max(day) as day, arg_max(value, day) as value, "
        "arg_max(percentile, day) as percentile from scores "
        "where date between ? and ? and value is not null "
        "group by all having bool_or(day % ? = 1 or resolved) order by model, round, metric",
        [min(days), max(days), DAYS_BETWEEN_POINTS],
    )
    for (model, number), rows in frame.group_by("model", "round", maintain_order=True):
        facts: dict[str, float | int] = {"scoring_day": max(rows["day"].to_list())}
        for metric, value, percentile in rows.select("metric", "value", "percentile").iter_rows():
            facts[metric] = value
            if percentile is not None:
                facts[f"{metric}_percentile"] = percentile
        yield NewestScores(str(model), str(number), readable(facts))


def model_metadata(lake: Lake, model: str) -> Metadata:
    """A model's curve over its rounds and its summary."""
    from numebot_dagster.reporting.selection import newest_scores
    from numebot_dagster.reporting.sparkline import sparkline
    from numebot_dagster.reporting.tables import markdown_table, model_summary

    scores, payouts = _own(lake, "scores", model), _own(lake, "payouts", model)
    newest = newest_scores(scores, CORR)
    summary = model_summary(scores, payouts)
    numbers = {} if summary.is_empty() else summary.drop("model").row(0, named=True)
    return {
        "corr_by_round": dg.MetadataValue.md(
            sparkline(newest["value"].to_list(), alt=f"newest {CORR} of each round")
        ),
        "summary": dg.MetadataValue.md(markdown_table(summary)),
        **readable({name: value for name, value in numbers.items() if value is not None}),
    }


def overview_metadata(lake: Lake) -> Metadata:
    """All models: two tables and three charts, which also lie as files below `figures/`."""
    import polars as pl

    from numebot_dagster.reporting import charts
    from numebot_dagster.reporting.embed import picture
    from numebot_dagster.reporting.selection import newest_scores
    from numebot_dagster.reporting.sparkline import sparkline
    from numebot_dagster.reporting.tables import markdown_table, model_summary, rounds_summary

    scores, payouts = catalog.query(lake, "from scores"), catalog.query(lake, "from payouts")
    rounds = rounds_summary(scores, catalog.query(lake, "from submissions"))
    models = model_summary(scores, payouts)
    pictures = {
        "corr_by_scoring_day": charts.scores_by_day(scores, CORR),
        "final_corr_by_round": charts.final_by_round(scores, CORR),
        "mean_final_corr": charts.mean_final(scores, CORR),
    }
    for name, png in pictures.items():
        files.replace_bytes(lake.figure(f"{name}.png"), png)
    by_round = newest_scores(scores, CORR).group_by("round").agg(pl.col("value").mean())
    return {
        "mean_corr_by_round": dg.MetadataValue.md(
            sparkline(by_round.sort("round")["value"].to_list(), width=320, height=60)
        ),
        "models": dg.MetadataValue.md(markdown_table(_narrow_models(models))),
        "rounds": dg.MetadataValue.md(markdown_table(_narrow_rounds(rounds))),
        **{
            name: dg.MetadataValue.md(picture(png, name.replace("_", " ")))
            for name, png in pictures.items()
        },
        "figures": dg.MetadataValue.path(lake.figure("").absolute()),
        "submissions": rounds.height,
        "confirmed": rounds.filter(rounds["state"] == "confirmed").height,
        "resolved": rounds.filter(rounds["resolved"]).height,
    }


def _narrow_models(models: pl.DataFrame) -> pl.DataFrame:
    """As many columns as the page has room for; a model's own page has all of them."""
    import polars as pl

    independent = pl.col("independent").round(1)
    shown = models.select("model", "resolved", independent, "mean_corr", "mean_mmc", "settled_nmr")
    return shown.rename({"settled_nmr": "settled NMR"})


def _narrow_rounds(rounds: pl.DataFrame) -> pl.DataFrame:
    """The newest rounds; the outcome is told only where it is not the usual one."""
    import polars as pl

    state = (
        pl.when(pl.col("outcome") == "on_time")
        .then(pl.col("state"))
        .otherwise(pl.concat_str("outcome", "state", separator=" ", ignore_nulls=True))
        .alias("state")
    )
    return rounds.head(ROUNDS_IN_TABLE).select("round", "model", state, "day", "corr", "mmc")


def _own(lake: Lake, view: str, model: str) -> pl.DataFrame:
    return catalog.query(lake, f"from {view} where model = ?", [model])
