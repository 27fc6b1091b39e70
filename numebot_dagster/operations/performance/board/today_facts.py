"""Gather what the page Today shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog, files
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.outlook import following_opening
from numebot_dagster.operations.health.status import Moment, RoundModel, Standing, WeightsStatus
from numebot_dagster.operations.performance import due
from numebot_dagster.operations.performance.board import links, money_facts, needs, standings
from numebot_dagster.operations.performance.board.money_facts import Accounts
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.today import (
        Band,
        Cell,
        Change,
        Notice,
        Row,
        Tile,
        Today,
    )

ROUNDS_SHOWN = 30
ROUNDS_TO_ACT_ON = 2
CHANGES_SHOWN = 8
NOTICES_SHOWN = 5

_NEWEST_SCORES = "select max(date) as day from scores where value is not null"
_FIRST_ROUND = "select min(round), min(score_time) from rounds"
_CHANGES = """
with paid as (
    select distinct metric from paid_metrics
), moves as (
    select model, round, day, metric, version, value, percentile, date,
        value - lag(value) over (partition by model, round, metric, version order by day) as change
    from scores
    where date > (select max(date) from scores where value is not null) - 10
        and (not exists (from paid) or metric in (from paid)) and value is not null
)
select * from moves where date = (select max(date) from moves)
order by abs(coalesce(change, value)) desc, model, round limit ?
"""


def today(platform: Platform, at: Moment, accounts: Accounts) -> Today:
    """Return all that the page shows."""
    from numebot_dagster.reporting.pages.today import Today

    recent, weights = _Recent.of(platform, at), status.weights_status(platform)
    newest = catalog.query(platform.lake, _NEWEST_SCORES)["day"][0]
    is_overdue = needs.are_scores_overdue(platform, newest, at.now)
    first = "" if newest else due.first_scores(*catalog.query(platform.lake, _FIRST_ROUND).row(0))
    newest_rounds = recent.rounds[-ROUNDS_TO_ACT_ON:]
    tried = [cell for number in newest_rounds for cell in recent.of_round(number)]
    return Today(
        band=_band(recent, _following(platform, at)),
        needs=[
            *needs.of_numerai(at),
            *needs.of_rounds(tried, at),
            *needs.of_weights(weights),
            *(needs.of_scores(newest) if is_overdue else ()),
            *needs.of_money(accounts.book),
        ],
        tiles=[
            money_facts.at_stake(accounts.book),
            money_facts.pending(accounts),
            _weights(weights),
            _scores(newest, first, is_overdue=is_overdue),
            _disk(platform),
        ],
        rounds=recent.rounds,
        rows=_rows(recent),
        changes=_changes(platform),
        first_scores=first,
        notices=_notices(platform),
    )


@dataclass(frozen=True)
class _Recent:
    """The last rounds and how the models stand in them.

    Attributes:
        rounds: numbers, oldest first.
        times: when each opens and closes.
        models: the names, by stake.
        standings: by model and round; a model that did not take part has none.
    """

    at: Moment
    rounds: Sequence[int]
    times: Mapping[int, tuple[datetime, datetime]]
    models: Sequence[str]
    pages: Mapping[str, str]
    standings: Mapping[tuple[str, int], RoundModel]

    @classmethod
    def of(cls, platform: Platform, at: Moment) -> _Recent:
        """Read them from the lake."""
        frame = catalog.query(
            platform.lake,
            "select round, open_time, close_staking_time from rounds order by round desc limit ?",
            [ROUNDS_SHOWN],
        )
        times = {number: (opens, closes) for number, opens, closes in frame.iter_rows()}
        opened = at.open_round
        if opened is not None and opened.open_time and opened.close_staking_time:
            times[opened.number] = (opened.open_time, opened.close_staking_time)
        rounds = sorted(times)[-ROUNDS_SHOWN:]
        stakes = standings.stakes(platform)
        registered = platform.registry.submitting
        models = sorted(registered, key=lambda model: -stakes.get(model.name, 0))
        return cls(
            at,
            rounds,
            times,
            [model.name for model in models],
            {model.name: links.model(model) for model in models},
            standings.standings(platform, rounds),
        )

    @cached_property
    def newest(self) -> int | None:
        """The open round, or the last one."""
        return self.rounds[-1] if self.rounds else None

    def of_round(self, number: int) -> list[RoundModel]:
        """Return how the models stand in a round that have tried it."""
        keys = ((model, number) for model in self.models)
        return [self.standings[key] for key in keys if key in self.standings]


def _following(platform: Platform, at: Moment) -> datetime | None:
    """Return when the next round is expected, if none is open and Numerai answers."""
    return None if at.open_round or at.problem else following_opening(platform, at.now)


def _band(recent: _Recent, following: datetime | None) -> Band:
    from numebot_dagster.reporting.pages.today import Band

    if recent.newest is None:
        return Band(None, None, None, None, 0, 0)
    cells = recent.of_round(recent.newest)
    confirmed = sum(cell.standing is Standing.CONFIRMED for cell in cells)
    rest = [cell.standing.value for cell in cells if cell.standing is not Standing.CONFIRMED]
    rest += ["not tried yet"] * (len(recent.models) - len(cells))
    texts = (f"{rest.count(name)} {name}" for name in dict.fromkeys(rest))
    opens, closes = recent.times[recent.newest]
    return Band(
        recent.newest, opens, closes, following, confirmed, len(recent.models), ", ".join(texts)
    )


def _weights(weights: Sequence[WeightsStatus]) -> Tile:
    from numebot_dagster.reporting.pages.page import age
    from numebot_dagster.reporting.pages.today import Tile

    trained = [(each.trained_at, each) for each in weights if each.trained_at]
    if not trained:
        return Tile("weights", "none", "numebot train makes some", "warn")
    moment, oldest = min(trained, key=lambda each: each[0])
    # By this machine's clock, as the training was: practice may live in another year.
    passed = age(moment, datetime.now(moment.tzinfo))
    policy = f", of {oldest.retrain_weeks:g} weeks" if oldest.retrain_weeks else ""
    style = "warn" if any(model.problem for model in weights) else ""
    return Tile("oldest weights", passed, f"{oldest.model}{policy}", style)


def _scores(newest: date | None, first: str, *, is_overdue: bool) -> Tile:
    from numebot_dagster.reporting.pages.today import Tile

    if newest is None:
        return Tile("scores", "none yet", first or "read every day by numebot up")
    return Tile(
        "scores",
        f"{newest:%a} {newest.day} {newest:%b}",
        f"next: {due.in_words(due.next_day(newest))}",
        "warn" if is_overdue else "",
    )


def _disk(platform: Platform) -> Tile:
    from numebot_dagster.reporting.pages.today import Tile

    free = files.free_bytes(platform.lake.root) / 1e9
    return Tile("disk", f"{free:,.0f} GB", "free", "warn" if free < 10 else "")


def _rows(recent: _Recent) -> list[Row]:
    from numebot_dagster.reporting.pages.today import Row

    return [
        Row(
            model,
            recent.pages[model],
            {
                number: _cell(recent.standings.get((model, number)), recent, number)
                for number in recent.rounds
            },
        )
        for model in recent.models
    ]


def _cell(cell: RoundModel | None, recent: _Recent, number: int) -> tuple[Cell, str]:
    from numebot_dagster.reporting.pages.today import Cell

    if cell is None:
        opened = recent.at.open_round
        is_open = opened is not None and opened.number == number
        return (Cell.OPEN, "open") if is_open else (Cell.NOTHING, "not played")
    return standings.state_of(cell)


def _changes(platform: Platform) -> list[Change]:
    from numebot_dagster.reporting.pages.today import Change

    pages = {model.name: links.model(model) for model in platform.registry.models}
    frame = catalog.query(platform.lake, _CHANGES, [CHANGES_SHOWN])
    return [
        Change(
            row["model"],
            pages.get(row["model"], ""),
            row["round"],
            row["day"],
            row["metric"],
            row["version"],
            row["value"],
            row["change"],
            row["percentile"],
        )
        for row in frame.iter_rows(named=True)
    ]


def _notices(platform: Platform) -> list[Notice]:
    from numebot_dagster.reporting.pages.today import Notice

    newest = catalog.query(
        platform.lake,
        "select title, text, raised_at from alerts order by raised_at desc limit ?",
        [NOTICES_SHOWN],
    )
    return [Notice(title, text, raised_at) for title, text, raised_at in newest.iter_rows()]
