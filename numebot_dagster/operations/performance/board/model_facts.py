"""Gather what the pages of models show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from numebot_dagster.lake import catalog
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.diagnostics import proof
from numebot_dagster.operations.health.status import Moment, RoundModel
from numebot_dagster.operations.performance import round_scores
from numebot_dagster.operations.performance.board import (
    fleet_facts,
    links,
    model_pictures,
    pipeline,
    skill,
    standings,
    validation,
)
from numebot_dagster.operations.performance.board.model_pictures import JudgedScore
from numebot_dagster.operations.platform import Platform
from numebot_dagster.submissions.receipts import Receipt, Rung

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.model_charts import Change
    from numebot_dagster.reporting.pages.model import ModelPage, RoundLine, Statement, Version

VIEWS = (
    *("rounds", "paid_metrics", "scores", "leaderboard"),
    *("submissions", "weights", "payouts", "diagnostics"),
)
METRICS_SHOWN = 2
ROUNDS_LISTED = 40
_SCORES = """
from scores
where metric in ({}) and day > 0 and round > (select max(round) from scores) - ?
order by model, round, day
"""
_WEIGHTS = """
select model, vintage, code_hash, data_version, trained_at from weights order by trained_at desc
"""
_PAYOUTS = """
select model, round, arg_max(payout_nmr, date) as payout_nmr from payouts group by all
"""


def pages(platform: Platform, at: Moment) -> Iterator[tuple[str, ModelPage]]:
    """Yield the name of each registered model's page with what it shows."""
    metrics = (fleet_facts.metrics_of(platform) or [fleet_facts.DEFAULT])[:METRICS_SHOWN]
    source = _Source.of(platform, metrics, at.now)
    for model in platform.registry.models:
        yield links.model(model), source.page(model)


@dataclass(frozen=True)
class _Source:
    """What the pages of all models are made of.

    Attributes:
        now: aware UTC.
        opened: when each round opened.
        standings: of each model in its rounds, the newest first.
        scores: of the shown metrics, by model.
        payouts: the newest known NMR, by model and round.
        weights: rows of the view by model, the newest first.
        stakes: in NMR, of the newest leaderboard.
    """

    platform: Platform
    metrics: Sequence[str]
    now: datetime
    opened: Mapping[int, datetime]
    standings: Mapping[str, Sequence[RoundModel]]
    scores: Mapping[str, pl.DataFrame]
    payouts: Mapping[tuple[str, int], float]
    weights: Mapping[str, Sequence[Mapping[str, Any]]]
    stakes: Mapping[str, float]

    @classmethod
    def of(cls, platform: Platform, metrics: Sequence[str], now: datetime) -> _Source:
        """Read it from the lake."""
        lake = platform.lake
        opened = dict(catalog.query(lake, "select round, open_time from rounds").iter_rows())
        marks = ", ".join("?" * len(metrics))
        window = fleet_facts.ROUNDS_JUDGED
        scores = catalog.query(lake, _SCORES.format(marks), [*metrics, window])
        weights, payouts = catalog.query(lake, _WEIGHTS), catalog.query(lake, _PAYOUTS)
        cells = standings.standings(platform, list(opened))
        return cls(
            platform,
            metrics,
            now,
            opened,
            _by_model(cells[key] for key in sorted(cells, key=itemgetter(1), reverse=True)),
            {str(name): rows for (name,), rows in scores.group_by("model", maintain_order=True)},
            {(name, number): nmr for name, number, nmr in payouts.iter_rows()},
            {
                str(name): rows.rows(named=True)
                for (name,), rows in weights.group_by("model", maintain_order=True)
            },
            standings.stakes(platform),
        )

    def page(self, model: RegisteredModel) -> ModelPage:
        """Return what the page of a model shows."""
        from numebot_dagster.reporting.pages.model import ModelPage

        scores, cells = self.scores.get(model.name), self.standings.get(model.name, ())
        versions = self._versions(model, cells)
        judged = self._judged(model, scores)
        return ModelPage(
            name=model.name,
            description=model.description,
            facts=list(self._facts(model, versions)),
            history=links.in_dagster(model),
            metrics=self.metrics,
            pictures=model_pictures.pictures(judged, self._changes(cells)),
            rounds=self._rounds(cells, scores),
            versions=versions,
            pipeline=pipeline.statement(
                proof.last(self.platform.lake, model.name), cells, self.now
            ),
            luck=_luck(model, judged),
        )

    def _judged(self, model: RegisteredModel, scores: pl.DataFrame | None) -> list[JudgedScore]:
        """Return what can be said of a model by each metric of which it has scores."""
        if scores is None:
            return []
        vintages = dict.fromkeys(row["vintage"] for row in self.weights.get(model.name, ()))
        diagnosis = validation.newest_diagnosis(self.platform.lake, model.name, list(vintages))
        judged = []
        for metric in self.metrics:
            by_round = round_scores.by_model(scores, metric).get(model.name)
            skilled = skill.judged(scores, metric).get(model.name)
            if by_round is not None and skilled is not None:
                foretold = None
                if diagnosis is not None:
                    played = skill.judged_since(by_round, diagnosis.vintage)
                    foretold = validation.foretold(diagnosis, metric, played)
                judged.append(JudgedScore(metric, by_round, skilled, foretold))
        return judged

    def _changes(self, cells: Sequence[RoundModel]) -> list[Change]:
        """Return the rounds that were the first to be played with other weights or code."""
        from numebot_dagster.reporting.model_charts import Change

        played = [
            (cell.round_number, cell.receipt.vintage, self._code(cell.receipt))
            for cell in reversed(cells)
            if cell.receipt is not None
            and cell.receipt.vintage is not None
            and cell.receipt.rung is not Rung.FALLBACK
        ]
        changes = []
        for (_, before, former), (number, vintage, code) in pairwise(played):
            is_other = bool(code and former) and code != former
            if (is_other or vintage != before) and self.opened.get(number) is not None:
                opened = self.opened[number].date()
                changes.append(Change(opened, vintage, code if is_other else ""))
        return changes

    def _code(self, receipt: Receipt) -> str:
        """Return the code of the weights that predicted; nothing where they are stored no more.

        Of several trainings of a vintage it is the one that `weight_store.trained_before` names.
        """
        made = self.weights.get(receipt.model, ())
        own = [
            (row["trained_at"], row["code_hash"])
            for row in made
            if row["vintage"] == receipt.vintage
        ]
        moment = receipt.predicted_at or receipt.submitted_at or receipt.recorded_at
        in_time = [code for at, code in own if moment is None or at <= moment]
        return str((in_time or [code for _, code in own] or [""])[0])[:8]

    def _facts(self, model: RegisteredModel, versions: Sequence[Version]) -> Iterator[str]:
        stake = self.stakes.get(model.name)
        if stake is not None:
            yield f"stake {stake:,.1f} NMR"
        if versions:
            yield f"code {versions[0].code_hash}"
            yield f"weights {versions[0].vintage}"
        if not model.enabled:
            yield "disabled"

    def _rounds(self, cells: Sequence[RoundModel], scores: pl.DataFrame | None) -> list[RoundLine]:
        """Return the newest rounds of a model, the newest first."""
        from numebot_dagster.reporting.pages.model import RoundLine

        newest = {} if scores is None else self._newest(scores)
        lines = []
        for cell in cells[:ROUNDS_LISTED]:
            number = cell.round_number
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
                    payout_nmr=self.payouts.get((cell.model, number)),
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

    def _versions(self, model: RegisteredModel, cells: Sequence[RoundModel]) -> list[Version]:
        from numebot_dagster.reporting.pages.model import Version

        played = Counter(cell.receipt.vintage for cell in cells if cell.receipt is not None)
        return [
            Version(
                vintage=row["vintage"],
                code_hash=row["code_hash"][:8],
                data_version=row["data_version"],
                trained_at=f"{row['trained_at']:%Y-%m-%d %H:%M} UTC",
                rounds=played[row["vintage"]],
            )
            for row in self.weights.get(model.name, ())
        ]


def _by_model(cells: Iterable[RoundModel]) -> dict[str, list[RoundModel]]:
    of_models: dict[str, list[RoundModel]] = {}
    for cell in cells:
        of_models.setdefault(cell.model, []).append(cell)
    return of_models


def _luck(model: RegisteredModel, judged: Sequence[JudgedScore]) -> Statement:
    """Return what can be said of a model's skill, the score that is paid most first."""
    from numebot_dagster.reporting.pages.model import Statement

    if not judged:
        return Statement("Luck: too early", ["No score of this model has been published yet."])
    said = [" ".join(score.sentences) for score in judged]
    is_diagnosed = any(score.validation is not None for score in judged)
    command = "" if is_diagnosed else f"numebot models diagnose {model.name}"
    if not is_diagnosed:
        said.append("There is no diagnosis to say what validation foretold.")
    answer, _, _ = judged[0].judged.verdict.words.partition(" (")
    return Statement(f"Luck: {answer}", said, "", command)
