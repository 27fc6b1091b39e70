"""Turn a model's scores by round and day into a series of nearly independent pieces by date.

A score of day d is a correlation with the returns of d days, and its spread does not depend on d.
Hence `z = sqrt(d) * score` grows by a new piece a day, and the mean of the pieces of all rounds
that run on a date is one observation, however many rounds share that date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LEAST_RUNNING = 20
"""Rounds that run on a date that counts, unless no date has so many."""
_MOST_IMBALANCE = 0.1  # of the mean day of the running rounds, against that of a whole round


@dataclass(frozen=True)
class RoundScores:
    """One metric of one model by round and scoring day.

    Attributes:
        rounds: (R,) numbers of the rounds, ascending.
        dates: (D,) datetime64[D], ascending.
        values: (R, h) scores of day 1 to h; NaN where there is none.
        date_of: (R, h) place in `dates` of each score; of no meaning where there is none.
    """

    rounds: np.ndarray
    dates: np.ndarray
    values: np.ndarray
    date_of: np.ndarray

    @classmethod
    def from_columns(
        cls, rounds: ArrayLike, days: ArrayLike, dates: ArrayLike, values: ArrayLike, horizon: int
    ) -> RoundScores:
        """Return the scores of a table, rows in any order; those without a value are left out.

        Args:
            rounds: (rows,) numbers of rounds.
            days: (rows,) scoring days, from 1 to the horizon.
            dates: (rows,) dates on which the scores were published.
            values: (rows,) scores.
            horizon: h, the scoring days of a whole round.

        Raises:
            ValueError: A day is beyond the horizon, or a round has two scores of the same day.
        """
        score = np.asarray(values, dtype=np.float64)
        present = ~np.isnan(score)
        day = np.asarray(days, dtype=np.int64)[present]
        numbers, row = np.unique(np.asarray(rounds)[present], return_inverse=True)
        calendar, place = np.unique(
            np.asarray(dates, dtype="datetime64[D]")[present], return_inverse=True
        )
        if len(day) and not 1 <= day.min() <= day.max() <= horizon:
            raise ValueError(f"scoring days are 1 to {horizon}, not {day.min()} to {day.max()}")
        cell = row * horizon + day - 1
        if len(np.unique(cell)) < len(cell):
            raise ValueError("a round has two scores of one day: choose one metric and version")
        table = np.full((len(numbers), horizon), np.nan)
        date_of = np.zeros(table.shape, dtype=np.int64)
        table.flat[cell], date_of.flat[cell] = score[present], place
        return cls(numbers, calendar, table, date_of)

    @property
    def horizon(self) -> int:
        """The scoring days of a whole round."""
        return int(self.values.shape[1])

    @property
    def finals(self) -> np.ndarray:
        """(resolved rounds,) scores of the last day."""
        last = self.values[:, -1]
        return np.asarray(last[~np.isnan(last)])

    @property
    def opened(self) -> np.ndarray:
        """(R,) place in `dates` that day 1 of each round has, or would have had."""
        first = np.argmax(~np.isnan(self.values), axis=1)
        return np.asarray(self.date_of[np.arange(len(self.rounds)), first] - first)

    def since(self, first_round: int) -> RoundScores:
        """Return the scores of the rounds from one on."""
        kept = self.rounds >= first_round
        return RoundScores(self.rounds[kept], self.dates, self.values[kept], self.date_of[kept])


@dataclass(frozen=True)
class DailySeries:
    """What a model earned by date: the mean piece of all rounds that ran.

    Attributes:
        horizon: h, the scoring days of a whole round.
        dates: (T,) datetime64[D], ascending.
        values: (T,) mean pieces.
        spans: (T,) days that the pieces span on average; more than 1 after days without scores.
        running: (T,) rounds with a piece on the date.
        weights: (T,) of the dates in the mean; `weights @ spans` is 1.
        by_day_first: whether the pieces were averaged by day of the round first.
    """

    horizon: int
    dates: np.ndarray
    values: np.ndarray
    spans: np.ndarray
    running: np.ndarray
    weights: np.ndarray
    by_day_first: bool = False

    @property
    def mean(self) -> float:
        """The mean piece a day; `sqrt(horizon)` times it is the mean final score."""
        return float(self.weights @ self.values)

    @property
    def residuals(self) -> np.ndarray:
        """(T,) values without their mean, in units in which the span of days does not matter."""
        return np.asarray((self.values - self.mean * self.spans) / np.sqrt(self.spans))

    def minus(self, other: DailySeries) -> DailySeries:
        """Return what this model earned more than another, on the dates that both have."""
        dates, mine, others = np.intersect1d(
            self.dates, other.dates, assume_unique=True, return_indices=True
        )
        spans = self.spans[mine]
        return DailySeries(
            horizon=self.horizon,
            dates=dates,
            values=self.values[mine] - other.values[others],
            spans=spans,
            running=np.minimum(self.running[mine], other.running[others]),
            weights=np.full(len(dates), 1 / max(spans.sum(), 1.0)),
        )

    @property
    def size(self) -> float:
        """The number of equally weighted dates that would say as much (Kish, 1965)."""
        if not len(self.dates):
            return 0.0
        return min(len(self.dates), 1 / float(self.weights**2 @ self.spans))

    @property
    def std(self) -> float:
        """The standard deviation of a day's piece; NaN of fewer than two dates."""
        if self.size <= 1:
            return np.nan
        variance = self.weights @ self.residuals**2 / self.weights.sum()
        return float(np.sqrt(variance / (1 - 1 / self.size)))


@dataclass(frozen=True)
class Pieces:
    """Hold n pieces: what single rounds earned on single days.

    Attributes:
        values: (n,).
        heights: (n,) sqrt(day) times the score, to which the piece leads.
        spans: (n,) days that each spans.
        days: (n,) days of the round.
        places: (n,) places of their dates.
    """

    values: np.ndarray
    heights: np.ndarray
    spans: np.ndarray
    days: np.ndarray
    places: np.ndarray


def daily_series(scores: RoundScores) -> DailySeries:
    """Return the mean piece by date, each date and each running round with the same weight.

        x[date] = mean over rounds of sqrt(day) score[day] - sqrt(day before) score[day before]

    A day that is missing is spanned by the next piece. Dates with fewer than `LEAST_RUNNING` rounds
    are left out, unless no date has so many. A date's value does not change when more follow.
    """
    pieces, used = used_pieces(scores)
    return _series(scores, pieces, _shares_by_date(pieces), used)


def balanced_series(scores: RoundScores) -> DailySeries:
    """Return the series for the estimate of the mean, averaged by day first where that matters.

    In the first dates of a model all rounds are young, and a signal that decays within the round
    has larger early pieces. Where the mean day of the running rounds is not near the middle of a
    round, each day of the round gets the same weight, and each date what follows from that.
    """
    pieces, used = used_pieces(scores)
    share = _shares_by_date(pieces)
    middle = (scores.horizon + 1) / 2
    if not len(share) or abs(np.average(pieces.days, weights=share) / middle - 1) < _MOST_IMBALANCE:
        return _series(scores, pieces, share, used)
    days_seen = np.bincount(pieces.days, pieces.spans)
    return _series(scores, pieces, 1 / days_seen[pieces.days], used, by_day_first=True)


def aligned(series: Sequence[DailySeries]) -> tuple[np.ndarray, np.ndarray]:
    """Return the dates of any series (T,) and the values of all (T, series); NaN for none."""
    if not series:
        return np.empty(0, dtype="datetime64[D]"), np.empty((0, 0))
    dates = np.unique(np.concatenate([model.dates for model in series]))
    values = np.full((len(dates), len(series)), np.nan)
    for column, model in enumerate(series):
        values[np.searchsorted(dates, model.dates), column] = model.values
    return dates, values


def used_pieces(scores: RoundScores) -> tuple[Pieces, np.ndarray]:
    """Return the pieces of the dates that count, and the places of these dates."""
    pieces = _pieces_of(scores)
    running = np.bincount(pieces.places, minlength=len(scores.dates))
    least = LEAST_RUNNING if (running >= LEAST_RUNNING).any() else 1
    counts = running[pieces.places] >= least
    kept = Pieces(*(column[counts] for column in vars(pieces).values()))
    return kept, np.flatnonzero(running >= least)


def _pieces_of(scores: RoundScores) -> Pieces:
    days = np.arange(1, scores.horizon + 1)
    present = ~np.isnan(scores.values)
    heights = np.where(present, np.sqrt(days) * scores.values, 0.0)
    newest = np.maximum.accumulate(np.where(present, days, 0), axis=1)
    before = np.pad(newest[:, :-1], ((0, 0), (1, 0)))  # the last day with a score; 0: none
    earlier = np.take_along_axis(np.pad(heights, ((0, 0), (1, 0))), before, axis=1)
    return Pieces(
        (heights - earlier)[present],
        heights[present],
        (days - before)[present],
        np.broadcast_to(days, present.shape)[present],
        scores.date_of[present],
    )


def _shares_by_date(pieces: Pieces) -> np.ndarray:
    return np.asarray(1 / np.bincount(pieces.places)[pieces.places])


def _series(
    scores: RoundScores,
    pieces: Pieces,
    share: np.ndarray,
    used: np.ndarray,
    *,
    by_day_first: bool = False,
) -> DailySeries:
    """Return the series in which each piece has a share of the whole."""
    dates = len(scores.dates)
    totals = (share, share * pieces.values, share * pieces.spans, np.ones_like(share))
    weight, value, span, running = (
        np.bincount(pieces.places, part, dates)[used] for part in totals
    )
    return DailySeries(
        horizon=scores.horizon,
        dates=scores.dates[used],
        values=value / weight,
        spans=span / weight,
        running=running.astype(np.int64),
        weights=weight / span.sum(),
        by_day_first=by_day_first,
    )
