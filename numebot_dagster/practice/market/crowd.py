"""Predict what all participants together do: the stake-weighted meta model."""

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
    """A participant's part in a round; absent ones have none.

    Attributes:
        ranks: The (rows,) tie-kept ranks of the predictions; see `ranks_of`.
    """

    participant: Participant
    attendance: Attendance
    predictions: np.ndarray
    ranks: np.ndarray


class Crowd:
    """The participants of a market, beside the user."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._people = {person.name: person for person in population(market.seed)}
        self.played = lru_cache(maxsize=16)(self._play)

    def _play(self, opened: date) -> tuple[Played, ...]:
        """Return the participants of a round, late ones included."""
        own = lru_cache(maxsize=None)(self._own)
        parts = []
        for person in self._people.values():
            attendance, made_for = standing_of(self._market.seed, person.name, opened)
            if attendance is Attendance.ABSENT:
                continue
            predictions, ranks = own(person.copies or person.name, made_for)
            if made_for != opened:
                stocks = (self._market.stock_of(day) for day in (made_for, opened))
                predictions = map_by_stock(predictions, *stocks)
                ranks = ranks_of(predictions)
            parts.append(Played(person, attendance, predictions, ranks))
        return tuple(parts)

    def _own(self, name: str, opened: date) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and their ranks: what is evenly spread is its own ranks."""
        if name == EXAMPLE_MODEL:
            predictions = self._market.example_predictions(opened)
            return predictions, predictions
        person = self._people[name]
        predictions = self._market.rival_predictions(
            opened, abs(person.skill), person.number, person.edge
        )
        if person.skill >= 0:
            return predictions, predictions
        return 1.0 - predictions, ranks_of(1.0 - predictions)

    def meta_model(self, opened: date) -> np.ndarray:
        """Return the (rows,) stake-weighted ranks in (0, 1) of all who were on time.

        The user is not among them; see `Lineups` for the rounds of a tournament.
        """
        on_time = [part for part in self.played(opened) if part.attendance is Attendance.ON_TIME]
        return weighted_ranks(
            (part.ranks for part in on_time),
            [float(part.participant.stake_of_a_round) for part in on_time],
        )


def ranks_of(predictions: np.ndarray) -> np.ndarray:
    """Return the tie-kept ranks `(rank - 0.5) / rows` of each column, in (0, 1)."""
    return np.asarray((average_ranks(predictions) - 0.5) / len(predictions))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of each column from 1, ties sharing their mean: `scipy.stats.rankdata`.

    Columns without ties, which are almost all, need no more than one sort.
    """
    columns = np.ascontiguousarray(values.T)
    order = np.argsort(columns, axis=-1)
    ordered = np.take_along_axis(columns, order, axis=-1)
    ranks = np.empty(columns.shape)
    places = np.broadcast_to(np.arange(1.0, len(values) + 1.0), columns.shape)
    np.put_along_axis(ranks, order, places, axis=-1)
    tied = ~(ordered[..., 1:] > ordered[..., :-1]).all(axis=-1)
    if tied.any():
        averages = _tied_ranks(ordered[tied])
        averages[np.isnan(ordered[tied][..., -1])] = np.nan
        shared = np.empty(averages.shape)
        np.put_along_axis(shared, order[tied], averages, axis=-1)
        ranks[tied] = shared
    return ranks.T


def _tied_ranks(ordered: np.ndarray) -> np.ndarray:
    """Return the average ranks of rows whose values ascend."""
    places = np.arange(1, ordered.shape[-1] + 1)
    differs = ordered[..., 1:] != ordered[..., :-1]
    edge = np.ones((*ordered.shape[:-1], 1), dtype=bool)
    begins = np.concatenate([edge, differs], axis=-1)
    ends = np.concatenate([differs, edge], axis=-1)
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=-1)
    behind = np.where(ends, places, ordered.shape[-1])[..., ::-1]
    last = np.minimum.accumulate(behind, axis=-1)[..., ::-1]
    averages: np.ndarray = (first + last) / 2
    return averages


def weighted_ranks(ranks: Iterable[np.ndarray], stakes: Iterable[float]) -> np.ndarray:
    """Return the stake-weighted mean of (rows,) ranks: `numerai_tools.scoring.stake_weight`.

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


def map_by_stock(
    predictions: np.ndarray, available: np.ndarray, requested: np.ndarray
) -> np.ndarray:
    """Return predictions for the stocks `requested` from those for the stocks `available`.

    Stocks without a prediction get 0.5.
    """
    order = np.argsort(available)
    place = np.searchsorted(available, requested, sorter=order)
    row = order[np.minimum(place, len(available) - 1)]
    return np.where(available[row] == requested, predictions[row], 0.5)
