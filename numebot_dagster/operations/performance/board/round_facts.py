"""Gather what the pages of rounds show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numebot_dagster.lake import catalog
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.health.status import Moment, RoundModel
from numebot_dagster.operations.performance import due
from numebot_dagster.operations.performance.board import links, standings
from numebot_dagster.operations.performance.newest_scores import newest_scores
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates
from numebot_dagster.submissions.receipts import Receipt

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.round import Line, RoundPage, Rule, Value, Verdict

_RESOLVED = "resolved"
SETTLED_AFTER = timedelta(days=3)  # for scores that are published late
_TIMES = {
    "open_time": ("opens", "opened"),
    "close_staking_time": ("closes", "closed"),
    "resolve_time": ("resolves", "resolved"),
}
"""The times of a round, and what is said of each before it and after."""


def pages(
    platform: Platform, at: Moment, is_final: Callable[[str], bool]
) -> Iterator[tuple[str, RoundPage]]:
    """Yield the name of each round's page with what it shows, unless it is final already.

    Args:
        platform: whose rounds they are.
        at: the moment that the pages show.
        is_final: whether a page was written for the last time.
    """
    rounds = catalog.query(platform.lake, "from rounds order by round")
    names = {number: links.round_(number) for number in rounds["round"]}
    rows = [row for row in rounds.iter_rows(named=True) if not is_final(names[row["round"]])]
    numbers = [row["round"] for row in rows]
    if not numbers:
        return
    newest = newest_scores(platform.lake, numbers)
    stakes = standings.stakes(platform)
    order = sorted(platform.registry.models, key=lambda model: -stakes.get(model.name, 0))
    models = {model.name: model for model in order}
    source = _Source(models, standings.standings(platform, numbers), _by_round(newest))
    for row in rows:
        yield names[row["round"]], source.page(row, at.now)


def _is_settled(row: Mapping[str, Any], now: datetime) -> bool:
    resolves = row["resolve_time"]
    return resolves is not None and resolves <= now - SETTLED_AFTER


def _is_open(row: Mapping[str, Any], now: datetime) -> bool:
    opens, closes = row["open_time"], row["close_staking_time"]
    return opens is not None and closes is not None and opens <= now < closes


def _status(row: Mapping[str, Any], now: datetime) -> str:
    """Return the state of a round by its own times: what was stored when it opened is old."""
    passed = {column: row[column] is not None and row[column] <= now for column in _TIMES}
    if passed["resolve_time"]:
        return _RESOLVED
    if passed["close_staking_time"]:
        return "closed, being scored"
    return "open" if passed["open_time"] else "not open yet"


def times_of(row: Mapping[str, Any], now: datetime) -> dict[str, datetime]:
    """Return the times of a round that are stored, by what is said of them now."""
    stored = {column: row[column] for column in _TIMES if row[column] is not None}
    return {_TIMES[column][time <= now]: time for column, time in stored.items()}


def _by_round(scores: pl.DataFrame) -> dict[int, pl.DataFrame]:
    return {int(str(number)): rows for (number,), rows in scores.group_by("round")}


@dataclass(frozen=True)
class _Source:
    """What the pages of some rounds are made of.

    Attributes:
        models: the registered ones by name, in the order of their stakes.
        standings: by model and round.
        scores: the newest ones by round: model, metric, version, day, value.
    """

    models: Mapping[str, RegisteredModel]
    standings: Mapping[tuple[str, int], RoundModel]
    scores: Mapping[int, pl.DataFrame]

    def page(self, row: Mapping[str, Any], now: datetime) -> RoundPage:
        """Return what the page of a round shows, by its row of the view `rounds`."""
        from numebot_dagster.reporting.pages.round import RoundPage

        number = row["round"]
        scores = self.scores.get(number)
        lines = list(self._lines(number, row["open_time"], scores))
        status = _status(row, now)
        return RoundPage(
            number=number,
            status=status,
            times=times_of(row, now),
            day=None if scores is None else int(str(scores["day"].max())),
            lines=lines,
            rules=list(_rules(row["score_configs"])),
            metrics=_metrics(row["score_configs"], scores),
            first_scores=(
                "" if status == _RESOLVED else due.first_scores(number, row["score_time"])
            ),
            dagster=links.of_round(number),
            is_final=_is_settled(row, now) and not any(line.waits_for_scores for line in lines),
            command=links.command_of_round(number, ()) if _is_open(row, now) else "",
        )

    @cached_property
    def _tried(self) -> Mapping[int, set[str]]:
        """The models that have tried each round."""
        tried: dict[int, set[str]] = {}
        for name, number in self.standings:
            tried.setdefault(number, set()).add(name)
        return tried

    def _lines(
        self, number: int, opened: datetime | None, scores: pl.DataFrame | None
    ) -> Iterator[Line]:
        from numebot_dagster.reporting.pages.round import Line

        values, tried = _by_model(scores), self._tried.get(number, set())
        for name in [*(n for n in self.models if n in tried), *sorted(tried - set(self.models))]:
            cell, model = self.standings[name, number], self.models.get(name)
            receipt = cell.receipt
            if receipt is None:
                continue
            state, text = standings.state_of(cell)
            vintage = receipt.vintage
            yield Line(
                model=name,
                page=links.model(model) if model else "",
                dagster=links.of_line(model, number) if model else {},
                weights_page=links.weights(model, vintage) if model and vintage else "",
                state=state,
                text=text,
                rung=receipt.rung,
                vintage=vintage,
                rows=receipt.rows,
                filename=receipt.filename or "",
                sha256=receipt.predictions_sha256 or "",
                moments={} if opened is None else moments_of(receipt, opened),
                predict_seconds=receipt.predict_seconds,
                memory_mb=receipt.peak_memory_mb,
                verdicts=_verdicts(receipt),
                scores=values.get(name, {}),
            )


def moments_of(receipt: Receipt, opened: datetime) -> dict[str, float]:
    """Return when things happened, in seconds since the round opened, in their order.

    Predictions are timed by this machine's clock: where the order is not possible by the round's
    own, as in a practice tournament of another year, they are left out.
    """
    times = {
        "submitted": receipt.submitted_at,
        "accepted": receipt.accepted_at,
        "confirmed": receipt.confirmed_at,
    }
    sent = {event: time for event, time in times.items() if time is not None}
    predicted, seconds = receipt.predicted_at, receipt.predict_seconds
    if predicted is not None and seconds is not None:
        started = predicted - timedelta(seconds=seconds)
        if opened <= started and predicted <= min(sent.values(), default=predicted):
            sent = {"predicting": started, "predicted": predicted, **sent}
    return {event: (time - opened).total_seconds() for event, time in sent.items()}


def _verdicts(receipt: Receipt) -> list[Verdict]:
    from numebot_dagster.reporting.pages.round import Verdict

    judged = gates.from_text(receipt.gates)
    return [Verdict(gate.name, gate.passed, gate.text) for gate in judged]


def _by_model(scores: pl.DataFrame | None) -> dict[str, dict[str, Value]]:
    """Return the newest scores of a round by model and metric."""
    from numebot_dagster.reporting.pages.round import Value

    values: dict[str, dict[str, Value]] = {}
    if scores is not None:
        columns = scores.select("model", "metric", "value", "day", "version", "resolved")
        for model, metric, *score in columns.iter_rows():
            values.setdefault(model, {})[metric] = Value(*score)
    return values


def _rules(score_configs: str | None) -> Iterator[Rule]:
    """Yield the rules that can be read of what Numerai said of the round."""
    from numebot_dagster.reporting.pages.round import Rule

    for config in _configs(score_configs):
        name = isinstance(config, dict) and (config.get("display_name") or config.get("name"))
        if name and config.get("is_payout") is True:
            figures = ("version", "total_score_days", "default_multiplier")
            limits = ("clip_threshold", "payout_factor")
            yield Rule(str(name), *(_plain(config.get(key)) for key in (*figures, *limits)))


def _configs(score_configs: str | None) -> Sequence[Any]:
    """Return what Numerai said of the scores; nothing of what is no list, or no JSON at all."""
    try:
        configs = json.loads(score_configs or "[]")
    except ValueError:
        return []
    return configs if isinstance(configs, list) else []


def _plain(figure: object) -> str:
    """Return a figure of a round as text, a number without trailing zeros."""
    if isinstance(figure, float):
        return f"{figure:g}"
    return "" if figure is None else str(figure)


def _metrics(score_configs: str | None, scores: pl.DataFrame | None) -> Sequence[str]:
    """Return the paid metrics first, then the others that have a score."""
    paid = [rule.metric for rule in _rules(score_configs)]
    scored = [] if scores is None else sorted(scores["metric"].unique())
    plain = [name for name in scored if name not in paid and not name.startswith("canon_")]
    return [*(name for name in paid if name in scored), *plain]
