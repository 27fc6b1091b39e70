"""Draw who plays beside the user: good, bad and lazy participants, copies, and their stakes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache

import numpy as np

from numebot_dagster.practice.market.randomness import Stream, generator

# NMR that all participants together have at stake, by the payout factors of 2026. Under the
# current rules it is spread over the rounds that are unresolved at a time.
TOTAL_STAKE = 700_000
ROUNDS_AT_STAKE = 64
# Standard deviation of a stake's logarithm: the largest of 36 holds a tenth to a third of all.
STAKE_SPREAD = 1.1
EXAMPLE_MODEL = "v53_lgbm_ender60"


class Attendance(StrEnum):
    """When a participant's file for a round came."""

    ON_TIME = "on-time"
    LATE = "late"
    ABSENT = "none"


@dataclass(frozen=True)
class Participant:
    """One model of someone else's.

    Attributes:
        number: Tells opinions and attendance of participants apart, from 1.
        account: Who owns it; some own several.
        skill: From 1, as good as the crowd, over 0, noise, to -1, the opposite.
        on_time: Share of the rounds for which the file comes in the window.
        late: Share of the rounds for which it comes after.
        copies: Whose predictions it hands in as its own: a participant or the example model.
        stake: NMR at stake in all.
        edge: Correlation with what earns returns and no feature shows: lasting skill of its own.
    """

    number: int
    name: str
    account: str
    skill: float
    on_time: float
    late: float
    copies: str | None
    stake: Decimal
    edge: float = 0.0

    @property
    def stake_of_a_round(self) -> Decimal:
        """NMR on each round under the current rules."""
        return (self.stake / ROUNDS_AT_STAKE).quantize(Decimal("0.0001"))


# Skill, share of rounds on time and late, and whose copy: a line for each participant. The good
# ones never miss a round, so that some meta model exists for each.
_ALWAYS = (1.0, 0.0)
_CHARACTERS: tuple[tuple[float, tuple[float, float], str | None], ...] = (
    *((skill, _ALWAYS, None) for skill in np.linspace(1.0, 0.6, 10).tolist()),
    *((skill, _ALWAYS, None) for skill in np.linspace(0.55, 0.1, 8).tolist()),
    *((0.0, _ALWAYS, None) for _ in range(3)),
    *((skill, _ALWAYS, None) for skill in (-0.3, -0.8)),
    (0.0, _ALWAYS, EXAMPLE_MODEL),
    (0.0, _ALWAYS, EXAMPLE_MODEL),
    (0.0, (0.8, 0.1), EXAMPLE_MODEL),
    (0.0, _ALWAYS, "rival_01"),
    (0.0, (0.9, 0.0), "rival_04"),
    *((skill, (0.7, 0.25), None) for skill in (0.9, 0.5, 0.2)),  # often late
    (0.6, (0.0, 1.0), None),  # always late
    *((skill, (0.5, 0.05), None) for skill in (0.8, 0.4)),  # often absent
    (0.7, (0.2, 0.0), None),  # the weekly player: absent from most daily rounds
    (0.3, (0.0, 0.0), None),  # gave up, and left the stake standing
)
# What some know alone, by their number: it makes an MMC60 that lasts, of up to .01.
_EDGES = {5: 0.3, 9: 0.35, 14: 0.4}
_ACCOUNTS = {1: "northern_fund", 4: "northern_fund", 11: "northern_fund", 24: "fork_farm",
             25: "fork_farm", 26: "fork_farm"}  # fmt: skip


@cache
def population(seed: int) -> tuple[Participant, ...]:
    """Return the participants of a seed; what they are is the same for all, stakes are drawn.

    Stakes are heavy-tailed, and those who know more have more.
    """
    skills = np.array([skill for skill, _, _ in _CHARACTERS])
    draws = generator(seed, Stream.STAKES).lognormal(0.0, STAKE_SPREAD, len(skills))
    weights = draws * (0.4 + np.clip(skills, 0.0, None)) ** 2
    stakes = weights / weights.sum() * TOTAL_STAKE
    participants = []
    for number, ((skill, (on_time, late), copies), stake) in enumerate(
        zip(_CHARACTERS, stakes.tolist(), strict=True), start=1
    ):
        name = f"rival_{number:02d}"
        account = _ACCOUNTS.get(number, name)
        amount = Decimal(f"{stake:.4f}")
        edge = _EDGES.get(number, 0.0)
        participants.append(
            Participant(number, name, account, skill, on_time, late, copies, amount, edge)
        )
    return tuple(participants)


@cache
def attendance(seed: int, opened: date) -> dict[str, Attendance]:
    """Return when each participant's file for the round of a date came."""
    people = population(seed)
    draws = generator(seed, Stream.ATTENDANCE, opened.toordinal()).random(len(people))
    return {
        person.name: (
            Attendance.ON_TIME
            if draw < person.on_time
            else Attendance.LATE
            if draw < person.on_time + person.late
            else Attendance.ABSENT
        )
        for person, draw in zip(people, draws.tolist(), strict=True)
    }


def standing_of(seed: int, name: str, opened: date) -> tuple[Attendance, date]:
    """Return what a participant has in a round, and the round that its file was made for.

    A file that came late for the round before is carried over as this one's on-time entry, unless
    another came in the window.
    """
    here = attendance(seed, opened)[name]
    before = previous_opening(opened)
    if here is not Attendance.ON_TIME and attendance(seed, before)[name] is Attendance.LATE:
        return Attendance.ON_TIME, before
    return here, opened


def previous_opening(opened: date) -> date:
    """Return the date on which the round before opened: Tuesday follows Saturday."""
    tuesday = 1
    return opened - timedelta(days=3 if opened.weekday() == tuesday else 1)
