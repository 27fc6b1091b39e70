"""Define the faults of the tournament itself: its submissions, deadlines and webhooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from numebot_dagster.practice.faults.fault import SECONDS, AnswerField, Fault, PlacedFault
from numebot_dagster.practice.faults.unseen import Unseen, age
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.deadlines import Deadlines
from numebot_dagster.practice.rules.state import Submission
from numebot_dagster.practice.rules.tournament import Tournament


@dataclass(frozen=True)
class HiddenSubmission(Fault):
    """Submissions are not shown for their first `seconds` of wall time."""

    kind = "hidden-submission"
    where = "graphql:*"
    only = "graphql:"
    by_change = True
    ranges = SECONDS
    seconds: float = 60.0

    def change(self, field: AnswerField, value: Any) -> Any:
        if not value:
            return value
        if field.name == "Model.latestSubmissions":
            return Unseen(field.tournament, self.seconds).latest(value)
        if field.name in ("Model.submissions", "RootQueryType.submissions"):
            return Unseen(field.tournament, self.seconds).submissions(value)
        return value


@dataclass(frozen=True)
class InvalidLater(Fault):
    """A submission that was accepted turns invalid, `seconds` of wall time after its upload."""

    kind = "invalid-later"
    where = "submission:*"
    only = "submission:"
    times = 1
    standing = True
    ranges = SECONDS
    seconds: float = 0.0

    def happen(
        self, placed: PlacedFault, tournament: Tournament, claim: Callable[[], bool]
    ) -> None:
        names = {model.id: model.name for model in tournament.models_of_users()}
        for number, submission in enumerate(tournament.users_submissions()):
            places = (submission.filename, names[submission.model_id])
            if (
                placed.is_meant_for(f"submission:{place}" for place in places)
                and placed.draws(number)
                and self._is_due(placed, tournament, submission)
                and claim()
            ):
                tournament.state.invalidate(
                    submission.filename,
                    "invalid_submission_values: found invalid later",
                    tournament.clock.now(),
                )

    def _is_due(self, placed: PlacedFault, tournament: Tournament, submission: Submission) -> bool:
        """Return whether a submission is valid and old enough, and came after the fault."""
        return (
            submission.error is None
            and submission.kind != "carried"  # goes with the late one, whose file it shares
            and self.seconds
            <= age(tournament, submission.filename)
            <= time.time() - placed.added_at
        )


@dataclass(frozen=True)
class DeadlineMoved(Fault):
    """The on-time deadline of `round` (0: the next to close) moves by `minutes`.

    When negative it closes early. A round that has closed stays so when the fault is removed.
    """

    kind = "deadline-moved"
    where = "rounds"
    standing = True
    minutes: float = -30.0
    round: float = 0.0

    @classmethod
    def check_place(cls, request: Mapping[str, Any]) -> None:
        plain = {"where": cls.where, "probability": 1.0, "seed": 0}
        others = [
            name
            for name in ("where", "times", "probability", "seed", "minutes")
            if request.get(name) not in (None, plain.get(name))
        ]
        if others:
            raise Refused(
                f"a deadline is moved once and for everyone, so {cls.kind} has no "
                f"{', '.join(others)}; set minutes and round among its values (--set minutes=-30)"
            )

    def begin(self, deadlines: Deadlines) -> Self:
        number = int(self.round) or deadlines.next_to_close().number
        deadlines.move(number, self.minutes)
        return replace(self, round=number)

    def end(self, deadlines: Deadlines) -> None:
        deadlines.move_back(int(self.round), self.minutes)


@dataclass(frozen=True)
class DuplicateTrigger(Fault):
    """A webhook is called twice with one trigger."""

    kind = "duplicate-trigger"
    where = "webhook:*"
    only = "webhook:"
