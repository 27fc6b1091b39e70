"""Gather what the page Today shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog, files
from numebot_dagster.operations.causes import by_cause, names_of, one_line, rounds_of
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.status import Moment, RoundModel, Standing, WeightsStatus
from numebot_dagster.operations.performance.board import links, standings
from numebot_dagster.operations.performance.board.standings import BAD
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import counted, nmr
from numebot_dagster.submissions.receipts import Rung

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.today import (
        Band,
        Cell,
        Change,
        Need,
        Notice,
        Row,
        Tile,
        Today,
    )

ROUNDS_SHOWN = 30
ROUNDS_TO_ACT_ON = 2
CHANGES_SHOWN = 8
NOTICES_SHOWN = 5

_LEADERBOARD_DAY = "select max(date) as day from leaderboard"
_PENDING = """
select sum(payout_nmr) as pending, count(distinct round) as rounds from payouts
where not settled and date = (select max(date) from payouts)
"""
_CHANGES = """
with paid as (
    select distinct metric from paid_metrics
), moves as (
    select model, round, day, metric, value, percentile, date,
        value - lag(value) over (partition by model, round, metric, version order by day) as change
    from scores
    where date > (select max(date) from scores where value is not null) - 10
        and (not exists (from paid) or metric in (from paid)) and value is not null
)
select * from moves where date = (select max(date) from moves)
order by abs(coalesce(change, value)) desc, model, round limit ?
"""


def today(platform: Platform, at: Moment) -> Today:
    """Return all that the page shows."""
    from numebot_dagster.reporting.pages.today import Today

    recent, weights = _Recent.of(platform, at), status.weights_status(platform)
    return Today(
        band=_band(recent),
        needs=[*_needs(recent), *_weights_needs(weights)],
        tiles=[*_money(platform), *_freshness(platform, at, weights)],
        rounds=recent.rounds,
        rows=_rows(recent),
        changes=_changes(platform),
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

    def in_round(self, number: int) -> list[RoundModel]:
        """Return how the models stand in a round that have tried it."""
        keys = ((model, number) for model in self.models)
        return [self.standings[key] for key in keys if key in self.standings]


def _band(recent: _Recent) -> Band:
    from numebot_dagster.reporting.pages.today import Band

    if recent.newest is None:
        return Band(None, None, None, 0, 0)
    cells = recent.in_round(recent.newest)
    confirmed = sum(cell.standing is Standing.CONFIRMED for cell in cells)
    rest = [cell.standing.value for cell in cells if cell.standing is not Standing.CONFIRMED]
    rest += ["not tried yet"] * (len(recent.models) - len(cells))
    texts = (f"{rest.count(name)} {name}" for name in dict.fromkeys(rest))
    opens, closes = recent.times[recent.newest]
    return Band(recent.newest, opens, closes, confirmed, len(recent.models), ", ".join(texts))


def _needs(recent: _Recent) -> Iterator[Need]:
    """Yield the failures of the last rounds, each cause once."""
    from numebot_dagster.reporting.pages.today import Need

    groups: dict[tuple[Standing, int], list[RoundModel]] = {}
    for number in recent.rounds[-ROUNDS_TO_ACT_ON:]:
        for cell in recent.in_round(number):
            if cell.standing in BAD or (cell.receipt and cell.receipt.rung is not Rung.LIVE):
                groups.setdefault((cell.standing, number), []).append(cell)
    for (standing, number), cells in groups.items():
        is_open = recent.at.open_round is not None and recent.at.open_round.number == number
        how = standing if standing in BAD else "on a lower rung"
        what = f"{how} in {rounds_of([number]).lower()}"
        for cause in by_cause((cell.model, cell.reason) for cell in cells):
            yield Need(
                names_of(cause.models),
                f"{what}: {one_line(cause.text)}" if cause.text else what,
                links.command_of_round(number, cause.models) if is_open else "",
                links.round_(number),
            )


def _weights_needs(weights: Sequence[WeightsStatus]) -> Iterator[Need]:
    from numebot_dagster.reporting.pages.today import Need

    for cause in by_cause((model.model, model.problem) for model in weights if model.problem):
        text, _, command = cause.text.rpartition(": ")
        is_command = command.startswith("numebot ")
        yield Need(
            names_of(cause.models),
            text if is_command else cause.text,
            command if is_command else "",
        )


def _money(platform: Platform) -> Iterator[Tile]:
    from numebot_dagster.reporting.pages.today import Tile

    total = sum(standings.stakes(platform).values())
    day = catalog.query(platform.lake, _LEADERBOARD_DAY)["day"][0]
    note = "the leaderboard was not read yet" if day is None else f"{day:%a} {day.day} {day:%b}"
    yield Tile("at stake", f"{total:,.1f} NMR" if total else "nothing", note)
    pending, rounds = catalog.query(platform.lake, _PENDING).row(0)
    yield Tile(
        "pending", nmr(pending), counted(rounds, "open round") if rounds else "no open round"
    )


def _freshness(platform: Platform, at: Moment, weights: Sequence[WeightsStatus]) -> Iterator[Tile]:
    from numebot_dagster.reporting.pages.page import age
    from numebot_dagster.reporting.pages.today import Tile

    trained = [(model.trained_at, model.model) for model in weights if model.trained_at]
    if trained:
        # By this machine's clock, as the training was: practice may live in another year.
        oldest, name = min(trained)
        passed = age(oldest, datetime.now(oldest.tzinfo))
        yield Tile(
            "oldest weights", passed, name, "warn" if any(m.problem for m in weights) else ""
        )
    else:
        yield Tile("weights", "none", "numebot train makes some", "warn")
    newest = catalog.query(
        platform.lake, "select max(date) as day from scores where value is not null"
    )["day"][0]
    note = (
        "read every day by numebot up"
        if newest is None
        else f"{(at.now.date() - newest).days} days ago"
    )
    yield Tile(
        "scores", "none yet" if newest is None else f"{newest:%a} {newest.day} {newest:%b}", note
    )
    free = files.free_bytes(platform.lake.root) / 1e9
    yield Tile("disk", f"{free:,.0f} GB", "free", "warn" if free < 10 else "")


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
