"""Say which rounds there are, when they open and close, and which rules they carry."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from numebot_dagster.practice.rules.clock import Clock, Refused, Round, RoundStatus, newest_opened
from numebot_dagster.practice.rules.deadlines import Deadlines
from numebot_dagster.practice.rules.payout_rules import RuleBook, Rules
from numebot_dagster.practice.rules.state import State

NO_OPEN_ROUND = "Current round not open for submissions"


class Timetable:
    """The rounds of one tournament."""

    def __init__(self, state: State, clock: Clock) -> None:
        self.deadlines = Deadlines(state, clock)
        self._clock = clock
        self._settings = state.settings

    @cached_property
    def rule_book(self) -> RuleBook:
        """Which rules which rounds carry."""
        change_at = self._settings["rules_change_at"]
        return RuleBook(int(change_at) if change_at else None)

    def round(self, round_number: int) -> Round:
        """Return a round, scored for as long as its rules say and closing when it does."""
        days = self.rule_book.of(round_number).score_days
        closes, opens = self.deadlines.of(round_number), self.deadlines.opening(round_number)
        return Round(round_number, days, closes, opens)

    def newest(self, now: datetime) -> Round:
        """Return the newest round that has opened by `now`."""
        return self.round(newest_opened(now).number)

    def rules(self, round_: Round) -> Rules:
        """Return the rules that a round carries."""
        return self.rule_book.of(round_.number)

    @cached_property
    def first_round(self) -> Round:
        """The round that was the newest when the practice tournament began."""
        return self.round(newest_opened(datetime.fromisoformat(self._settings["start"])).number)

    def opened_rounds(self) -> list[Round]:
        """Return the rounds that have opened, newest first."""
        newest = newest_opened(self._clock.now())
        numbers = range(newest.number, self.first_round.number - 1, -1)
        return [self.round(number) for number in numbers]

    def rounds(self) -> list[Round]:
        """Return the next round and all that have opened, newest first."""
        opened = self.opened_rounds()
        return [self.round(opened[0].number + 1), *opened]

    def open_round(self) -> Round:
        """Return the round whose window is open.

        Raises:
            Refused: No window is open, in the API's words.
        """
        now = self._clock.now()
        newest = self.newest(now)
        if newest.status(now) is not RoundStatus.OPEN:
            raise Refused(NO_OPEN_ROUND)
        return newest
