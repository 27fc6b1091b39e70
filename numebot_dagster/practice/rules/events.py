"""Move a clock that stands still to the events of the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta

from numebot_dagster.practice.rules.clock import Refused, Round, RoundStatus, next_publication
from numebot_dagster.practice.rules.tournament import Tournament

# A client that measures the clock by the Date header is off by a fraction of a second: land after
# the event, never on it.
_A_SECOND = timedelta(seconds=1)


def advance(
    tournament: Tournament, to: str | None = None, days: float = 0, hours: float = 0
) -> datetime:
    """Move the clock forward and return its new time.

    Args:
        tournament: Whose clock.
        to: `next-open`, `next-close`, `next-score`, `resolve` (until the first unresolved round
            with a submission of the user resolves) or an ISO instant; a named event is passed by
            one second.
        days: Days to add, after `to`.
        hours: Hours to add, after `to`.

    Raises:
        Refused: The instant is in the past, not understood, or there is nothing to wait for.
    """
    instant = tournament.clock.now() if to is None else _instant_of(tournament, to)
    return tournament.clock.advance_to(instant + timedelta(days=days, hours=hours))


def _instant_of(tournament: Tournament, event: str) -> datetime:
    """Return the second after an event."""
    now = tournament.clock.now()
    newest = tournament.timetable.newest(now)
    following = tournament.timetable.round(newest.number + 1)
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
    """Return the first unresolved round with a submission of a user's model."""
    numbers = {
        number for model in tournament.models_of_users() for number in tournament.selected(model.id)
    }
    rounds = [tournament.timetable.round(number) for number in sorted(numbers)]
    waiting = [round_ for round_ in rounds if round_.status(now) is not RoundStatus.RESOLVED]
    if not waiting:
        raise Refused("no unresolved round has a submission; upload one first")
    return min(waiting, key=lambda round_: (round_.resolve_time, round_.number))
