"""Gather what the pages of all models show: one page for each score."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.operations.performance.board import links, skill, standings
from numebot_dagster.operations.performance.board.skill import JudgedModel
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.fleet import Fleet, Line

DEFAULT = "mmc60"
VIEWS = ("paid_metrics", "scores", "leaderboard")
UNPAID_VIEWS = ("scores",)
"""Pages of unpaid scores show the rest as it was when the scores last changed."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")  # what may not stand in the name of a page
ROUNDS_BY_DAY = 120
"""How many of the newest rounds are drawn by scoring day."""
ROUNDS_JUDGED = 500
"""How many of the newest rounds skill is judged by: two years."""

# Scores that rounds name for payment come first, by their multiplier.
_METRICS = """
select metric, coalesce(max(multiplier), 0) as multiplier
from (
    select distinct metric from scores where value is not null and metric is not null
) left join paid_metrics using (metric)
group by metric order by multiplier desc, metric
"""
_SCORES = """
from scores where metric = ? and day > 0 and round > (select max(round) from scores) - ?
order by model, round, day
"""


@dataclass(frozen=True)
class ScorePage:
    """The page of all models by one score.

    Attributes:
        name: of its file.
        views: those of the lake with which it changes.
        facts: reads what it shows.
    """

    name: str
    views: tuple[str, ...]
    facts: Callable[[], Fleet]


def pages(platform: Platform) -> Iterator[ScorePage]:
    """Yield the pages of all scores, first that of the one that is paid most."""
    scores = scores_of_rounds(platform) or {DEFAULT: 0.0}
    names = {metric: f"fleet/{_NO_NAME.sub('_', metric)}.html" for metric in scores}
    models = {model.name: links.model(model) for model in platform.registry.models}
    source = _Source(platform, names, models, standings.stakes(platform))
    for metric, multiplier in scores.items():
        views = VIEWS if multiplier else UNPAID_VIEWS
        yield ScorePage(names[metric], views, partial(source.fleet, metric))


def metrics_of(platform: Platform) -> list[str]:
    """Return the scores that have values, the one that is paid most first."""
    return list(scores_of_rounds(platform))


def scores_of_rounds(platform: Platform) -> dict[str, float]:
    """Return the multiplier of each score that has values, the largest first; unpaid ones have 0.

    The `canon_` scores repeat others for foreign clients.
    """
    rows = catalog.query(platform.lake, _METRICS).iter_rows()
    return {metric: multiplier for metric, multiplier in rows if not metric.startswith("canon_")}


@dataclass(frozen=True)
class _Source:
    """What all pages of scores share.

    Attributes:
        pages: of the scores, by name.
        models: the page of each registered model.
        stakes: in NMR, of the newest leaderboard.
    """

    platform: Platform
    pages: Mapping[str, str]
    models: Mapping[str, str]
    stakes: Mapping[str, float]

    def fleet(self, metric: str) -> Fleet:
        """Return what the page of a score shows."""
        import polars as pl

        from numebot_dagster.reporting import charts, skill_charts
        from numebot_dagster.reporting.pages.fleet import Fleet
        from numebot_dagster.reporting.selection import scores_of
        from numebot_dagster.reporting.theme import drawn_apart

        scores = catalog.query(self.platform.lake, _SCORES, [metric, ROUNDS_JUDGED])
        by_day = scores_of(scores, metric)
        last = _last_days(by_day)
        models = skill.judged(by_day, metric)
        lines = self._lines(last, metric, models)
        order = [line.model for line in lines]
        judged = skill.frame_of(models, order)
        recent = by_day.filter(pl.col("round") > pl.col("round").max() - ROUNDS_BY_DAY)
        pictures = [
            skill_charts.intervals(judged, metric, by_day["round"].n_unique()),
            charts.scores_by_round(last, metric, order),
            charts.scores_by_day(recent, metric),
            charts.mean_final(last, metric),
        ]
        if drawn_apart(line.model for line in lines):
            pictures.insert(2, charts.final_by_round(last, metric))
        return Fleet(metric, self.pages, lines, pictures)

    def _lines(
        self, last: pl.DataFrame, metric: str, judged: Mapping[str, JudgedModel]
    ) -> Sequence[Line]:
        """Return the models by the estimate of their mean, those without one at the end."""
        import polars as pl

        from numebot_dagster.reporting.pages.fleet import Line
        from numebot_dagster.reporting.selection import final_scores, newest_scores

        newest, final = newest_scores(last, metric), final_scores(last, metric)
        lines = []
        for model in newest["model"].unique().sort():
            rounds = final.filter(pl.col("model") == model)
            scored = newest.filter(pl.col("model") == model)
            percentiles = scored.sort("day", "round")["percentile"].drop_nulls().drop_nans()
            skill = judged.get(model)
            lines.append(
                Line(
                    model=model,
                    page=self.models.get(model, ""),
                    resolved=rounds.height,
                    running=scored.height - rounds.height,
                    mean=_finite(skill.estimate.value) if skill else None,
                    q_value=_finite(skill.q_value) if skill and skill.has_interval else None,
                    days=skill.estimate.dates if skill else 0,
                    verdict=skill.verdict.words if skill else "",
                    percentile=None if percentiles.is_empty() else percentiles[-1],
                    stake=self.stakes.get(model),
                )
            )
        return sorted(lines, key=lambda line: (line.mean is None, -(line.mean or 0), line.model))


def _last_days(by_day: pl.DataFrame) -> pl.DataFrame:
    """Return each round's last day, and its last day with a value, of what `scores_of` returns."""
    import polars as pl

    rounds = ["model", "round"]
    last = by_day.unique(rounds, keep="last", maintain_order=True)
    valued = by_day.filter(pl.col("value").is_not_null())
    newest = valued.unique(rounds, keep="last", maintain_order=True)
    return pl.concat([last, newest]).unique(maintain_order=True)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
