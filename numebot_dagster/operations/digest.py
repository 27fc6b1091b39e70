"""What Numerai published on a day, in a few lines."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.operations.alerts import Alert, Kind
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

_NEWEST_DAY = """
select model, metric, count(distinct round) as rounds, avg(value) as mean,
    count(distinct round) filter (resolved) as resolved,
    avg(value) filter (resolved) as final, date
from scores
where value is not null and date = (select max(date) from scores where value is not null)
group by all order by model, metric
"""


def newest_scores(platform: Platform) -> list[Alert]:
    """The digest of the newest day with scores, if there is one; said once a day."""
    frame = catalog.query(platform.lake, _NEWEST_DAY)
    return [] if frame.is_empty() else [of_day(frame["date"][0], frame)]


def of_day(day: date, frame: pl.DataFrame) -> Alert:
    """The digest of one day.

    Args:
        day: on which the scores were published.
        frame: model, metric, rounds, mean, resolved and final, a row for each model and metric.
    """
    lines = [
        f"- {row['model']}: {row['metric']} {row['mean']:+.4f} over {row['rounds']} rounds"
        + (f", {row['final']:+.4f} final of {row['resolved']}" if row["resolved"] else "")
        for row in frame.iter_rows(named=True)
    ]
    models = frame["model"].n_unique()
    return Alert(
        Kind.SCORES_PUBLISHED,
        f"{day:%Y-%m-%d}",
        f"Scores of {day:%a %d %b} for {models} {'model' if models == 1 else 'models'}",
        "\n".join(lines) + "\nOnly final scores are paid. More: numebot status",
    )
