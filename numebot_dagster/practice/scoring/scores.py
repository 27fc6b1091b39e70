"""Score all participants of a round on what the market has realised of its target so far.

The formulas are numerai-tools' `numerai_corr` and `correlation_contribution`, written for one
matrix of predictions against many days of targets at once: a day of scoring is one matrix product.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np

from numebot_dagster.practice.market.crowd import average_ranks, ranks_of
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.lineup import Lineup, Lineups
from numebot_dagster.practice.rules.payout_rules import (
    CANON_NAMES,
    CURRENT,
    DAYS_OF_SCORE,
    Formula,
    ScoreRule,
    newest_day,
)
from numebot_dagster.practice.rules.tournament import Tournament

# Rounds whose ranked predictions are kept in memory, about 1.7 MB each: all that are unresolved.
KEPT_FIELDS = 80
# A round's scores are tens of thousands of rows: one statement for each takes twice as long.
ROWS_OF_A_STATEMENT = 1000


SCORE_VERSION = "1"
_NAMES = (*(rule.name for rule in CURRENT.scores), *DAYS_OF_SCORE, *CANON_NAMES.values())
_ORDER = {name: at for at, name in enumerate(dict.fromkeys(_NAMES))}


@dataclass(frozen=True)
class Score:
    """One value of one participant on one day of a round."""

    round: Round
    day: int
    model_id: str
    name: str
    value: float
    percentile: float

    @property
    def is_last(self) -> bool:
        """Whether no later day follows."""
        original = {canon: name for name, canon in CANON_NAMES.items()}.get(self.name, self.name)
        return self.day == newest_day(original, self.round.score_days)


@dataclass(frozen=True)
class _Field:
    """Who plays a round; columns follow `models`.

    Attributes:
        models: Their ids.
        predictions: (rows, models) places of their ranks, see `places_of`.
        meta_model: (rows,) gaussianised.
        benchmark: (rows,) mean of the benchmarks' ranks, gaussianised.
        neutral: As `predictions`, of what is neutral to features.
        likeness: (models,) of each score that does not depend on the target.
    """

    models: tuple[str, ...]
    predictions: np.ndarray
    meta_model: np.ndarray
    benchmark: np.ndarray
    neutral: np.ndarray
    likeness: dict[Formula, np.ndarray]


class _Targets:
    """The (rows, days) target of one name; what several scores need is computed once."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    @cached_property
    def powers(self) -> tuple[np.ndarray, np.ndarray]:
        return centred(power(self.values - self.values.mean(axis=0)))


class _Formulas:
    """Scores of a field; what several of them need is computed once."""

    def __init__(self, field: _Field) -> None:
        self._field = field

    @cached_property
    def _predictions(self) -> np.ndarray:
        return quantiles_at(self._field.predictions)

    @cached_property
    def _powers(self) -> tuple[np.ndarray, np.ndarray]:
        return centred(powers_at(self._field.predictions))

    def scores(self, formula: Formula, targets: _Targets) -> np.ndarray:
        """Return (models, days) scores."""
        field = self._field
        if formula in field.likeness:
            return np.repeat(field.likeness[formula][:, None], targets.values.shape[1], axis=1)
        if formula is Formula.CONTRIBUTION:
            return contribution(self._predictions, field.meta_model, targets.values)
        if formula is Formula.BENCHMARK_CONTRIBUTION:
            return contribution(self._predictions, field.benchmark, targets.values)
        if formula is Formula.NEUTRAL_CORR:
            return correlations_of_centred(centred(powers_at(field.neutral)), targets.powers)
        return correlations_of_centred(self._powers, targets.powers)


def gaussianised(predictions: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of the tie-kept ranks, column by column."""
    return quantiles_of(ranks_of(predictions))


def quantiles_of(ranks: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of tie-kept ranks in (0, 1); see `ranks_of`."""
    return quantiles_at(places_of(ranks))


def places_of(ranks: np.ndarray) -> np.ndarray:
    """Return the int32 places of tie-kept ranks among all that there are."""
    return np.rint(2 * len(ranks) * ranks).astype(np.int32) - 1


def quantiles_at(places: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of the ranks at places."""
    return np.asarray(_quantiles(len(places))[places])


def powers_at(places: np.ndarray) -> np.ndarray:
    """Return the `power` of the normal quantiles of the ranks at places."""
    return np.asarray(_powers(len(places))[places])


@lru_cache(maxsize=8)
def _quantiles(rows: int) -> np.ndarray:
    """Return the (2 rows - 1,) quantiles of all ranks that there are: whole ones, and halves."""
    from scipy import special

    return np.asarray(special.ndtri((np.arange(2, 2 * rows + 1) / 2 - 0.5) / rows))


@lru_cache(maxsize=8)
def _powers(rows: int) -> np.ndarray:
    return power(_quantiles(rows))


def power(values: np.ndarray) -> np.ndarray:
    """Return `sign(x) |x|^1.5`."""
    return np.asarray(np.sign(values) * np.abs(values) ** 1.5)


def correlations(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each column of `left` (rows) with each of `right`."""
    return correlations_of_centred(centred(left), centred(right))


def centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns less their means, and their norms."""
    values = values - values.mean(axis=0)
    return values, np.linalg.norm(values, axis=0)


def correlations_of_centred(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return Pearson's correlation of each column with each other one; both were `centred`."""
    (left_values, left_norms), (right_values, right_norms) = left, right
    return np.asarray((left_values.T @ right_values) / np.outer(left_norms, right_norms))


def corr(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return Numerai's CORR of gaussianised predictions (n, p) with targets (n, d), as (p, d)."""
    return correlations_of_centred(centred(power(predictions)), _Targets(targets).powers)


def contribution(predictions: np.ndarray, meta: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return MMC of gaussianised predictions (n, p) on gaussianised `meta` (n,), as (p, d).

    Targets (n, d) in [0, 1] count as buckets -2 to 2, as in numerai-tools.
    """
    orthogonal = predictions - np.outer(meta, (predictions.T @ meta) / (meta @ meta))
    buckets = targets * 4
    centred = buckets - buckets.mean(axis=0)
    return np.asarray(orthogonal.T @ centred / len(targets))


def neutralised(predictions: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return gaussianised predictions (n, p) without their projection on features (n, f)."""
    columns = np.column_stack([features.astype(np.float64) - 2.0, np.ones(len(features))])
    # Far quicker than least squares on all rows, and features that are constant do no harm.
    inverse = np.linalg.pinv(columns.T @ columns, rcond=1e-12, hermitian=True)
    return np.asarray(predictions - columns @ (inverse @ (columns.T @ predictions)))


def percentiles(values: np.ndarray) -> np.ndarray:
    """Return the share of the others that each value beats, ties counting half, in 0 to 1.

    Args:
        values: (participants,) or (participants, days); each day for itself.
    """
    if len(values) == 1:
        return np.full(values.shape, 0.5)
    return np.asarray((average_ranks(values) - 1) / (len(values) - 1))


class Scorer:
    """Computes scores when they are first asked for, and keeps them in the state."""

    def __init__(self, tournament: Tournament, lineups: Lineups) -> None:
        self._tournament = tournament
        self._lineups = lineups
        self._field = lru_cache(maxsize=KEPT_FIELDS)(_field_of)
        self._one_at_a_time = threading.Lock()

    def published(
        self, rounds: Iterable[Round], *, newest_only: bool = False, now: datetime | None = None
    ) -> None:
        """Make sure that the published scores of these rounds are in the state.

        Others are let in while a round is scored, which may be hundreds of times in a query after
        the clock was moved by years.

        Raises:
            ValueError: A round claims more days of scoring than its rules give it.
        """
        now = now or self._tournament.clock.now()
        for round_ in rounds:
            days = round_.scored_days(now)
            newest = {
                rule.newest_day(days) for rule in self._tournament.timetable.rules(round_).scores
            }
            numbers = sorted(newest - {0}) if newest_only else range(1, days + 1)
            if self._missing(round_, numbers):
                with self._tournament.unlocked(), self._one_at_a_time:
                    missing = self._missing(round_, numbers)  # another may have scored it meanwhile
                    if missing:
                        self._score(round_, missing)

    def _missing(self, round_: Round, days: Iterable[int]) -> list[int]:
        """Return the days of a round that are not scored yet."""
        rows = self._tournament.state.rows("SELECT day FROM scored WHERE round = ?", round_.number)
        scored = {row["day"] for row in rows}
        return [day for day in days if day not in scored]

    def scores(
        self, model_id: str, rounds: Iterable[Round], *, newest_only: bool = False
    ) -> list[Score]:
        """Return a participant's published scores, newest round first, then newest day first."""
        by_number = {round_.number: round_ for round_ in rounds}
        self.published(by_number.values(), newest_only=newest_only)
        now = self._tournament.clock.now()
        days = {number: round_.scored_days(now) for number, round_ in by_number.items()}
        scores = [
            Score(by_number[row["round"]], row["day"], model_id, name, row["value"],
                  row["percentile"])
            for row in self._rows_of(model_id, by_number)
            if row["round"] in by_number
            and (not newest_only or row["day"] == newest_day(row["name"], days[row["round"]]))
            for name in (row["name"], CANON_NAMES.get(row["name"]))
            if name is not None
        ]  # fmt: skip
        return sorted(
            scores, key=lambda score: (-score.round.number, -score.day, _ORDER[score.name])
        )

    def _rows_of(self, model_id: str, rounds: Collection[int]) -> list[sqlite3.Row]:
        """Return a participant's scores in the span of some rounds, by the table's own order."""
        if not rounds:
            return []
        return self._tournament.state.rows(
            "SELECT scores.* FROM scored CROSS JOIN scores USING (round, day) "
            "WHERE scored.round BETWEEN ? AND ? AND model_id = ?",
            min(rounds), max(rounds), model_id,
        )  # fmt: skip

    def _score(self, round_: Round, days: list[int]) -> None:
        tournament = self._tournament
        allowed = tournament.timetable.rules(round_).score_days
        beyond = [day for day in days if day > allowed]
        if beyond:
            raise ValueError(
                f"round {round_.number} is scored for {allowed} days, not for {beyond[0]}: "
                "get it by Tournament.round, which applies its rules"
            )
        field = self._field(self._lineups.of(round_))
        tables = {
            rule.name: (values.T.tolist(), ranks.T.tolist())
            for rule, values, ranks in self._tables(round_, field, days)
        }
        rows = _rows_of(round_, days, field.models, tables)
        with tournament.state.transaction() as db:
            _insert(db, rows)
            db.executemany(
                "INSERT OR REPLACE INTO scored VALUES (?, ?)",
                [(round_.number, day) for day in days],
            )

    def _tables(
        self, round_: Round, field: _Field, days: list[int]
    ) -> Iterable[tuple[ScoreRule, np.ndarray, np.ndarray]]:
        """Yield the (models, days) values and percentiles of each score, up to its last day.

        Scores that differ in nothing but their days are computed once: the longer ones come first.
        """
        rules, formulas = self._tournament.timetable.rules(round_), _Formulas(field)
        targets: dict[str, _Targets] = {}
        made: dict[tuple[Formula, str], tuple[np.ndarray, np.ndarray]] = {}
        season = np.zeros((len(field.models), len(days)))
        for rule in rules.scores:
            scored = [day for day in days if day <= rule.days]
            key = rule.formula, rule.target
            if rule.target not in targets:
                targets[rule.target] = self._targets(round_, rule.target, scored)
            if rule.formula is Formula.SEASON:
                made[key] = season, percentiles(season)
            elif key not in made:
                table = formulas.scores(rule.formula, targets[rule.target])
                made[key] = table, percentiles(table)
            values, ranks = (table[:, : len(scored)] for table in made[key])
            if rule.is_payout:
                season += rule.multiplier * values
            yield rule, values, ranks

    def _targets(self, round_: Round, name: str, days: list[int]) -> _Targets:
        """Return the (rows, days) target of a name as it was realised by each day."""
        market = self._tournament.market
        with self._tournament.market_lock:
            columns = [market.realised_target(round_.opened, day, name) for day in days]
            rows = len(market.live_ids(round_.opened))
        return _Targets(np.column_stack([np.empty((rows, 0)), *columns]))


_Row = tuple[int, int, str, str, float, float]


def _rows_of(
    round_: Round,
    days: Sequence[int],
    models: Sequence[str],
    tables: dict[str, tuple[list[list[float]], list[list[float]]]],
) -> list[_Row]:
    """Return the rows of the table of scores in its own order, which is the quickest to insert.

    Args:
        round_: the round.
        days: ascending; a score that ends earlier has fewer of them.
        models: the ids of the participants.
        tables: values and percentiles by day and participant, by the name of the score.
    """
    columns = sorted((model_id, column) for column, model_id in enumerate(models))
    return [
        (round_.number, day, model_id, name, values[place][column], ranks[place][column])
        for place, day in enumerate(days)
        for scored in [[name for name in sorted(tables) if place < len(tables[name][0])]]
        for model_id, column in columns
        for name in scored
        for values, ranks in [tables[name]]
    ]


def _insert(db: sqlite3.Connection, rows: list[_Row]) -> None:
    many = ", ".join(["(?, ?, ?, ?, ?, ?)"] * ROWS_OF_A_STATEMENT)
    whole = len(rows) - len(rows) % ROWS_OF_A_STATEMENT
    for start in range(0, whole, ROWS_OF_A_STATEMENT):
        values = [*chain.from_iterable(rows[start : start + ROWS_OF_A_STATEMENT])]
        db.execute(f"INSERT OR REPLACE INTO scores VALUES {many}", values)  # noqa: S608
    db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?)", rows[whole:])


def _field_of(lineup: Lineup) -> _Field:
    # Whole numbers, so that equal means stay equal.
    ranks = average_ranks(lineup.benchmarks)
    predictions = places_of(lineup.ranks)
    powers, meta_model = powers_at(predictions), lineup.meta_model[:, None]
    with_meta_model = correlations(powers, meta_model)[:, 0]
    with_benchmarks = correlations(lineup.ranks, ranks)
    return _Field(
        models=lineup.models,
        predictions=predictions,
        meta_model=gaussianised(lineup.meta_model),
        benchmark=gaussianised(ranks.mean(axis=1)),
        neutral=places_of(ranks_of(neutralised(quantiles_at(predictions), lineup.neutralizers))),
        likeness={
            Formula.LIKENESS: with_meta_model,
            Formula.LARGEST_LIKENESS: with_benchmarks.max(axis=1),
            Formula.MEAN_LIKENESS: with_benchmarks.mean(axis=1),
        },
    )
