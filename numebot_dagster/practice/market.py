"""The practice market: stocks, features, returns and what its participants predict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from numebot_dagster.practice.features import Features
from numebot_dagster.practice.randomness import Stream, WanderingSeries, generator
from numebot_dagster.practice.returns import (
    HORIZONS,
    SIBLINGS,
    TARGET_NAMES,
    Returns,
    SiblingTargets,
    bucket,
    horizon_risk,
)
from numebot_dagster.practice.universe import Rows, Universe

PRACTICE_START = date(2026, 6, 1)
LAG_DAYS = 2
CHARACTERISTICS = 8
# Days between knots: half-lives of six weeks to ten months.
CHARACTERISTIC_PERIODS = np.geomspace(40, 300, CHARACTERISTICS).astype(int)
# Correlation of the best possible prediction from all features with the 60-day return.
BEST_CORRELATION = 0.034
# Correlation of predictions with that best one: what the crowd knows, and what a benchmark does.
CROWD_SKILL = 0.95
BENCHMARK_SKILL = 0.8
OPINION_PERIOD = 60
WARM_UP = timedelta(days=33)
WEEK = timedelta(days=7)
SATURDAY = 5


@dataclass(frozen=True)
class Scale:
    """How large a practice market is.

    Attributes:
        stocks: number of stocks once the market is fully grown. Below 5,000 the scores become
            noisier than real ones: their standard deviation is about 1 / sqrt(stocks).
        features: number of features of the newest data version.
        train_eras: number of weekly eras in the train file.
        validation_eras: number of eras in the validation file on the market's start date.
        missing_eras: number of first eras in which some features are all 2.
        benchmark_gap: number of first eras without benchmark predictions.
        meta_model_eras: number of eras in the meta model file on the market's start date.
    """

    stocks: int
    features: int
    train_eras: int
    validation_eras: int
    missing_eras: int
    benchmark_gap: int
    meta_model_eras: int


# Real: 574 and 657 eras, 100 with missing features, 157 without benchmarks. The meta model covers
# 15 % of the validation eras, here 30 %: with 15 %, none of its eras would have a target yet.
SMALL = Scale(
    stocks=5_100,
    features=112,
    train_eras=72,
    validation_eras=84,
    missing_eras=12,
    benchmark_gap=20,
    meta_model_eras=26,
)


class Market:
    """A market that is the same for the same seed, scale and start, whatever is asked first.

    Rows of a round (and of the era that belongs to it) are always in the order of `live_ids`.
    All methods that take `opened`, the date of a round's opening, work for any date from the first
    era on, and raise ValueError before it. What a Saturday or Sunday shows is Friday's close, what
    any other day shows is the close of the day before.
    """

    def __init__(
        self, seed: int = 0, scale: Scale = SMALL, start: date = PRACTICE_START
    ) -> None:
        """Describe the market; nothing large is computed before it is asked for.

        Args:
            seed: a non-negative integer.
            scale: sizes.
            start: the date on which the validation file has `scale.validation_eras` eras.
        """
        self.seed = seed
        self.scale = scale
        self.start = start
        first_to_last = (scale.train_eras + scale.validation_eras - 1) * WEEK
        self._first_saturday = _newest_closed_saturday(start) - first_to_last
        self._origin = self._first_saturday - WARM_UP
        full_from = self._close_before(self.saturday_of(scale.train_eras + 1))
        self._universe = Universe(seed, scale.stocks, full_from)
        self._characteristics = WanderingSeries(
            seed, Stream.CHARACTERISTICS, CHARACTERISTIC_PERIODS, scale.stocks
        )
        self._features = Features(seed, scale.features, self._characteristics)
        self._returns = Returns(seed, self._characteristics, self._calibrated_premia())
        self._siblings = SiblingTargets(seed, scale.stocks)
        self.feature_names: list[str] = self._features.names
        self.target_names: list[str] = [
            "target",
            *(f"target_{name}_{days}" for name in TARGET_NAMES for days in HORIZONS),
        ]
        self._rows = lru_cache(maxsize=512)(self._find_rows)
        self._bins = lru_cache(maxsize=4)(self._features.on)
        self._insight = lru_cache(maxsize=1024)(self._find_insight)

    # -- calendar ----------------------------------------------------------------------------

    def last_validation_era(self, today: date) -> int:
        """Return the newest era in the validation file: that of the last closed Saturday round."""
        return self.era_of(_newest_closed_saturday(today))

    def saturday_of(self, era: int) -> date:
        """Return the Saturday whose round became an era."""
        return self._first_saturday + (era - 1) * WEEK

    def era_of(self, saturday: date) -> int:
        """Return the number of the era that the round of a Saturday becomes."""
        return (saturday - self._first_saturday).days // 7 + 1

    def _round_day(self, opened: date) -> int:
        """Count the business days from the market's origin to the round's day, Saturday's being
        the Monday after."""
        if opened < self._first_saturday:
            raise ValueError(
                f"The practice market begins on {self._first_saturday}, {opened} is before it; "
                "ask for a later date."
            )
        return int(np.busday_count(self._origin, opened))

    def _close_before(self, opened: date) -> int:
        return self._round_day(opened) - 1

    # -- what everyone sees ------------------------------------------------------------------

    def features_json(self) -> dict[str, Any]:
        """Return the content of features.json: the 19 feature sets and the 41 target names."""
        names = self.feature_names
        return {
            "feature_sets": {
                name: [names[i] for i in members] for name, members in self._features.sets.items()
            },
            "targets": self.target_names,
        }

    def live_ids(self, opened: date) -> np.ndarray:
        """Return the (rows,) ids, "n" and 15 hexadecimal digits, ascending, new for each round."""
        return self._rows(opened).ids

    def stock_of(self, opened: date) -> np.ndarray:
        """Return the (rows,) int64 numbers by which the same stock is known in all rounds."""
        return self._rows(opened).stocks

    def live_features(self, opened: date) -> np.ndarray:
        """Return the (rows, features) int8 values 0 to 4, known at the last close."""
        shown = self._shown(opened)
        return shown[:, self._rows(opened).slots].T

    # -- what becomes known later ------------------------------------------------------------

    def realised_return(self, opened: date, days: int) -> np.ndarray:
        """Return the (rows,) residual return of `days` business days after the two lag days."""
        first = self._round_day(opened) + LAG_DAYS + 1
        return self._returns.between(first, first + days - 1)[self._rows(opened).slots]

    def realised_target(self, opened: date, days: int) -> np.ndarray:
        """Return the (rows,) float32 target over `days` days: 60 is ender_60, 20 is ender_20."""
        return bucket(self.realised_return(opened, days))

    def sibling_targets(self, opened: date, days: int) -> dict[str, np.ndarray]:
        """Return the named targets beside ender for the era of a Saturday.

        Args:
            opened: a Saturday.
            days: 20 or 60.

        Returns:
            (rows,) float32 by name, NaN in a few rows of jeremy.
        """
        targets = self._siblings.on(
            self.era_of(opened),
            days,
            self.realised_return(opened, days),
            self._rows(opened).slots,
        )
        return dict(zip(SIBLINGS, targets, strict=True))

    # -- what participants predict -----------------------------------------------------------

    def meta_model(self, opened: date) -> np.ndarray:
        """Return the (rows,) predictions of the crowd, uniform in (0, 1)."""
        return self._participant(opened, CROWD_SKILL, 60, 0)

    def benchmarks(self, opened: date, version: str = "v5.3") -> dict[str, np.ndarray]:
        """Return the benchmark models' (rows,) predictions in (0, 1) by column name.

        Args:
            opened: date of the round.
            version: "v5.3", or "v5.2" whose models do not know the quantum features.
        """
        if version == "v5.2":
            return {
                "v52_lgbm_ender20": self._participant(opened, BENCHMARK_SKILL, 20, 3, False),
                "v52_lgbm_cyrusd20": self._participant(opened, BENCHMARK_SKILL, 20, 4, False),
            }
        return {
            "v53_lgbm_ender20": self._participant(opened, BENCHMARK_SKILL, 20, 1),
            "v53_lgbm_ender60": self._participant(opened, BENCHMARK_SKILL, 60, 2),
        }

    def example_predictions(self, opened: date) -> np.ndarray:
        """Return the (rows,) predictions of the example model, which is v53_lgbm_ender60."""
        return self.benchmarks(opened)["v53_lgbm_ender60"]

    def rival_predictions(self, opened: date, skill: float, seed: int) -> np.ndarray:
        """Return another participant's (rows,) predictions in (0, 1).

        Args:
            opened: date of the round.
            skill: 0 for noise up to 1 for one who knows as much as the crowd.
            seed: tells participants of the same skill apart.
        """
        return self._participant(opened, skill * CROWD_SKILL, 60, 100 + seed)

    # -- inside ------------------------------------------------------------------------------

    def _find_rows(self, opened: date) -> Rows:
        return self._universe.rows(self._close_before(opened), opened)

    def _shown(self, opened: date) -> np.ndarray:
        """Return the (features, slots) values as shown, some of them missing in early eras."""
        bins = self._bins(self._close_before(opened))
        if self.era_of(opened) > self.scale.missing_eras:
            return bins
        return np.where(self._features.missing_early[:, None], np.int8(2), bins)

    def _find_insight(self, opened: date, days: int, quantum: bool) -> np.ndarray:
        """Return the (rows,) standardised best prediction of the return over a horizon."""
        weights = self._knowledge(days, quantum).astype(np.float32)
        slots = self._rows(opened).slots
        insight = weights @ (self._shown(opened) - np.int8(2)).astype(np.float32)[:, slots]
        result: np.ndarray = (insight - insight.mean()) / insight.std()
        return result

    def _knowledge(self, days: int, quantum: bool) -> np.ndarray:
        return self._weights[days, quantum]

    def _calibrated_premia(self) -> np.ndarray:
        """Draw the premia and scale them so that the best prediction is as good as intended."""
        random = generator(self.seed, Stream.PREMIA, 1)
        premia = random.choice([-1.0, 1.0], CHARACTERISTICS) * random.uniform(
            0.5, 1.5, CHARACTERISTICS
        )
        sets = self._features.sets
        everything = sets["all"]
        old = [i for i in everything if i not in set(sets["quantum"])]
        expected = {days: premia * self._persistence(days) for days in HORIZONS}
        self._weights = {
            (days, quantum): self._features.knowledge(expected[days], everything if quantum else old)
            for days in HORIZONS
            for quantum in (True, False)
        }
        explained = self._weights[60, True] @ self._features.loadings @ expected[60]
        return premia * (BEST_CORRELATION * horizon_risk(60) / np.sqrt(explained))

    def _persistence(self, days: int) -> np.ndarray:
        """Return how often a characteristic seen today is earned in the horizon's days."""
        first = LAG_DAYS + 2
        lags = range(first, first + days)
        return np.sum([self._characteristics.autocorrelation(lag) for lag in lags], axis=0)

    def _participant(
        self, opened: date, skill: float, days: int, person: int, quantum: bool = True
    ) -> np.ndarray:
        opinions = WanderingSeries(
            self.seed, Stream.OPINIONS, np.array([OPINION_PERIOD]), self.scale.stocks, person
        )
        opinion = opinions.on(self._close_before(opened))[0, self._rows(opened).slots]
        insight = self._insight(opened, days, quantum)
        return _uniform(skill * insight + np.sqrt(1.0 - skill**2) * opinion)


def _newest_closed_saturday(today: date) -> date:
    """Return the newest Saturday whose round, which closes on Sunday, closed before today."""
    return today - timedelta(days=2 + (today.weekday() - SATURDAY - 2) % 7)


def _uniform(values: np.ndarray) -> np.ndarray:
    """Return the ranks of the values, spread evenly over (0, 1)."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return (ranks + 0.5) / len(values)
