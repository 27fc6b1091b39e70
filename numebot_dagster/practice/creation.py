"""A practice tournament's folder: made once, opened again and again."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from numebot_dagster.practice.clock import PRACTICE_START, Refused
from numebot_dagster.practice.market import SMALL, Market
from numebot_dagster.practice.state import Model, State, Token
from numebot_dagster.practice.tournament import ACCOUNT, BENCHMARK, RIVAL, Tournament

SCALES = {"small": SMALL}
SCOPES = ("upload_submission", "download_submission", "read_submission_info", "read_user_info")
RIVALS = 12
BENCHMARKS = ("v53_lgbm_ender20", "v53_lgbm_ender60")
_KEY_LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Plan:
    """What a new practice tournament is made of; an existing one must agree on seed and scale.

    Attributes:
        seed: Decides the market, the rivals and all identifiers.
        scale: A name in `SCALES`.
        start: Where a clock that stands still begins.
        models: Names of the account's models.
        stakes: What is staked on each round from the start, by model name, in NMR.
        real_clock: Whether the clock follows the wall clock.
    """

    seed: int = 0
    scale: str = "small"
    start: datetime = PRACTICE_START
    models: Sequence[str] = ("example_model", "lightgbm_model")
    stakes: Mapping[str, str] = field(default_factory=dict)
    real_clock: bool = False


@dataclass(frozen=True)
class Credentials:
    """The account's first API key."""

    public_id: str
    secret_key: str

    def __repr__(self) -> str:
        """Shows the public half only."""
        return f"Credentials({self.public_id})"


def open_tournament(folder: Path, plan: Plan) -> Tournament:
    """Continues the practice tournament in ``folder``, or makes a new one.

    Raises:
        Refused: The scale is unknown, or the folder holds a tournament of another seed or scale.
    """
    if plan.scale not in SCALES:
        raise Refused(f"there is no scale {plan.scale}; choose one of {', '.join(SCALES)}")
    state = State(folder)
    if "seed" not in state.settings:
        with state.transaction():  # a tournament is made entirely or not at all
            _found(state, plan)
            tournament = _tournament(state, plan)
            for model, nmr in plan.stakes.items():
                tournament.set_position(model, nmr, None)
    held = dict(state.settings)
    for name, asked in (("seed", str(plan.seed)), ("scale", plan.scale)):
        if held[name] != asked:
            state.close()
            raise Refused(
                f"{folder} holds a practice tournament with {name} {held[name]}, not {asked}: "
                f"pass --{name} {held[name]} to continue it, or choose another --folder"
            )
    return _tournament(state, plan)


def _tournament(state: State, plan: Plan) -> Tournament:
    start = datetime.fromisoformat(state.settings["start"]).date()
    return Tournament(state, Market(plan.seed, SCALES[plan.scale], start))


def credentials(tournament: Tournament) -> Credentials:
    """Returns the account's first API key."""
    row = tournament.state.rows(
        "SELECT * FROM tokens WHERE account = ? ORDER BY rowid LIMIT 1", ACCOUNT
    )[0]
    return Credentials(row["public_id"], row["secret_key"])


def _found(state: State, plan: Plan) -> None:
    start = (datetime.now(UTC) if plan.real_clock else plan.start).astimezone(UTC)
    state.settings.update(
        {
            "seed": str(plan.seed),
            "scale": plan.scale,
            "start": start.isoformat(),
            "now": start.isoformat(),
            "clock": "real" if plan.real_clock else "still",
            "available_nmr": "100",
            "nmr_price_usd": "12.00",
            "link_key": secrets.token_hex(32),
        }
    )
    key = "".join(secrets.choice(_KEY_LETTERS) for _ in range(32))
    secret = "".join(secrets.choice(_KEY_LETTERS) for _ in range(64))
    state.add_token(Token(key, ACCOUNT, "practice", SCOPES), secret)
    for name in plan.models:
        identifier = state.identifier("model", name)
        state.add_model(Model(identifier, name, ACCOUNT, "user", 0.0, 0, start))
    _add_others(state, plan.seed, start)


def _add_others(state: State, seed: int, start: datetime) -> None:
    """Adds the benchmarks and the rivals: skills from noise to the crowd's, heavy-tailed stakes."""
    for name in BENCHMARKS:
        identifier = state.identifier("model", name)
        state.add_model(Model(identifier, name, "numerai", BENCHMARK, 0.0, 0, start))
    generator = np.random.default_rng([seed, 12])
    stakes = generator.lognormal(mean=1.0, sigma=1.5, size=RIVALS)
    for number, (skill, stake) in enumerate(
        zip(np.linspace(0.0, 1.0, RIVALS), stakes, strict=True), start=1
    ):
        name = f"rival_{number:02d}"
        identifier = state.identifier("model", name)
        state.add_model(Model(identifier, name, name, RIVAL, float(skill), number, start))
        state.set_position(identifier, 0, Decimal(f"{stake:.4f}"), only=False)
