"""Read the newest score of each model in some rounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake

if TYPE_CHECKING:
    import polars as pl

LONGEST_ROUND = timedelta(days=110)
"""From the opening of a round to its last score: 60 business days and a few."""

# As `selection.newest_scores` chooses: the newest version of a metric in a round, then the newest
# day with a value, as it was published last.
_NEWEST = """
with {tables} versions as (
    select *, rank() over (
        partition by model, round, metric
        order by try_cast(regexp_extract(version, '([0-9]+)', 1) as bigint) desc nulls last,
            version desc nulls last
    ) as place
    from scores where {condition} and metric is not null and day > 0
)
select model, round, metric, version, day, value, resolved from versions
where place = 1 and value is not null and isfinite(value)
qualify row_number() over (
    partition by model, round, metric order by day desc, date desc, resolved desc
) = 1
order by round, model, metric
"""
_PAID = """
recent as (
    select metric, max(round) filter (resolved) as last_resolved from scores
    where date >= ? and value is not null group by metric
), paid as (
    select metric, max(last_resolved) as last_resolved
    from paid_metrics join recent using (metric)
    where round in ({rounds}) group by metric
    order by max(multiplier) desc nulls last, metric limit 1
),
"""
_OF_PAID = """
date >= ? and metric = (select metric from paid)
and (round in ({rounds}) or round = (select last_resolved from paid))
"""


@dataclass(frozen=True)
class Scored:
    """The newest score of a model in a round."""

    metric: str
    version: str | None
    day: int
    value: float
    is_resolved: bool


@dataclass(frozen=True)
class PaidScores:
    """The newest values of the score that recent rounds pay most for.

    Attributes:
        metric: its name; empty while none has a value.
        by_place: by model and round.
        last_resolved: the number of the last round that has resolved.
    """

    metric: str = ""
    by_place: Mapping[tuple[str, int], Scored] = field(default_factory=dict)
    last_resolved: int | None = None

    def of_round(self, round_number: int) -> dict[str, Scored]:
        """Return the newest scores of a round by model."""
        return {
            model: scored
            for (model, number), scored in self.by_place.items()
            if number == round_number
        }


def newest_scores(lake: Lake, rounds: Collection[int]) -> pl.DataFrame:
    """Return model, round, metric, version, day, value and resolved, a row for each metric."""
    condition = f"round in ({_listed(rounds)})"
    return catalog.query(lake, _NEWEST.format(tables="", condition=condition))


def paid_scores(lake: Lake, rounds: Collection[int], today: date) -> PaidScores:
    """Return the newest scores in some recent rounds, and in the last one that has resolved."""
    if not rounds:
        return PaidScores()
    since, listed = today - LONGEST_ROUND, _listed(rounds)
    tables, condition = _PAID.format(rounds=listed), _OF_PAID.format(rounds=listed)
    frame = catalog.query(lake, _NEWEST.format(tables=tables, condition=condition), [since, since])
    scores = {(model, number): Scored(*score) for model, number, *score in frame.iter_rows()}
    resolved = [number for (_, number), each in scores.items() if each.is_resolved]
    metric = frame["metric"][0] if scores else ""
    return PaidScores(metric, scores, max(resolved, default=None))


def _listed(rounds: Collection[int]) -> str:
    return ", ".join(map(str, rounds))
