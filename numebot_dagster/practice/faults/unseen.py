"""Submissions that are too young to be shown: what came before them is what there is."""

from __future__ import annotations

import time
from typing import Any

from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.state import Submission
from numebot_dagster.practice.rules.submissions import select
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.schema.model_objects import latest_fields


def age(tournament: Tournament, filename: str) -> float:
    """Returns how many seconds of wall time ago the bytes of a file came."""
    uploaded = (tournament.state.uploads_folder / filename).stat().st_mtime
    return time.time() - uploaded


class Unseen:
    """What answers show while submissions of the last ``seconds`` of wall time are not seen."""

    def __init__(self, tournament: Tournament, seconds: float) -> None:
        self._tournament = tournament
        self._submissions = tournament.users_submissions()
        files = {one.filename for one in self._submissions}
        self._young = {name for name in files if age(tournament, name) < seconds}

    def submissions(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns rows of a list of submissions."""
        found = {one.id: one for one in self._submissions}
        return [
            {**row, "selected": self._is_selected(found[row["id"]])} if self._young else row
            for row in rows
            if row["filename"] not in self._young
        ]

    def latest(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns rows of a model's rounds: a queued one is absent when nothing is queued."""
        return [
            shown
            for row in rows
            if (shown := self._before(row) if row["filename"] in self._young else row) is not None
        ]

    def _before(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Returns what a round shows in place of a young submission."""
        number = int(row["roundNumber"])
        [model_id, *_] = [
            one.model_id for one in self._submissions if one.filename == row["filename"]
        ]
        older = self._chosen(model_id).get(number)
        if older is None and not self._has_opened(number):
            return None
        tournament = self._tournament
        return latest_fields(tournament.entry(tournament.round(number), older))

    def _is_selected(self, one: Submission) -> bool:
        held = self._chosen(one.model_id).get(one.round)
        return held is not None and held.id == one.id and self._has_opened(one.round)

    def _chosen(self, model_id: str) -> dict[int, Submission]:
        return select(
            one
            for one in self._submissions
            if one.model_id == model_id and one.filename not in self._young
        )

    def _has_opened(self, number: int) -> bool:
        return self._tournament.clock.now() >= Round(number).open_time
