"""Scores of all participants of a round, on what the market has realised of its target so far.

The formulas are numerai-tools' `numerai_corr` and `correlation_contribution`, written for one
matrix of predictions against many days of targets at once: a day of scoring is one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from numebot_dagster.practice.clock import Round
from numebot_dagster.practice.tournament import BENCHMARK, RIVAL, Tournament


@dataclass(frozen=True)
class ScoreRule:
    """One score that rounds carry: ``multiplier`` is 0 when it is not paid."""

    name: str
    multiplier: float

    @property
    def is_payout(self) -> bool:
        """Whether the score is part of the payout."""
        return self.multiplier != 0


# The rules of round 1343 and later: payout = 3 x CORR60 + 15 x MMC60, clipped at 1.
SCORE_RULES = (
    ScoreRule("corr60", 3.0),
    ScoreRule("mmc60", 15.0),
    ScoreRule("bmc", 0.0),
    ScoreRule("corr_w_meta_model", 0.0),
)
PAYOUT_FACTOR = 1.0
PAYOUT_CLIP = 1.0
SCORE_VERSION = "1"


@dataclass(frozen=True)
class Score:
    """One value of one participant on one day of a round."""

    round: Round
    day: int
    model_id: str
    name: str
    value: float
    percentile: float


@dataclass(frozen=True)
class _Field:
    """Who plays a round, with predictions ranked and gaussianised; columns follow ``models``."""

    models: tuple[str, ...]
    predictions: np.ndarray
    meta_model: np.ndarray
    raw_meta_model: np.ndarray
    benchmark: np.ndarray


def gaussianised(predictions: np.ndarray) -> np.ndarray:
    """Returns the normal quantiles of the tie-kept ranks, column by column."""
    from scipy import special, stats

    ranks = stats.rankdata(predictions, axis=0)
    return np.asarray(special.ndtri((ranks - 0.5) / len(predictions)))


def power(values: np.ndarray) -> np.ndarray:
    """Returns ``sign(x) |x|^1.5``."""
    return np.asarray(np.sign(values) * np.abs(values) ** 1.5)


def correlations(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation of each column of ``left`` (rows) with each of ``right``."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    scale = np.outer(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=0))
    return np.asarray((left.T @ right) / scale)


def corr(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns Numerai's CORR of gaussianised predictions (n, p) with targets (n, d), as (p, d)."""
    return correlations(power(predictions), power(targets - targets.mean(axis=0)))


def contribution(predictions: np.ndarray, meta: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns MMC of gaussianised predictions (n, p) on gaussianised ``meta`` (n,), as (p, d).

    Targets (n, d) in [0, 1] count as buckets -2 to 2, as in numerai-tools.
    """
    orthogonal = predictions - np.outer(meta, (predictions.T @ meta) / (meta @ meta))
    buckets = targets * 4
    centred = buckets - buckets.mean(axis=0)
    return np.asarray(orthogonal.T @ centred / len(targets))


def percentiles(values: np.ndarray) -> np.ndarray:
    """Returns the share of the others that each value beats, ties counting half, in 0 to 1."""
    from scipy import stats

    if len(values) == 1:
        return np.array([0.5])
    return np.asarray((stats.rankdata(values) - 1) / (len(values) - 1))


class Scorer:
    """Computes scores when they are first asked for, and keeps them in the state."""

    def __init__(self, tournament: Tournament) -> None:
        self._tournament = tournament
        self._field = lru_cache(maxsize=80)(self._make_field)

    def published(self, rounds: Iterable[Round], *, newest_only: bool = False) -> None:
        """Makes sure that the published scores of these rounds are in the state.

        Args:
            rounds: The rounds.
            newest_only: Whether the newest day of each is enough.
        """
        now = self._tournament.clock.now()
        for one in rounds:
            days = one.scored_days(now)
            wanted = range(max(days, 1) if newest_only else 1, days + 1)
            state = self._tournament.state
            have = {
                row["day"]
                for row in state.rows("SELECT day FROM scored WHERE round = ?", one.number)
            }
            missing = [day for day in wanted if day not in have]
            if missing:
                self._score(one, missing)

    def scores(
        self, model_id: str, rounds: Iterable[Round], *, newest_only: bool = False
    ) -> list[Score]:
        """Returns a participant's published scores, newest round first, then newest day first."""
        wanted = {one.number: one for one in rounds}
        self.published(wanted.values(), newest_only=newest_only)
        now = self._tournament.clock.now()
        days = {number: one.scored_days(now) for number, one in wanted.items()}
        order = [rule.name for rule in SCORE_RULES]
        rows = self._tournament.state.rows("SELECT * FROM scores WHERE model_id = ?", model_id)
        found = [
            Score(wanted[row["round"]], row["day"], model_id, row["name"], row["value"],
                  row["percentile"])
            for row in rows
            if row["round"] in wanted
            and (row["day"] == days[row["round"]] or not newest_only)
        ]  # fmt: skip
        return sorted(found, key=lambda s: (-s.round.number, -s.day, order.index(s.name)))

    def _score(self, one: Round, days: list[int]) -> None:
        tournament = self._tournament
        entries = {
            model.id: submission.id
            for model in tournament.models_of_users()
            if (submission := tournament.selected(model.id).get(one.number)) is not None
        }
        field = self._field(one, tuple(sorted(entries.items())))
        with tournament.market_lock:
            columns = [tournament.market.realised_target(one.opened, day) for day in days]
        targets = np.stack(columns, axis=1).astype(np.float64)
        constant = correlations(power(field.predictions), field.raw_meta_model[:, None])
        values = {
            "corr60": corr(field.predictions, targets),
            "mmc60": contribution(field.predictions, field.meta_model, targets),
            "bmc": contribution(field.predictions, field.benchmark, targets),
            "corr_w_meta_model": np.repeat(constant, len(days), axis=1),
        }
        rows = [
            (one.number, day, model_id, name, value, percentile)
            for name, table in values.items()
            for day, column in zip(days, table.T, strict=True)
            for model_id, value, percentile in zip(
                field.models, column.tolist(), percentiles(column).tolist(), strict=True
            )
        ]
        with tournament.state.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?)", rows)
            db.executemany(
                "INSERT OR REPLACE INTO scored VALUES (?, ?)", [(one.number, day) for day in days]
            )

    def _make_field(self, one: Round, entries: tuple[tuple[str, str], ...]) -> _Field:
        from scipy import stats

        tournament, market = self._tournament, self._tournament.market
        own = {s.id: s for model_id, _ in entries for s in tournament.state.submissions(model_id)}
        columns = {model_id: tournament.predictions(own[key]) for model_id, key in entries}
        with tournament.market_lock:
            benchmarks = market.benchmarks(one.opened)
            for model in tournament.state.models():
                if model.kind == RIVAL:
                    columns[model.id] = market.rival_predictions(
                        one.opened, model.skill, model.seed
                    )
                elif model.kind == BENCHMARK:
                    columns[model.id] = benchmarks[model.name]
            meta = np.asarray(market.meta_model(one.opened), dtype=np.float64)
        matrix = np.stack([np.asarray(c, dtype=np.float64) for c in columns.values()], axis=1)
        ranks = stats.rankdata(np.stack([*benchmarks.values()], axis=1), axis=0)
        return _Field(
            models=tuple(columns),
            predictions=gaussianised(matrix),
            meta_model=gaussianised(meta),
            raw_meta_model=meta,
            benchmark=gaussianised(ranks.mean(axis=1)),
        )
