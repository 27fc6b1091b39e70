"""What all participants together predict: the stake-weighted meta model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np

from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.population import (
    EXAMPLE_MODEL,
    Attendance,
    Participant,
    population,
    standing_of,
)


@dataclass(frozen=True)
class Played:
    """A participant's part in a round; absent ones have none."""

    participant: Participant
    attendance: Attendance
    predictions: np.ndarray


class Crowd:
    """The participants of a market, beside the user."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._people = {one.name: one for one in population(market.seed)}
        self.played = lru_cache(maxsize=16)(self._play)

    def _play(self, opened: date) -> tuple[Played, ...]:
        """Returns the participants of a round, late ones included."""
        own = lru_cache(maxsize=None)(self._own)
        found = []
        for one in self._people.values():
            attendance, made_for = standing_of(self._market.seed, one.name, opened)
            if attendance is Attendance.ABSENT:
                continue
            predictions = own(one.copies or one.name, made_for)
            if made_for != opened:
                have, want = (self._market.stock_of(day) for day in (made_for, opened))
                predictions = map_by_stock(predictions, have, want)
            found.append(Played(one, attendance, predictions))
        return tuple(found)

    def _own(self, name: str, opened: date) -> np.ndarray:
        if name == EXAMPLE_MODEL:
            return self._market.example_predictions(opened)
        one = self._people[name]
        predictions = self._market.rival_predictions(opened, abs(one.skill), one.number, one.edge)
        return predictions if one.skill >= 0 else 1.0 - predictions

    def meta_model(self, opened: date) -> np.ndarray:
        """Return the (rows,) stake-weighted ranks in (0, 1) of all who were on time.

        The user is not among them; see `Lineups` for the rounds of a tournament.
        """
        on_time = [one for one in self.played(opened) if one.attendance is Attendance.ON_TIME]
        return weighted_ranks(
            (ranks_of(one.predictions) for one in on_time),
            [float(one.participant.stake_of_a_round) for one in on_time],
        )


def ranks_of(predictions: np.ndarray) -> np.ndarray:
    """Returns the tie-kept ranks ``(rank - 0.5) / rows`` of each column, in (0, 1)."""
    from scipy import stats

    return np.asarray((stats.rankdata(predictions, axis=0) - 0.5) / len(predictions))


def weighted_ranks(ranks: Iterable[np.ndarray], stakes: Iterable[float]) -> np.ndarray:
    """Returns the stake-weighted mean of (rows,) ranks: ``numerai_tools.scoring.stake_weight``.

    Raises:
        ValueError: nothing is staked.
    """
    total, weight = np.zeros(()), 0.0
    for values, stake in zip(ranks, stakes, strict=True):
        total = total + stake * values
        weight += stake
    if not weight:
        raise ValueError("A meta model needs a stake: nobody has one in this round.")
    return np.asarray(total / weight)


def map_by_stock(predictions: np.ndarray, have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Returns predictions for the stocks ``want`` from those for the stocks ``have``.

    Stocks without a prediction get 0.5.
    """
    order = np.argsort(have)
    place = np.minimum(np.searchsorted(have, want, sorter=order), len(have) - 1)
    found = order[place]
    return np.where(have[found] == want, predictions[found], 0.5)
