"""Show what there would be if submissions that are too young had not come yet."""

from __future__ import annotations

import time
from typing import Any

from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.state import Submission
from numebot_dagster.practice.rules.submissions import select
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.schema.model_objects import latest_fields


def age(tournament: Tournament, filename: str) -> float:
    """Return how many seconds of wall time ago the bytes of a file came."""
    uploaded = (tournament.state.uploads_folder / filename).stat().st_mtime
    return time.time() - uploaded


class Unseen:
    """Answers while submissions of the last `seconds` of wall time are not seen."""

    def __init__(self, tournament: Tournament, seconds: float) -> None:
        self._tournament = tournament
        self._submissions = tournament.users_submissions()
        files = {submission.filename for submission in self._submissions}
        self._young = {name for name in files if age(tournament, name) < seconds}

    def submissions(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows of a list of submissions."""
        by_id = {submission.id: submission for submission in self._submissions}
        return [
            {**row, "selected": self._is_selected(by_id[row["id"]])} if self._young else row
            for row in rows
            if row["filename"] not in self._young
        ]

    def latest(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows of a model's rounds: a queued one is absent when nothing is queued."""
        return [
            shown
            for row in rows
            if (shown := self._before(row) if row["filename"] in self._young else row) is not None
        ]

    def _before(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return what a round shows in place of a young submission."""
        round_number = int(row["roundNumber"])
        [model_id, *_] = [
            submission.model_id
            for submission in self._submissions
            if submission.filename == row["filename"]
        ]
        older = self._selected(model_id).get(round_number)
        if older is None and not self._has_opened(round_number):
            return None
        tournament = self._tournament
        return latest_fields(tournament.entry(tournament.timetable.round(round_number), older))

    def _is_selected(self, submission: Submission) -> bool:
        selected = self._selected(submission.model_id).get(submission.round)
        is_selected = selected is not None and selected.id == submission.id
        return is_selected and self._has_opened(submission.round)

    def _selected(self, model_id: str) -> dict[int, Submission]:
        return select(
            submission
            for submission in self._submissions
            if submission.model_id == model_id and submission.filename not in self._young
        )

    def _has_opened(self, round_number: int) -> bool:
        return self._tournament.clock.now() >= Round(round_number).open_time
