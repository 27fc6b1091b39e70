"""Summarise the scores of a day in an alert of a few lines."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import counted, score

if TYPE_CHECKING:
    import polars as pl

MODELS_SHOWN = 8
"""With more models, the best and the last of them are shown."""

# Only the paid scores of rounds that name them, otherwise all scores.
_NEWEST_DAY = """
with newest as (
    from scores where value is not null
    and date = (select max(date) from scores where value is not null)
), paid as (
    select distinct metric from paid_metrics semi join newest using (round)
)
select model, metric, count(distinct round) as rounds, avg(value) as mean,
    count(distinct round) filter (resolved) as resolved,
    avg(value) filter (resolved) as final, date
from newest where not exists (from paid) or metric in (from paid)
group by all order by model, metric
"""


def newest_scores(platform: Platform) -> list[Alert]:
    """Return the digest of the newest day with scores, if there is one."""
    frame = catalog.query(platform.lake, _NEWEST_DAY)
    return [] if frame.is_empty() else [of_day(frame["date"][0], frame)]


def of_day(day: date, frame: pl.DataFrame) -> Alert:
    """Return the digest of one day: a line for each model, or for the best and the last of many."""
    by_model = {str(model): rows for (model,), rows in frame.group_by("model", maintain_order=True)}
    lines = _lines(by_model)
    return Alert(
        Kind.SCORES_PUBLISHED,
        f"{day:%Y-%m-%d}",
        f"Scores of {day:%a %d %b} for {counted(len(by_model), 'model')}",
        "\n".join(
            [
                *lines,
                "Only final scores are paid. See also: numebot sql 'from scores limit 20'",
            ]
        ),
    )


def _lines(by_model: dict[str, pl.DataFrame]) -> list[str]:
    if len(by_model) <= MODELS_SHOWN:
        return [f"- {model}: {_scores(rows)}" for model, rows in by_model.items()]
    ranked = sorted(by_model, key=lambda model: sum(by_model[model]["mean"]), reverse=True)
    half = MODELS_SHOWN // 2
    best = [f"- {model}: {_scores(by_model[model])}" for model in ranked[:half]]
    last = [f"- {model}: {_scores(by_model[model])}" for model in ranked[-half:]]
    return ["Highest:", *best, "Lowest:", *last]


def _scores(rows: pl.DataFrame) -> str:
    """Return a model's mean scores over all its rounds and over the resolved ones."""
    means = ", ".join(f"{row['metric']} {score(row['mean'])}" for row in rows.iter_rows(named=True))
    text = f"{means} over {counted(max(rows['rounds']), 'round')}"
    finals = [row for row in rows.iter_rows(named=True) if row["resolved"]]
    if not finals:
        return text
    final = ", ".join(f"{row['metric']} {score(row['final'])}" for row in finals)
    return f"{text}; final of {counted(max(row['resolved'] for row in finals), 'round')}: {final}"
