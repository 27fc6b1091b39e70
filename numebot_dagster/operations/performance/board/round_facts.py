"""Gather what the pages of rounds show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from numebot_dagster.lake import catalog
from numebot_dagster.operations.health.status import Moment, RoundModel
from numebot_dagster.operations.performance.board import links, standings
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.round import Line, RoundPage, Rule

SETTLED_AFTER = timedelta(days=3)  # for scores that are published late
_TIMES = {
    "opened": "open_time",
    "closed": "close_staking_time",
    "resolves": "resolve_time",
}
# As `selection.newest_scores` chooses: the newest version of a metric in a round, then the newest
# day with a value, as it was published last.
_NEWEST = """
with versions as (
    select *, rank() over (
        partition by model, round, metric
        order by try_cast(regexp_extract(version, '([0-9]+)', 1) as bigint) desc nulls last,
            version desc nulls last
    ) as place
    from scores where round in ({}) and metric is not null and day > 0
)
select model, round, metric, day, value from versions
where place = 1 and value is not null and isfinite(value)
qualify row_number() over (
    partition by model, round, metric order by day desc, date desc, resolved desc
) = 1
"""


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
    newest = catalog.query(platform.lake, _NEWEST.format(", ".join(map(str, numbers))))
    source = _Source(platform, standings.standings(platform, numbers), _by_round(newest))
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
    passed = {
        name: row[column] is not None and row[column] <= now for name, column in _TIMES.items()
    }
    if passed["resolves"]:
        return "resolved"
    if passed["closed"]:
        return "closed, being scored"
    return "open" if passed["opened"] else "not open yet"


def _by_round(scores: pl.DataFrame) -> dict[int, pl.DataFrame]:
    return {int(str(number)): rows for (number,), rows in scores.group_by("round")}


@dataclass(frozen=True)
class _Source:
    """What the pages of some rounds are made of.

    Attributes:
        standings: by model and round.
        scores: the newest ones by round: model, metric, day, value.
    """

    platform: Platform
    standings: Mapping[tuple[str, int], RoundModel]
    scores: Mapping[int, pl.DataFrame]

    def page(self, row: Mapping[str, Any], now: datetime) -> RoundPage:
        """Return what the page of a round shows, by its row of the view `rounds`."""
        from numebot_dagster.reporting.pages.round import RoundPage

        number = row["round"]
        scores = self.scores.get(number)
        lines = list(self._lines(number, row["open_time"], scores))
        return RoundPage(
            number=number,
            status=_status(row, now),
            times={name: row[column] for name, column in _TIMES.items() if row[column]},
            day=None if scores is None else int(str(scores["day"].max())),
            lines=lines,
            rules=list(_rules(row["score_configs"])),
            metrics=_metrics(row["score_configs"], scores),
            # What was not scored yet may still be collected, as after weeks without a run.
            is_final=_is_settled(row, now) and not any(line.waits_for_scores for line in lines),
            command=links.command_of_round(number, ()) if _is_open(row, now) else "",
        )

    def _lines(
        self, number: int, opened: datetime | None, scores: pl.DataFrame | None
    ) -> Iterator[Line]:
        from numebot_dagster.reporting.pages.round import Line

        registered = {model.name: model for model in self.platform.registry.models}
        tried = [name for name, round_number in self.standings if round_number == number]
        for name in [*(n for n in registered if n in tried), *sorted(set(tried) - set(registered))]:
            cell, model = self.standings[name, number], registered.get(name)
            receipt = cell.receipt
            if receipt is None:
                continue
            state, text = standings.state_of(cell)
            times = {
                "submitted": receipt.submitted_at,
                "accepted": receipt.accepted_at,
                "confirmed": receipt.confirmed_at,
            }
            yield Line(
                model=name,
                page=links.model(model) if model else "",
                run=links.submission(model, number) if model else "",
                state=state,
                text=text,
                rung=receipt.rung,
                vintage=receipt.vintage,
                rows=receipt.rows,
                filename=receipt.filename or "",
                sha256=receipt.predictions_sha256 or "",
                moments={
                    event: (time - opened).total_seconds()
                    for event, time in times.items()
                    if time is not None and opened is not None
                },
                predict_seconds=receipt.predict_seconds,
                scores=_scores_of(scores, name),
            )


def _scores_of(scores: pl.DataFrame | None, model: str) -> dict[str, float]:
    if scores is None:
        return {}
    rows = scores.filter(scores["model"] == model)
    return dict(rows.select("metric", "value").rows())


def _rules(score_configs: str | None) -> Iterator[Rule]:
    """Yield the rules that can be read of what Numerai said of the round."""
    from numebot_dagster.reporting.pages.round import Rule

    for config in json.loads(score_configs or "[]"):
        name = isinstance(config, dict) and (config.get("display_name") or config.get("name"))
        if name and config.get("is_payout") is True:
            multiplier = config.get("default_multiplier")
            plain = f"{multiplier:g}" if isinstance(multiplier, (int, float)) else multiplier
            yield Rule(str(name), str(config.get("version") or ""), str(plain or ""))


def _metrics(score_configs: str | None, scores: pl.DataFrame | None) -> Sequence[str]:
    """Return the paid metrics first, then the others that have a score."""
    paid = [rule.metric for rule in _rules(score_configs)]
    scored = [] if scores is None else sorted(scores["metric"].unique())
    plain = [name for name in scored if name not in paid and not name.startswith("canon_")]
    return [*(name for name in paid if name in scored), *plain]
