"""On-time deadlines that were moved; a deadline that has passed is never moved again."""

from __future__ import annotations

from datetime import datetime, timedelta

from numebot_dagster.practice.rules.clock import Clock, Refused, Round, newest_opened
from numebot_dagster.practice.rules.state import State

WINDOW = timedelta(hours=1)


class Deadlines:
    """When the rounds of one tournament close, and when one opens that was opened by hand.

    Args:
        state: Where deadlines that were moved are kept.
        clock: Whose pace gives the deadlines of the others.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        rows = state.rows("SELECT round, closes FROM deadlines")
        self._opened = state.settings.get("opened", "")
        self._moved = {row["round"]: datetime.fromisoformat(row["closes"]) for row in rows}

    def of(self, number: int) -> datetime | None:
        """Returns the deadline of a round when it is not that of the calendar."""
        return self._moved.get(number) or self._clock.deadline(Round(number))

    def round(self, number: int) -> Round:
        """Returns a round that closes when it does."""
        return Round(number, closes=self.of(number), opens=self.opening(number))

    def next_to_close(self) -> Round:
        """Returns the open round, or the next one when none is open."""
        now = self._clock.now()
        newest = self.round(newest_opened(now).number)
        return newest if now < newest.close_staking_time else self.round(newest.number + 1)

    def move(self, number: int, minutes: float) -> None:
        """Moves the deadline of a round, at the earliest to the present.

        Raises:
            Refused: The deadline has passed, or would lie after the opening of the next round.
        """
        now, moved = self._clock.now(), self._moved_by(number, minutes)
        if self.round(number).close_staking_time <= now:
            raise Refused(f"round {number} has closed; a deadline that has passed is not moved")
        latest = Round(number).close_time
        if moved > latest:
            raise Refused(
                f"the deadline of round {number} can be moved to {latest:%a %d %b %H:%M} UTC at "
                "the latest: then the next round opens"
            )
        self._keep(number, max(moved, now, Round(number).open_time))

    def move_back(self, number: int, minutes: float) -> None:
        """Undoes a move, unless one of the two deadlines has passed: then the round stays as is."""
        before = self._moved_by(number, -minutes)
        if min(before, self.round(number).close_staking_time) > self._clock.now():
            self._keep(number, before)

    def open_now(self) -> Round:
        """Opens the newest round at the present instant, for an hour or until the next one."""
        now = self._clock.now().replace(microsecond=0)
        newest = newest_opened(now)
        self._keep(newest.number, min(now + WINDOW, newest.close_time))
        self._opened = self._state.settings["opened"] = f"{newest.number} {now.isoformat()}"
        return self.round(newest.number)

    def opening(self, number: int) -> datetime | None:
        """Returns the opening of a round when it is not that of the calendar."""
        opened, _, instant = self._opened.partition(" ")
        return datetime.fromisoformat(instant) if opened == str(number) else None

    def _moved_by(self, number: int, minutes: float) -> datetime:
        return self.round(number).close_staking_time + timedelta(minutes=minutes)

    def _keep(self, number: int, closes: datetime) -> None:
        with self._state.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO deadlines VALUES (?, ?)", (number, closes.isoformat())
            )
        self._moved = {**self._moved, number: closes}
