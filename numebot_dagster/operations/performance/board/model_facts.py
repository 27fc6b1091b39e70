"""Gather what the pages of models show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.health.status import RoundModel
from numebot_dagster.operations.performance.board import fleet_facts, links, skill, standings
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.model import ModelPage, RoundLine, Version

VIEWS = ("rounds", "paid_metrics", "scores", "leaderboard", "submissions", "weights", "payouts")
METRICS_SHOWN = 2
ROUNDS_LISTED = 40
_SCORES = """
from scores
where metric in ({}) and day > 0 and round > (select max(round) from scores) - ?
order by model, round, day
"""
_VERSIONS = """
select model, vintage, code_hash, data_version, trained_at from weights order by trained_at desc
"""
_PAYOUTS = """
select model, round, arg_max(payout_nmr, date) as payout_nmr from payouts group by all
"""


def pages(platform: Platform) -> Iterator[tuple[str, ModelPage]]:
    """Yield the name of each registered model's page with what it shows."""
    metrics = (fleet_facts.metrics_of(platform) or [fleet_facts.DEFAULT])[:METRICS_SHOWN]
    source = _Source.of(platform, metrics)
    for model in platform.registry.models:
        yield links.model(model), source.page(model)


@dataclass(frozen=True)
class _Source:
    """What the pages of all models are made of.

    Attributes:
        standings: by model and round.
        scores: of the shown metrics, by model.
        payouts: the newest known NMR, by model and round.
        versions: weights by model, the newest first.
        stakes: in NMR, of the newest leaderboard.
    """

    metrics: Sequence[str]
    standings: Mapping[tuple[str, int], RoundModel]
    scores: Mapping[str, pl.DataFrame]
    payouts: Mapping[tuple[str, int], float]
    versions: Mapping[str, pl.DataFrame]
    stakes: Mapping[str, float]

    @classmethod
    def of(cls, platform: Platform, metrics: Sequence[str]) -> _Source:
        """Read it from the lake."""
        lake = platform.lake
        rounds = catalog.query(lake, "select round from rounds")["round"].to_list()
        marks = ", ".join("?" * len(metrics))
        window = fleet_facts.ROUNDS_JUDGED
        scores = catalog.query(lake, _SCORES.format(marks), [*metrics, window])
        versions, payouts = catalog.query(lake, _VERSIONS), catalog.query(lake, _PAYOUTS)
        return cls(
            metrics,
            standings.standings(platform, rounds),
            {str(name): rows for (name,), rows in scores.group_by("model", maintain_order=True)},
            {(name, number): nmr for name, number, nmr in payouts.iter_rows()},
            {str(name): rows for (name,), rows in versions.group_by("model", maintain_order=True)},
            standings.stakes(platform),
        )

    def page(self, model: RegisteredModel) -> ModelPage:
        """Return what the page of a model shows."""
        from numebot_dagster.reporting import charts
        from numebot_dagster.reporting.pages.model import ModelPage

        scores = self.scores.get(model.name)
        pictures = []
        if scores is not None:
            for metric in self.metrics:
                pictures += [
                    charts.day_by_day(scores, metric),
                    charts.final_by_round(scores, metric),
                ]
        return ModelPage(
            name=model.name,
            description=model.description,
            facts=list(self._facts(model)),
            history=links.in_dagster(model),
            metrics=self.metrics,
            pictures=pictures,
            rounds=self._rounds(model, scores),
            versions=self._versions(model),
            luck=self._luck(model, scores),
        )

    def _luck(self, model: RegisteredModel, scores: pl.DataFrame | None) -> dict[str, str]:
        """Return what can be said of a model's skill, by metric."""
        if scores is None:
            return {}
        judged = {metric: skill.judged(scores, metric).get(model.name) for metric in self.metrics}
        return {
            metric: skill.in_words(metric) for metric, skill in judged.items() if skill is not None
        }

    def _facts(self, model: RegisteredModel) -> Iterator[str]:
        stake = self.stakes.get(model.name)
        if stake is not None:
            yield f"stake {stake:,.1f} NMR"
        versions = self._versions(model)
        if versions:
            yield f"code {versions[0].code_hash}"
            yield f"weights {versions[0].vintage}"
        if not model.enabled:
            yield "disabled"

    def _rounds(self, model: RegisteredModel, scores: pl.DataFrame | None) -> list[RoundLine]:
        """Return the newest rounds of a model, the newest first."""
        from numebot_dagster.reporting.pages.model import RoundLine

        newest = {} if scores is None else self._newest(scores)
        numbers = sorted(number for name, number in self.standings if name == model.name)
        lines = []
        for number in numbers[: -ROUNDS_LISTED - 1 : -1]:
            cell = self.standings[model.name, number]
            state, text = standings.state_of(cell)
            values = newest.get(number, {})
            lines.append(
                RoundLine(
                    number=number,
                    page=links.round_(number),
                    state=state,
                    text=text,
                    vintage=None if cell.receipt is None else cell.receipt.vintage,
                    day=max((day for day, _, _ in values.values()), default=None),
                    scores={metric: value for metric, (_, value, _) in values.items()},
                    is_resolved=any(resolved for _, _, resolved in values.values()),
                    payout_nmr=self.payouts.get((model.name, number)),
                )
            )
        return lines

    def _newest(self, scores: pl.DataFrame) -> dict[int, dict[str, tuple[int, float, bool]]]:
        """Return day, value and whether it is final, by round and metric."""
        from numebot_dagster.reporting.selection import newest_scores

        newest: dict[int, dict[str, tuple[int, float, bool]]] = {}
        for metric in self.metrics:
            rows = newest_scores(scores, metric).select("round", "day", "value", "resolved").rows()
            for number, *values in rows:
                newest.setdefault(number, {})[metric] = tuple(values)
        return newest

    def _versions(self, model: RegisteredModel) -> list[Version]:
        from numebot_dagster.reporting.pages.model import Version

        rows = self.versions.get(model.name)
        played = [
            cell.receipt.vintage
            for (name, _), cell in self.standings.items()
            if name == model.name and cell.receipt is not None
        ]
        return [
            Version(
                vintage=row["vintage"],
                code_hash=row["code_hash"][:8],
                data_version=row["data_version"],
                trained_at=f"{row['trained_at']:%Y-%m-%d %H:%M} UTC",
                rounds=played.count(row["vintage"]),
            )
            for row in ([] if rows is None else rows.iter_rows(named=True))
        ]
