"""Simulate scores of models without skill whose rounds overlap, as Numerai's do.

Returns have factors, fat tails and a spread that changes; predictions keep .985 of themselves from
day to day and lean on the factors; scores are correlations with what stocks earned since the round
opened. A round opens on each day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from numebot_dagster.scoring.luck.daily_series import RoundScores

FIRST_DATE = np.datetime64("2026-01-01")
_LEANING = 0.5  # standard deviation of predictions' exposure to a factor
_FACTOR_RISK = 0.3  # of a factor's return, in units of a stock's own
_SPREAD_KEPT, _SPREAD_SHOCK = 0.97, 0.1  # of the logarithm of a day's spread
_FREEDOM = 4  # of Student's t, for all returns


@dataclass(frozen=True)
class Field:
    """Markets, and models that play them.

    The models of a market share its luck, so that many markets say more than many models.

    Attributes:
        markets: number of markets that have nothing in common.
        models: number of models in each.
        rounds: number of rounds, one a day; also the number of dates.
        horizon: scoring days of a whole round.
        stocks: number of stocks.
        factors: number of factors in returns.
        persistence: share of a prediction that is left the next day.
        seed: of everything.
    """

    markets: int = 60
    models: int = 4
    rounds: int = 250
    horizon: int = 60
    stocks: int = 300
    factors: int = 5
    persistence: float = 0.985
    seed: int = 0

    def scores(self) -> np.ndarray:
        """Return the (markets x models, rounds, horizon) scores; NaN of days to come."""
        random = np.random.default_rng(self.seed)
        scores = [model for _ in range(self.markets) for model in self._market(random)]
        return np.stack(scores)

    def _market(self, random: np.random.Generator) -> list[np.ndarray]:
        """Return the (rounds, horizon) scores of each model of a market."""
        loadings = random.normal(size=(self.factors, self.stocks))
        prices = np.cumsum(self._returns(random, loadings), axis=0)
        prices -= prices.mean(axis=1, keepdims=True)
        products = _products(prices, prices)
        squares = products.diagonal()
        opened, day = np.indices((self.rounds, self.horizon))
        scored = np.minimum(opened + day + 1, self.rounds)
        moved = squares[scored] + squares[opened] - 2 * products[opened, scored]
        is_to_come = opened + day + 1 > self.rounds
        scores = []
        for _ in range(self.models):
            gains = _products(self._predictions(random, loadings), prices)
            earned = gains[opened, scored] - gains[opened, opened]
            with np.errstate(invalid="ignore"):
                scores.append(np.where(is_to_come, np.nan, earned / np.sqrt(moved)))
        return scores

    def _returns(self, random: np.random.Generator, loadings: np.ndarray) -> np.ndarray:
        """Return (rounds + 1, stocks) returns, the first of which is 0."""
        days = self.rounds + 1
        spread = np.exp(lfilter([_SPREAD_SHOCK], [1, -_SPREAD_KEPT], random.normal(size=days)))
        size_of_stock = np.exp(0.5 * random.normal(size=self.stocks))
        own = random.standard_t(_FREEDOM, (days, self.stocks)) * size_of_stock
        common = _FACTOR_RISK * random.standard_t(_FREEDOM, (days, self.factors)) @ loadings
        returns: np.ndarray = spread[:, np.newaxis] * (own + common)
        returns[0] = 0
        return returns

    def _predictions(self, random: np.random.Generator, loadings: np.ndarray) -> np.ndarray:
        """Return the (rounds, stocks) predictions of a model, each round's of length 1."""
        opinions, leanings = (self._wandering(random, it) for it in (self.stocks, self.factors))
        predictions = opinions + _LEANING * leanings @ loadings
        predictions -= predictions.mean(axis=1, keepdims=True)
        return np.asarray(predictions / np.linalg.norm(predictions, axis=1, keepdims=True))

    def _wandering(self, random: np.random.Generator, width: int) -> np.ndarray:
        """Return (rounds, width) values which keep a share of those of the day before."""
        fresh = random.normal(size=(self.rounds, width))
        fresh[1:] *= np.sqrt(1 - self.persistence**2)
        return np.asarray(lfilter([1], [1, -self.persistence], fresh, axis=0))


def round_scores(scores: np.ndarray, dates: int | None = None) -> RoundScores:
    """Return the (rounds, horizon) scores of a model as they were known after so many dates."""
    rounds, horizon = scores.shape
    place = np.arange(rounds)[:, np.newaxis] + np.arange(horizon)
    last = rounds if dates is None else dates
    known = np.where(place < last, scores, np.nan)[:last]
    calendar = FIRST_DATE + np.arange(rounds + horizon)
    return RoundScores(np.arange(len(known)), calendar, known, place[:last])


def with_mean(scores: np.ndarray, mean: float) -> np.ndarray:
    """Return (..., horizon) scores whose final ones are higher by a mean, earned evenly by day."""
    horizon = scores.shape[-1]
    gained = mean * np.sqrt(np.arange(1, horizon + 1) / horizon)
    return np.asarray(scores + gained)


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return `left @ right.T`: matrices this small are slower on several threads of BLAS."""
    return np.asarray(np.einsum("is,js->ij", left, right))
