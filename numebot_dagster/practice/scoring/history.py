"""Compute reputations and ranks of all participants on every publication day."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from numebot_dagster.practice.rules.clock import (
    DAYS_BEFORE_FIRST_SCORE,
    Round,
    midnight,
    newest_published,
)
from numebot_dagster.practice.rules.payout_rules import CURRENT, DAYS_OF_SCORE, Formula, Rules
from numebot_dagster.practice.rules.state import Model, State
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.scoring.ledger import ROUNDS_OF_A_YEAR, SCORE_NAMES
from numebot_dagster.practice.scoring.scores import Scorer

Fields = dict[str, Any]


class History:
    """What leaderboards showed on each publication day up to now, the newest last.

    A reputation is the mean of a score over the rounds of a year, of each round's newest day then.
    """

    def __init__(self, tournament: Tournament, scorer: Scorer, values: RoundValues) -> None:
        self._tournament = tournament
        self._round_values = values
        self._now = tournament.clock.now()
        rounds = tournament.timetable.opened_rounds()[::-1][-2 * ROUNDS_OF_A_YEAR :]
        scorer.published(rounds, now=self._now)
        self._rounds = rounds
        self._models: list[Model] = tournament.state.models()
        self._columns = {model.id: column for column, model in enumerate(self._models)}
        first = rounds[0].number + DAYS_BEFORE_FIRST_SCORE
        newest = newest_published(self._now).number
        self._days = [Round(number) for number in range(first, newest + 1)]
        self._values = self._read_values()

    @property
    def dates(self) -> list[datetime]:
        """The publication days."""
        return [midnight(day.open_time) for day in self._days]

    @cached_property
    def reputations(self) -> dict[str, np.ndarray]:
        """(days, models) reputations by the name of the score, NaN without one."""
        cube = self._values
        means = {name: np.full((len(self._days), len(self._models)), np.nan) for name in cube}
        for place, day in enumerate(self._days):
            scored_until = day.number - DAYS_BEFORE_FIRST_SCORE + 1
            scored = [
                (row, min(scored_until - round_.number, round_.score_days))
                for row, round_ in enumerate(self._rounds)
                if round_.number < scored_until
            ][-ROUNDS_OF_A_YEAR:]
            rows, days = (np.array(column) for column in zip(*scored, strict=True))
            for name, values in cube.items():
                newest = values[rows, np.minimum(days, DAYS_OF_SCORE[name]) - 1]
                is_scored = np.isfinite(newest)
                total = np.where(is_scored, newest, 0.0).sum(axis=0)
                with np.errstate(invalid="ignore"):
                    means[name][place] = total / is_scored.sum(axis=0)
        return means

    def _read_values(self) -> dict[str, np.ndarray]:
        """Return the (rounds, days of scoring, models) values of each score, NaN without one."""
        rounds = [
            self._round_values.of(round_, round_.scored_days(self._now), self._columns)
            for round_ in self._rounds
        ]
        cube = np.stack(rounds, axis=1)
        return dict(zip(SCORE_NAMES, cube, strict=True))

    @cached_property
    def _ranks(self) -> dict[str, np.ndarray]:
        """(days, models) ranks by the name of the score, 1 the best, 0 for none."""
        return {name: _ranked(values) for name, values in self.reputations.items()}

    @cached_property
    def _overall(self) -> np.ndarray:
        """(days, models) ranks by what a round would pay on the reputations."""
        rules = self._tournament.timetable.rules(self._tournament.timetable.opened_rounds()[0])
        paid = [rule.multiplier * np.nan_to_num(self.reputations[rule.name]) for rule in rules.paid]
        is_ranked = np.isfinite(self.reputations[rules.paid_as(Formula.CORR)])
        return _ranked(np.where(is_ranked, np.sum(paid, axis=0), np.nan))

    def rank_change(self, model_id: str, days: int) -> int | None:
        """Return by how many places a participant rose in some days; None without a past rank."""
        dates = self.dates
        before = [at for at, date in enumerate(dates) if date <= dates[-1] - timedelta(days=days)]
        if not before:
            return None
        column = self._columns[model_id]
        then, now = self._overall[before[-1], column], self._overall[-1, column]
        return int(then - now) if then and now else None

    def ranks(self, model_id: str) -> dict[str, int | None]:
        """Return a participant's newest ranks by the name of the score."""
        column = self._columns[model_id]
        return {
            name: int(ranks[-1, column]) or None if len(ranks) else None
            for name, ranks in self._ranks.items()
        }

    def user_scores(self, model_id: str) -> list[Fields]:
        """Return a UserScore of each score on each publication day, newest first."""
        column = self._columns[model_id]
        return [
            {
                "date": date,
                "displayName": name,
                "rank": int(self._ranks[name][place, column]),
                "reputation": float(self.reputations[name][place, column]),
                "stakedRank": None,
            }
            for place, date in reversed(list(enumerate(self.dates)))
            for name in SCORE_NAMES
            if np.isfinite(self.reputations[name][place, column])
        ]

    def mean_reputations(
        self, model_ids: list[str]
    ) -> list[tuple[datetime, dict[str, float | None]]]:
        """Return the means of participants' reputations by score on each day, oldest first."""
        columns = [self._columns[model_id] for model_id in model_ids]
        return [
            (date, {name: _mean(self.reputations[name][place, columns]) for name in SCORE_NAMES})
            for place, date in enumerate(self.dates)
        ]

    def daily(self, model_id: str) -> list[Fields]:
        """Return a DailyModelPerformance for each publication day, newest first.

        `corr` and `mmc` are the reputations that the rules of the day's round pay on: the API
        has no field for MMC60 here (INFERRED).
        """
        return [
            self._performance(place, date, self._columns[model_id])
            for place, date in reversed(list(enumerate(self.dates)))
        ]

    def _performance(self, place: int, date: datetime, column: int) -> Fields:
        rules: Rules = self._tournament.timetable.rules(self._days[place])
        names = {
            "corr": rules.paid_as(Formula.CORR),
            "mmc": rules.paid_as(Formula.CONTRIBUTION),
            "corr60": "corr60",
            "fncV3": "fnc_v3",
        }
        absent = ("alpha", "corrV4", "fnc", "fncV4", "ic", "icV2", "mpc", "tc")
        row: Fields = {"date": date, "apy": None, "return13Weeks": None, "return52Weeks": None}
        for api in absent:
            row |= {f"{api}Rep": None, f"{api}Rank": None}
        for api, name in names.items():
            value = self.reputations[name][place, column]
            row[f"{api}Rep"] = float(value) if np.isfinite(value) else None
            row[f"{api}Rank"] = int(self._ranks[name][place, column]) or None
        return row


class RoundValues:
    """The scores of rounds as arrays; of a round that has a new day, only that day is read."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: dict[int, tuple[int, np.ndarray]] = {}

    def of(self, round_: Round, days: int, columns: dict[str, int]) -> np.ndarray:
        """Return (scores, days of scoring, models) values, NaN without one."""
        shape = len(SCORE_NAMES), CURRENT.score_days, len(columns)
        read, values = self._kept.get(round_.number, (0, np.empty(0)))
        if values.shape != shape:
            read, values = 0, np.full(shape, np.nan)
        if read != days:
            self._read(round_, read, values, columns)
            self._kept[round_.number] = days, values
        return values

    def _read(self, round_: Round, read: int, values: np.ndarray, columns: dict[str, int]) -> None:
        """Fill in what has been published since day `read`."""
        names = {name: place for place, name in enumerate(SCORE_NAMES)}
        for day, model_id, name, value in self._state.rows(
            "SELECT day, model_id, name, value FROM scores WHERE round = ? AND day > ?",
            round_.number, read,
        ):  # fmt: skip
            if name in names:
                values[names[name], day - 1, columns[model_id]] = value


class Histories:
    """The newest history, made when it is first asked for on a publication day."""

    def __init__(self, tournament: Tournament, scorer: Scorer) -> None:
        self._tournament = tournament
        self._scorer = scorer
        self._newest: tuple[tuple[int, int], History] | None = None
        self._one_at_a_time = threading.Lock()
        self._values = RoundValues(tournament.state)

    def newest(self) -> History:
        """Return the history up to now."""
        day = newest_published(self._tournament.clock.now()).number
        key = day, len(self._tournament.state.models())
        if self._newest is None or self._newest[0] != key:
            with self._tournament.unlocked(), self._one_at_a_time:  # years take a while to read
                if self._newest is None or self._newest[0] != key:
                    history = History(self._tournament, self._scorer, self._values)
                    self._newest = key, history
                return self._newest[1]
        return self._newest[1]


def _mean(values: np.ndarray) -> float | None:
    """Return the mean of the values that there are."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _ranked(values: np.ndarray) -> np.ndarray:
    """Return each row's ranks, the largest value 1, NaN 0."""
    order = np.argsort(np.where(np.isfinite(values), -values, np.inf), axis=1, kind="stable")
    ranks = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(1, values.shape[1] + 1)[None, :], axis=1)
    return np.where(np.isfinite(values), ranks, 0)
