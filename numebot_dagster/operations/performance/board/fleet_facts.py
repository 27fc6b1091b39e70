"""Gather what the pages of all models show: one page for each score."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.operations.performance import history, round_scores
from numebot_dagster.operations.performance.board import (
    comparisons,
    links,
    live_facts,
    standings,
)
from numebot_dagster.operations.performance.board.skill import JudgedModel
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.fleet import Fleet, Line, LivePredictions
    from numebot_dagster.reporting.picture import Picture

DEFAULT = "mmc60"
VIEWS = ("paid_metrics", "scores", "leaderboard", "payouts", "submissions")
UNPAID_VIEWS = ("scores",)
"""Pages of unpaid scores show the rest as it was when the scores last changed."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")  # what may not stand in the name of a page
ROUNDS_BY_DAY = 120
"""How many of the newest rounds are drawn by scoring day."""
ROUNDS_PLACED = 250
"""How many of the newest rounds have their percentiles drawn."""
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
    source = _Source(platform, names)
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
    """

    platform: Platform
    pages: Mapping[str, str]

    @cached_property
    def stakes(self) -> dict[str, float]:
        """The stakes in NMR, of the newest leaderboard."""
        return standings.stakes(self.platform)

    @cached_property
    def models(self) -> dict[str, str]:
        """The page of each registered model."""
        return {model.name: links.model(model) for model in self.platform.registry.models}

    @cached_property
    def tags(self) -> dict[str, Sequence[str]]:
        """The tags of each registered model."""
        return {
            model.name: [f"{key}={value}" if value else key for key, value in model.tags]
            for model in self.platform.registry.models
        }

    @cached_property
    def leaderboard(self) -> pl.DataFrame:
        """The models' rows of the leaderboards of all days."""
        return catalog.query(self.platform.lake, "from leaderboard where own order by date")

    @cached_property
    def live(self) -> LivePredictions | None:
        """How alike the models' live predictions are."""
        return live_facts.live_predictions(self.platform.lake, self.stakes)

    @cached_property
    def paid(self) -> Picture:
        """What each model was paid."""
        from numebot_dagster.reporting.payout_charts import paid_by_model

        return paid_by_model(history.last_payouts(self.platform.lake))

    def fleet(self, metric: str) -> Fleet:
        """Return what the page of a score shows."""
        from numebot_dagster.reporting.pages.fleet import Fleet
        from numebot_dagster.reporting.selection import scores_of

        scores = catalog.query(self.platform.lake, _SCORES, [metric, ROUNDS_JUDGED])
        by_day = scores_of(scores, metric)
        last = _last_days(by_day)
        windows = list(comparisons.windows(round_scores.by_model(by_day, metric)))
        lines = self._lines(last, metric, windows[0].judged)
        order = [line.model for line in lines]
        return Fleet(
            metric,
            self.pages,
            lines,
            [comparisons.shown(window, order) for window in windows],
            self._pictures(by_day, last, metric, order),
            self.live,
        )

    def _pictures(
        self, by_day: pl.DataFrame, last: pl.DataFrame, metric: str, order: Sequence[str]
    ) -> Sequence[Picture]:
        """Return the charts from top to bottom."""
        import polars as pl

        from numebot_dagster.reporting import charts, field_charts

        newest = pl.col("round").max()
        leaderboard = field_charts.thinned(self.leaderboard)
        return [
            charts.scores_by_round(last, metric, order),
            charts.scores_by_day(by_day.filter(pl.col("round") > newest - ROUNDS_BY_DAY), metric),
            charts.final_by_round(last, metric),
            charts.mean_final(last, metric),
            self.paid,
            field_charts.percentiles(last.filter(pl.col("round") > newest - ROUNDS_PLACED), metric),
            field_charts.ranks(leaderboard),
            field_charts.reputations(
                leaderboard.with_columns(reputation=_reputation(leaderboard, metric)), metric
            ),
        ]

    def _lines(
        self, last: pl.DataFrame, metric: str, judged: Mapping[str, JudgedModel]
    ) -> Sequence[Line]:
        """Return the models by the estimate of their mean, those without one at the end."""
        import polars as pl

        from numebot_dagster.reporting.pages.fleet import Line
        from numebot_dagster.reporting.selection import final_scores, newest_scores

        newest, final = newest_scores(last, metric), final_scores(last, metric)
        means = {name: model.estimate.value for name, model in judged.items()}
        lines = []
        for model in newest["model"].unique().sort():
            rounds = final.filter(pl.col("model") == model)
            scored = newest.filter(pl.col("model") == model)
            percentiles = scored.sort("date", "day", "round")["percentile"].drop_nulls().drop_nans()
            lines.append(
                Line(
                    model=model,
                    page=self.models.get(model, ""),
                    resolved=rounds.height,
                    running=scored.height - rounds.height,
                    percentile=None if percentiles.is_empty() else percentiles[-1],
                    stake=self.stakes.get(model),
                    tags=self.tags.get(model, ()),
                )
            )

        def falling(line: Line) -> tuple[bool, float, str]:
            mean = means.get(line.model, math.nan)
            return math.isnan(mean), -mean if math.isfinite(mean) else 0.0, line.model

        return sorted(lines, key=falling)


def _reputation(leaderboard: pl.DataFrame, metric: str) -> pl.Expr:
    """Return the column with the reputation by a score; null where the leaderboard has none.

    Numerai writes the parts of a name in another order: v2_corr20 has the reputation corr20V2Rep.
    """
    import polars as pl

    parts = frozenset(metric.split("_"))
    for column in leaderboard.columns:
        name = column.removesuffix("Rep")
        if name != column and frozenset(re.sub("(?=[A-Z])", "_", name).lower().split("_")) == parts:
            return pl.col(column).cast(pl.Float64)
    return pl.lit(None, pl.Float64)


def _last_days(by_day: pl.DataFrame) -> pl.DataFrame:
    """Return each round's last day, and its last day with a value, of what `scores_of` returns."""
    import polars as pl

    rounds = ["model", "round"]
    last = by_day.unique(rounds, keep="last", maintain_order=True)
    valued = by_day.filter(pl.col("value").is_not_null())
    newest = valued.unique(rounds, keep="last", maintain_order=True)
    return pl.concat([last, newest]).unique(maintain_order=True)
