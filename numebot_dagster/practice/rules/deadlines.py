"""Move on-time deadlines; one that has passed is never moved again."""

from __future__ import annotations

from datetime import datetime, timedelta

from numebot_dagster.practice.rules.clock import Clock, Refused, Round, newest_opened
from numebot_dagster.practice.rules.state import State

WINDOW = timedelta(hours=1)


class Deadlines:
    """When the rounds of one tournament close, and when one opens that was opened by hand."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        rows = state.rows("SELECT round, closes FROM deadlines")
        self._opened = state.settings.get("opened", "")
        self._moved = {row["round"]: datetime.fromisoformat(row["closes"]) for row in rows}

    def of(self, round_number: int) -> datetime | None:
        """Return the deadline of a round when it is not that of the calendar."""
        return self._moved.get(round_number) or self._clock.deadline(Round(round_number))

    def round(self, round_number: int) -> Round:
        """Return a round that closes when it does."""
        return Round(round_number, closes=self.of(round_number), opens=self.opening(round_number))

    def next_to_close(self) -> Round:
        """Return the open round, or the next one when none is open."""
        now = self._clock.now()
        newest = self.round(newest_opened(now).number)
        return newest if now < newest.close_staking_time else self.round(newest.number + 1)

    def move(self, round_number: int, minutes: float) -> None:
        """Move the deadline of a round, at the earliest to the present.

        Raises:
            Refused: The deadline has passed, or would lie after the opening of the next round.
        """
        now, moved = self._clock.now(), self._moved_by(round_number, minutes)
        if self.round(round_number).close_staking_time <= now:
            raise Refused(
                f"round {round_number} has closed; a deadline that has passed is not moved"
            )
        latest = Round(round_number).close_time
        if moved > latest:
            raise Refused(
                f"the deadline of round {round_number} can be moved to {latest:%a %d %b %H:%M} UTC "
                "at the latest: then the next round opens"
            )
        self._keep(round_number, max(moved, now, Round(round_number).open_time))

    def move_back(self, round_number: int, minutes: float) -> None:
        """Undo a move, unless one of the two deadlines has passed: then the round stays as is."""
        before = self._moved_by(round_number, -minutes)
        if min(before, self.round(round_number).close_staking_time) > self._clock.now():
            self._keep(round_number, before)

    def open_now(self) -> Round:
        """Open the newest round at the present instant, for an hour or until the next one."""
        now = self._clock.now().replace(microsecond=0)
        newest = newest_opened(now)
        self._keep(newest.number, min(now + WINDOW, newest.close_time))
        self._opened = self._state.settings["opened"] = f"{newest.number} {now.isoformat()}"
        return self.round(newest.number)

    def opening(self, round_number: int) -> datetime | None:
        """Return the opening of a round when it is not that of the calendar."""
        opened, _, instant = self._opened.partition(" ")
        return datetime.fromisoformat(instant) if opened == str(round_number) else None

    def _moved_by(self, round_number: int, minutes: float) -> datetime:
        return self.round(round_number).close_staking_time + timedelta(minutes=minutes)

    def _keep(self, round_number: int, closes: datetime) -> None:
        self._state.write(
            "INSERT OR REPLACE INTO deadlines VALUES (?, ?)", (round_number, closes.isoformat())
        )
        self._moved = {**self._moved, round_number: closes}
