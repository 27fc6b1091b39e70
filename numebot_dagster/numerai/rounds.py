"""Which round to play: pure functions on lists of rounds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from numebot_dagster.numerai.records import Round

SATURDAY = 5

Interest = Literal["every", "weekend"]


def new_rounds(rounds: Iterable[Round], cursor: int | None) -> list[Round]:
    """The rounds with a number above `cursor` (all of them without one), oldest first."""
    fresh = {one.number: one for one in rounds if cursor is None or one.number > cursor}
    return [fresh[number] for number in sorted(fresh)]


def round_to_play(rounds: Iterable[Round], now: datetime) -> Round | None:
    """The newest round that takes on-time submissions at `now` (aware UTC), if any does."""
    return max(
        (one for one in rounds if one.is_open(now)), key=lambda one: one.number, default=None
    )


def is_weekend_round(round_: Round) -> bool:
    """Whether the round opens on a Saturday and so stays open until Sunday."""
    return round_.open_time.weekday() == SATURDAY


def rounds_of_interest(rounds: Iterable[Round], interest: Interest) -> list[Round]:
    """The rounds that a participant plays: every one, or those of the weekend only."""
    return [one for one in rounds if interest == "every" or is_weekend_round(one)]
