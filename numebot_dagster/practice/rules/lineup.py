"""Collect who plays a round with which predictions, and make the meta model of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np

from numebot_dagster.practice.market.crowd import ranks_of, weighted_ranks
from numebot_dagster.practice.market.population import Attendance
from numebot_dagster.practice.rules.clock import Round, round_on
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.rules.submissions import select
from numebot_dagster.practice.rules.tournament import Tournament

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Lineup:
    """All who have predictions in a round that has closed; columns follow `models`.

    Attributes:
        models: Their ids.
        ranks: (rows, models), in the order of the round's live ids; see `ranks_of`.
        meta_model: (rows,) stake-weighted ranks of those who were on time, fixed at the close.
        benchmarks: (rows, benchmarks), the tournament's own models.
        neutralizers: (rows, features), what FNCv3 is neutral to.
    """

    models: tuple[str, ...]
    ranks: np.ndarray
    meta_model: np.ndarray
    benchmarks: np.ndarray
    neutralizers: np.ndarray


class Lineups:
    """Collects rounds' lineups from the facts; the newest are kept in memory."""

    def __init__(self, tournament: Tournament) -> None:
        self._tournament = tournament
        self._made = lru_cache(maxsize=80)(self._make)

    def of(self, round_: Round) -> Lineup:
        """Return the lineup of a round that has closed."""
        entries = {
            model.id: submission.id
            for model in self._tournament.models_of_users()
            if (submission := self._tournament.selected(model.id).get(round_.number)) is not None
        }
        return self._made(round_, tuple(sorted(entries.items())))

    def meta_model(self, opened: date) -> np.ndarray:
        """Return the (rows,) meta model of a date, from before the tournament began as well."""
        round_ = round_on(opened)
        tournament = self._tournament
        if round_ is None or round_ < tournament.timetable.first_round:
            with tournament.market_lock:
                return tournament.crowd.meta_model(opened)
        return self.of(tournament.timetable.round(round_.number)).meta_model

    def _make(self, round_: Round, entries: tuple[tuple[str, str], ...]) -> Lineup:
        tournament, market = self._tournament, self._tournament.market
        models = {model.name: model for model in tournament.state.models()}
        submissions = {submission.id: submission for submission in tournament.users_submissions()}
        own = {model_id: submissions[key] for model_id, key in entries}
        with tournament.market_lock:
            columns = {
                model_id: ranks_of(tournament.uploads.predictions(submission))
                for model_id, submission in own.items()
            }
            for played in tournament.crowd.played(round_.opened):
                columns[models[played.participant.name].id] = played.ranks
            benchmarks = market.benchmarks(round_.opened)
            neutralizers = market.neutralizers(round_.opened)
            votes = [*self._users_votes(round_)]
        for name, predictions in benchmarks.items():  # evenly spread, so their own ranks
            columns[models[name].id] = predictions
        votes += [(columns[key], stake) for key, stake in self._rivals_stakes(round_, models)]
        return Lineup(
            models=tuple(columns),
            ranks=np.stack([*columns.values()]).T,
            meta_model=weighted_ranks(*zip(*votes, strict=True)),
            benchmarks=np.stack([*benchmarks.values()], axis=1),
            neutralizers=neutralizers,
        )

    def _users_votes(self, round_: Round) -> Iterable[tuple[np.ndarray, float]]:
        """Yield ranks and stake of the user's models that were on time.

        What counts is what was valid at the close: a file that is found invalid later loses its
        scores, but the meta model stays as it was.
        """
        tournament = self._tournament
        invalidated = tournament.state.invalidated()
        for model in tournament.models_of_users():
            submissions = [
                replace(submission, error=None)
                if invalidated.get(submission.filename, _LONG_AGO) >= round_.close_staking_time
                else submission
                for submission in tournament.state.submissions(model.id)
            ]
            counted = select(submissions).get(round_.number)
            stake = tournament.state.position(model.id, round_.number)
            if counted is not None and counted.kind != "late" and stake:
                yield ranks_of(tournament.uploads.predictions(counted)), float(stake)

    def _rivals_stakes(
        self, round_: Round, models: dict[str, Model]
    ) -> Iterable[tuple[str, float]]:
        """Yield id and stake of the other participants that were on time."""
        for played in self._tournament.crowd.played(round_.opened):
            model_id = models[played.participant.name].id
            stake = self._tournament.state.position(model_id, round_.number)
            if played.attendance is Attendance.ON_TIME and stake:
                yield model_id, float(stake)
