"""The events of the calendar that a clock which stands still can be moved to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from numebot_dagster.practice.rules.clock import Refused, Round, RoundStatus, next_publication

if TYPE_CHECKING:
    from numebot_dagster.practice.rules.tournament import Tournament

# A client that measures the clock by the Date header is off by a fraction of a second: land after
# the event, never on it.
_A_SECOND = timedelta(seconds=1)


def instant_of(tournament: Tournament, event: str) -> datetime:
    """Returns the second after an event; see `Tournament.advance`.

    Raises:
        Refused: It is not understood, or there is nothing to wait for.
    """
    now = tournament.clock.now()
    newest = tournament.newest(now)
    following = tournament.round(newest.number + 1)
    if event == "next-open":
        return following.open_time + _A_SECOND
    if event == "next-close":
        open_now = now < newest.close_staking_time
        return (newest if open_now else following).close_staking_time + _A_SECOND
    if event == "next-score":
        return next_publication(now) + _A_SECOND
    if event == "resolve":
        return _first_to_resolve(tournament, now).resolve_time + _A_SECOND
    try:
        return datetime.fromisoformat(event)
    except ValueError as error:
        raise Refused(
            f"{event!r} is neither next-open, next-close, next-score, resolve "
            "nor an instant such as 2026-06-02T12:00:00Z"
        ) from error


def _first_to_resolve(tournament: Tournament, now: datetime) -> Round:
    """Returns the first unresolved round with a submission of a user's model."""
    numbers = {
        number for model in tournament.models_of_users() for number in tournament.selected(model.id)
    }
    rounds = [tournament.round(number) for number in sorted(numbers)]
    waiting = [one for one in rounds if one.status(now) is not RoundStatus.RESOLVED]
    if not waiting:
        raise Refused("no unresolved round has a submission; upload one first")
    return min(waiting, key=lambda one: (one.resolve_time, one.number))
