"""Arrange stored scores by round and scoring day, as the statistics of luck take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.scoring.luck.daily_series import RoundScores


def by_model(
    scores: pl.DataFrame, metric: str, horizon: int | None = None
) -> dict[str, RoundScores]:
    """Return the scores of each model that has any, by the newest version of the metric alone.

    Args:
        scores: the `scores` view, of all models; other metrics in it are ignored.
        metric: Numerai's name of the score.
        horizon: the scoring days of a whole round; by default what the metric's name says.
    """
    import polars as pl

    from numebot_dagster.reporting.selection import of_newest_version, scores_of

    published = scores_of(scores, metric).filter(pl.col("value").is_not_null())
    published = of_newest_version(published)
    if published.is_empty():
        return {}
    days = horizon or horizon_of(metric, int(str(published["day"].max())))
    groups = published.filter(pl.col("day").is_between(1, days)).group_by("model")
    return {str(name): _arranged(rows, days) for (name,), rows in groups}


def _arranged(rows: pl.DataFrame, days: int) -> RoundScores:
    from numebot_dagster.scoring.luck.daily_series import RoundScores

    columns = (rows[name].to_numpy() for name in ("round", "day", "date", "value"))
    number, day, published, value = columns
    return RoundScores.from_columns(number, day, published, value, days)


def horizon_of(metric: str, last_day: int) -> int:
    """Return the scoring days of a whole round: 60 for mmc60, otherwise as far as days go."""
    match = re.search(r"(20|60)$", metric)
    return int(match[1]) if match else last_day
