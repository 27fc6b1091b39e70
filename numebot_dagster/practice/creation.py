"""Create the folder of a practice tournament, and open it again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from numebot_dagster.practice.market.market import FULL, SMALL, Market, Scale
from numebot_dagster.practice.market.population import population
from numebot_dagster.practice.rules.clock import PRACTICE_START, Pace, Refused, newest_opened
from numebot_dagster.practice.rules.keys import add_key
from numebot_dagster.practice.rules.state import Model, State
from numebot_dagster.practice.rules.tournament import ACCOUNT, BENCHMARK, RIVAL, USER, Tournament

SCALES = {"small": SMALL, "full": FULL}
SCOPES = ("upload_submission", "download_submission", "read_submission_info", "read_user_info")
# To be increased when folders made by an older version can no longer be continued.
FORMAT = "3"
BENCHMARKS = ("v53_lgbm_ender20", "v53_lgbm_ender60")


@dataclass(frozen=True)
class Plan:
    """Describes a new practice tournament; an existing one must have the same seed and scale.

    Attributes:
        seed: Decides the market, the rivals and all identifiers.
        scale: A name in `SCALES`.
        start: The start of a clock that stands still.
        models: Names of the account's models.
        stakes: The stake on each round from the start, by model name, in NMR.
        real_clock: Whether the clock follows the wall clock.
        open_now: Whether a round opens at once, on any day; needs `real_clock`.
        rules_change_at: The first round with the current rules; rounds before it carry the former
            ones. None: all carry the current rules.
        minutes_a_round: Minutes of wall time between two openings when the clock plays the calendar
            by itself; 0 when it does not.
    """

    seed: int = 0
    scale: str = "small"
    start: datetime = PRACTICE_START
    models: Sequence[str] = ("example_model", "lightgbm_model")
    stakes: Mapping[str, str] = field(default_factory=dict)
    real_clock: bool = False
    rules_change_at: int | None = None
    minutes_a_round: float = 0.0
    open_now: bool = False

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "start": datetime.fromisoformat(values["start"])})

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps({**asdict(self), "start": self.start.isoformat()})


@dataclass(frozen=True)
class Credentials:
    """The account's first API key."""

    public_id: str
    secret_key: str

    def __repr__(self) -> str:
        """Show the public half only."""
        return f"Credentials({self.public_id})"


def open_tournament(folder: Path, plan: Plan) -> Tournament:
    """Continue the practice tournament in a folder, or create a new one.

    Raises:
        Refused: The plan is not possible, or the folder holds a tournament of another plan.
    """
    if plan.scale not in SCALES:
        raise Refused(f"there is no scale {plan.scale}; choose one of {', '.join(SCALES)}")
    if plan.open_now and not plan.real_clock:
        raise Refused("only with the real clock can a round be opened at once: add --real-clock")
    state = State(folder)
    try:
        if "seed" not in state.settings:
            with state.transaction():  # a tournament is created entirely or not at all
                _create(state, plan)
                tournament = _tournament(state, plan)
                for model, nmr in plan.stakes.items():
                    tournament.set_position(model, nmr, None)
        _check(state.settings, plan, folder)
        tournament = _tournament(state, plan)
        if plan.open_now:
            tournament.timetable.deadlines.open_now()
    except Refused:
        state.close()
        raise
    return tournament


def _check(settings: Mapping[str, str], plan: Plan, folder: Path) -> None:
    """Refuse a tournament of another version, seed, scale or clock than the plan's."""
    if settings.get("format") != FORMAT:
        raise Refused(
            f"{folder} holds a practice tournament of another version of this software; choose "
            "another --folder, or remove this one"
        )
    for name, planned in (("seed", str(plan.seed)), ("scale", plan.scale)):
        if settings[name] != planned:
            raise Refused(
                f"{folder} holds a practice tournament with {name} {settings[name]}, not "
                f"{planned}: pass --{name} {settings[name]} to continue it, or choose another "
                "--folder"
            )
    clock = settings["clock"]
    planned = "paced" if plan.minutes_a_round else "real" if plan.real_clock else clock
    if clock != planned:
        raise Refused(
            f"{folder} holds a practice tournament whose clock is {clock}, not {planned}, and "
            "cannot be changed: continue the tournament without that option, or choose another "
            "--folder"
        )


def _tournament(state: State, plan: Plan) -> Tournament:
    start = datetime.fromisoformat(state.settings["start"]).date()
    return Tournament(state, shared_market(plan.seed, SCALES[plan.scale], start))


@lru_cache(maxsize=2)
def shared_market(seed: int, scale: Scale, start: date) -> Market:
    """Return a market; tournaments of one process share it, and what it has computed."""
    return Market(seed, scale, start)


def credentials(tournament: Tournament) -> Credentials:
    """Return the account's first API key."""
    row = tournament.state.rows(
        "SELECT * FROM tokens WHERE account = ? ORDER BY rowid LIMIT 1", ACCOUNT
    )[0]
    return Credentials(row["public_id"], row["secret_key"])


def _create(state: State, plan: Plan) -> None:
    start = (datetime.now(UTC) if plan.real_clock else plan.start).astimezone(UTC)
    clock = "real" if plan.real_clock else "still"
    if plan.minutes_a_round:
        pace, clock = _pace(plan), "paced"
        start = pace.at(time.time())
        state.settings["pace"] = f"{pace.first} {pace.began!r} {pace.seconds!r}"
    state.settings.update(
        {
            "format": FORMAT,
            "seed": str(plan.seed),
            "scale": plan.scale,
            "start": start.isoformat(),
            "now": start.isoformat(),
            "clock": clock,
            "rules_change_at": str(plan.rules_change_at or ""),
            "available_nmr": "100",
            "wallet_nmr": "10000",
            "nmr_price_usd": "12.00",
            "link_key": secrets.token_hex(32),
        }
    )
    add_key(state, "practice", SCOPES)
    for name in plan.models:
        identifier = state.identifier("model", name)
        state.add_model(Model(identifier, name, ACCOUNT, USER, start))
    _add_others(state, plan, start)


def _pace(plan: Plan) -> Pace:
    """Return a pace that begins when the window of the round before the start has closed."""
    if plan.minutes_a_round < 0 or plan.real_clock:
        raise Refused(
            "the minutes between two rounds must be above 0, and cannot be combined with the real "
            "clock"
        )
    before = newest_opened(plan.start.astimezone(UTC)).number
    pace = Pace(before, 0.0, 60 * plan.minutes_a_round)
    return replace(pace, began=time.time() - pace.window.total_seconds())


def _add_others(state: State, plan: Plan, start: datetime) -> None:
    """Add the benchmarks and the other participants with their stakes.

    Under the former rules the whole stake was at risk in each round.
    """
    for name in BENCHMARKS:
        identifier = state.identifier("model", name)
        state.add_model(Model(identifier, name, "numerai", BENCHMARK, start))
    first_round = plan.rules_change_at or 0
    for rival in population(plan.seed):
        identifier = state.identifier("model", rival.name)
        state.add_model(Model(identifier, rival.name, rival.account, RIVAL, start))
        if plan.rules_change_at is not None:
            state.set_position(identifier, 0, rival.stake, only=False)
        state.set_position(identifier, first_round, rival.stake_of_a_round, only=False)
