"""Choose rounds from lists of rounds, by pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from numebot_dagster.numerai.records import Round

SATURDAY = 5

Interest = Literal["every", "weekend"]


def new_rounds(rounds: Iterable[Round], cursor: int | None) -> list[Round]:
    """Return the rounds with a number above `cursor` (all without one), oldest first."""
    fresh = {round_.number: round_ for round_ in rounds if cursor is None or round_.number > cursor}
    return [fresh[number] for number in sorted(fresh)]


def round_to_play(rounds: Iterable[Round], now: datetime) -> Round | None:
    """Return the newest round that accepts on-time submissions at `now` (aware UTC), if any."""
    return max(
        (round_ for round_ in rounds if round_.is_open(now)),
        key=lambda round_: round_.number,
        default=None,
    )


def is_weekend_round(round_: Round) -> bool:
    """Return whether the round opens on a Saturday and so stays open until Sunday."""
    return round_.open_time.weekday() == SATURDAY


def rounds_of_interest(rounds: Iterable[Round], interest: Interest) -> list[Round]:
    """Return the rounds that a participant plays: all, or those of the weekend only."""
    return [round_ for round_ in rounds if interest == "every" or is_weekend_round(round_)]
