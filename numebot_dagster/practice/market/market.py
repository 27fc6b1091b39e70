"""Simulate the practice market: stocks, features, returns and what participants predict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from numebot_dagster.practice.market.features import CHARACTERISTICS, REAL_FEATURES, Features
from numebot_dagster.practice.market.knowledge import (
    BENCHMARK_SKILL,
    BENCHMARKS,
    CROWD_SKILL,
    FIRST_RIVAL,
    Insight,
    Opinions,
    blend,
)
from numebot_dagster.practice.market.randomness import Stream, WanderingSeries, generator
from numebot_dagster.practice.market.returns import LAG_DAYS, Returns, days_earned, horizon_risk
from numebot_dagster.practice.market.targets import HORIZONS, TARGET_NAMES, SiblingTargets, bucket
from numebot_dagster.practice.market.universe import Growth, Rows, Universe

PRACTICE_START = date(2026, 6, 1)
NEWEST_VERSION = "v5.3"
# Days between knots: half-lives of six weeks to ten months.
CHARACTERISTIC_PERIODS = np.geomspace(40, 300, CHARACTERISTICS).astype(int)
# Characteristics that no feature shows, and that single participants know of.
HIDDEN_PERIODS = np.array([110, 190])
# Long-run correlation of the best prediction that the features allow with the 60-day return, and
# of each hidden characteristic.
BEST_CORRELATION = 0.046
HIDDEN_CORRELATION = 0.03
# Time before the first era, so that its shocks have a past; the market's first day is a Monday.
WARM_UP = timedelta(days=33)
WEEK = timedelta(days=7)
SATURDAY = 5


@dataclass(frozen=True)
class Scale:
    """How large a practice market is.

    Attributes:
        stocks: number of slots for stocks once the market is fully grown, 1 to 2 % of them empty.
            Below 5,000 the scores become noisier than real ones: the standard deviation of CORR is
            about 1 / sqrt(stocks).
        features: number of features of the newest data version, at least 40.
        train_eras: number of weekly eras in the train file.
        validation_eras: number of eras in the validation file on the market's start date.
        missing_eras: number of first eras in which some features are all 2.
        benchmark_gap: number of first eras without benchmark predictions.
        meta_model_eras: number of eras in the meta model file on the market's start date.
        eras_before: number of Numerai's eras that are left out before the first one.
        shares: share of the slots in use at the first era and at the end of the train file when
            growth slows down until then and gathers speed again afterwards, as Numerai's did;
            None when it is steady.
    """

    stocks: int
    features: int
    train_eras: int
    validation_eras: int
    missing_eras: int
    benchmark_gap: int
    meta_model_eras: int
    eras_before: int = 0
    shares: tuple[float, float] | None = None

    @property
    def is_large(self) -> bool:
        """Whether making the files takes minutes, so that a killed run is worth going on with."""
        return self.stocks * self.features * self.train_eras > 1_000_000_000


# Real: 574 and 657 eras, 100 with missing features, 157 without benchmarks. The real meta model
# covers 15 % of the validation eras, this one 30 %: of 15 %, none would have a target yet.
SMALL = Scale(
    stocks=5_100,
    features=84,
    train_eras=72,
    validation_eras=84,
    missing_eras=12,
    benchmark_gap=20,
    meta_model_eras=26,
    eras_before=574 - 72,  # so that train ends with era 0574 and validation begins with 0575
)

# The counts of v5.3 in August 2026. Between 1 and 2 % of the slots are empty on any day.
FULL = Scale(
    stocks=7_130,
    features=REAL_FEATURES,
    train_eras=574,
    validation_eras=657,
    missing_eras=100,
    benchmark_gap=157,
    meta_model_eras=98,
    shares=(2_264 / 7_000, 6_009 / 7_000),
)


class Market:
    """A market that is the same for the same seed, scale and start, whatever is asked first.

    Rows of a round, and of the era that a Saturday's round becomes, are always in the order of
    `live_ids`. The methods that take `opened`, the date of a round's opening, work for any date
    from the first era on and raise ValueError before it. What is shown on a day are the features at
    the close of the business day before; what counts are the returns after two business days of
    lag. Saturday and Sunday count as the Monday that follows. Arrays are not to be written to.
    """

    def __init__(self, seed: int = 0, scale: Scale = SMALL, start: date = PRACTICE_START) -> None:
        """Describe the market; nothing large is computed before it is asked for.

        Args:
            seed: a non-negative integer.
            scale: sizes.
            start: the date on which the validation file has `scale.validation_eras` eras.
        """
        self.seed = seed
        self.scale = scale
        self.start = start
        newest = scale.train_eras + scale.validation_eras
        self._first_saturday = _newest_closed_saturday(start) - (newest - 1) * WEEK
        self._origin = self._first_saturday - WARM_UP
        full_from = self._known_day(self.saturday_of(scale.train_eras + 1))
        eras = (1, scale.train_eras + 1, newest)
        days = [self._known_day(self.saturday_of(era)) for era in eras]
        growth = scale.shares and Growth(*scale.shares, *days)
        self._universe = Universe(seed, scale.stocks, full_from, growth)
        periods = np.concatenate([CHARACTERISTIC_PERIODS, HIDDEN_PERIODS])
        characteristics = WanderingSeries(seed, Stream.CHARACTERISTICS, periods, scale.stocks)
        self._hidden = WanderingSeries(
            seed, Stream.CHARACTERISTICS, HIDDEN_PERIODS, scale.stocks, first=CHARACTERISTICS
        )
        self._features = Features(seed, scale.features, characteristics)
        premia = _draw_premia(seed, self._features, characteristics)
        self._returns = Returns(seed, characteristics, premia)
        self._siblings = SiblingTargets(seed, scale.stocks)
        self._insight = Insight(
            self._features, {days: premia * days_earned(characteristics, days) for days in HORIZONS}
        )
        self._opinions = Opinions(seed, scale.stocks)
        self.feature_names: list[str] = self._features.names
        self.target_names: list[str] = list(TARGET_NAMES)
        self._rows = lru_cache(maxsize=256)(self._find_rows)
        self._shown = lru_cache(maxsize=4)(self._find_shown)
        self._insights = lru_cache(maxsize=1024)(self._find_insight)

    # Calendar

    def last_validation_era(self, today: date) -> int:
        """Return the newest era of the validation file, that of the last closed Saturday round."""
        return self.era_of(_newest_closed_saturday(today))

    def saturday_of(self, era: int) -> date:
        """Return the Saturday whose round became an era."""
        return self._first_saturday + (era - 1) * WEEK

    def era_of(self, opened: date) -> int:
        """Return the number of the era that the last Saturday's round up to a date becomes."""
        return (opened - self._first_saturday).days // 7 + 1

    def name_of(self, era: int) -> str:
        """Return how files and answers write the number of an era: as Numerai does."""
        return f"{era + self.scale.eras_before:04d}"

    def _round_day(self, opened: date) -> int:
        """Return how many business days after the market's first day a round's own day is."""
        if opened < self._first_saturday:
            raise ValueError(
                f"The practice market begins on {self._first_saturday} and {opened} is before it: "
                "ask for a later date."
            )
        return int(np.busday_count(self._origin, opened))

    def _known_day(self, opened: date) -> int:
        return self._round_day(opened) - 1

    # What everyone sees

    def features_json(self) -> dict[str, Any]:
        """Return the content of features.json: `feature_sets`, 19 lists of names, and `targets`."""
        names = self.feature_names
        sets = self._features.sets.items()
        return {
            "feature_sets": {name: [names[i] for i in members] for name, members in sets},
            "targets": self.target_names,
        }

    def live_ids(self, opened: date) -> np.ndarray:
        """Return the (rows,) ids, "n" and 15 hexadecimal digits, ascending, new for each date."""
        return self._rows(opened).ids

    def stock_of(self, opened: date) -> np.ndarray:
        """Return the (rows,) int64 numbers by which the market itself knows the stocks forever."""
        return self._rows(opened).stocks

    def live_features(self, opened: date) -> np.ndarray:
        """Return the (rows, features) int8 values 0 to 4, each feature contiguous in memory."""
        return self._shown(opened).T

    def neutralizers(self, opened: date) -> np.ndarray:
        """Return the (rows, features) int8 values of those features that FNCv3 is neutral to."""
        return self._shown(opened)[self._features.sets["fncv3_features"]].T

    # What becomes known later

    def realised_return(self, opened: date, days: int) -> np.ndarray:
        """Return the (rows,) residual return of the `days` business days after the lag."""
        if days < 1:
            raise ValueError(f"A return needs at least one day, not {days}.")
        first = self._round_day(opened) + LAG_DAYS + 1
        return self._returns.between(first, first + days - 1)[self._rows(opened).slots]

    def realised_target(self, opened: date, days: int, name: str = "ender") -> np.ndarray:
        """Return the (rows,) float32 target over `days` days: of 60 ender_60, of 20 ender_20.

        Another name's have no gaps here.
        """
        returns = self.realised_return(opened, days)
        if name == "ender":
            return bucket(returns)
        return self._siblings.single(
            name, self.era_of(opened), days, returns, self._rows(opened).slots
        )

    def named_targets(self, saturday: date, days: int) -> dict[str, np.ndarray]:
        """Return all 20 named targets of one horizon for the era of a Saturday.

        Returns:
            (rows,) float32 by column name, with NaN in a few rows of jeremy.
        """
        returns = self.realised_return(saturday, days)
        slots = self._rows(saturday).slots
        siblings = self._siblings.of_era(self.era_of(saturday), days, returns, slots)
        named = {"ender": bucket(returns), **siblings}
        return {f"target_{name}_{days}": values for name, values in named.items()}

    # What participants predict

    def benchmarks(self, opened: date, version: str = NEWEST_VERSION) -> dict[str, np.ndarray]:
        """Return the (rows,) predictions in (0, 1) of each benchmark model of a data version."""
        insights = self._insights(opened, version)
        return {
            name: blend([(BENCHMARK_SKILL, insights[days])], self._opinion(opened, person))
            for name, (days, person) in BENCHMARKS[version].items()
        }

    def example_predictions(self, opened: date) -> np.ndarray:
        """Return the (rows,) predictions of the example model, which is v53_lgbm_ender60."""
        return self.benchmarks(opened)["v53_lgbm_ender60"]

    def rival_predictions(
        self, opened: date, skill: float, seed: int, edge: float = 0.0
    ) -> np.ndarray:
        """Return another participant's (rows,) predictions in (0, 1).

        Args:
            opened: date of the round.
            skill: from 0, noise, to 1, as good as the crowd.
            seed: a non-negative integer that tells participants of the same skill apart.
            edge: correlation with one of the characteristics that no feature shows.
        """
        insight = self._insights(opened, NEWEST_VERSION)[60]
        parts = [(skill * CROWD_SKILL, insight)]
        if edge:
            hidden = self._hidden.on(self._known_day(opened))[seed % len(HIDDEN_PERIODS)]
            parts.append((edge, hidden[self._rows(opened).slots]))
        return blend(parts, self._opinion(opened, FIRST_RIVAL + seed))

    def _opinion(self, opened: date, person: int) -> np.ndarray:
        return self._opinions.of(person, self._known_day(opened))[self._rows(opened).slots]

    # Computed once and kept for a while

    def _find_rows(self, opened: date) -> Rows:
        return self._universe.rows(self._known_day(opened), opened)

    def _find_shown(self, opened: date) -> np.ndarray:
        shown = self._features.on(self._known_day(opened))[:, self._rows(opened).slots]
        if self.era_of(opened) <= self.scale.missing_eras:
            shown[self._features.missing_early] = 2
        shown.flags.writeable = False
        return shown

    def _find_insight(self, opened: date, version: str) -> dict[int, np.ndarray]:
        return self._insight.from_features(self._shown(opened), version)


def _newest_closed_saturday(today: date) -> date:
    """Return the newest Saturday whose round, which closes on Sunday, closed before today."""
    return today - timedelta(days=2 + (today.weekday() - SATURDAY - 2) % 7)


def _draw_premia(seed: int, features: Features, characteristics: WanderingSeries) -> np.ndarray:
    """Draw what characteristics earn, such that the best prediction is as good as intended."""
    random = generator(seed, Stream.PREMIA, 0)
    signs = random.choice([-1.0, 1.0], CHARACTERISTICS)
    premia = np.zeros(len(characteristics.periods))
    premia[:CHARACTERISTICS] = signs * random.uniform(0.5, 1.5, CHARACTERISTICS)
    rewards = premia * days_earned(characteristics, 60)
    best = features.knowledge(rewards, features.sets["all"]) @ features.loadings @ rewards
    shown = premia[:CHARACTERISTICS] * (BEST_CORRELATION * horizon_risk(60) / np.sqrt(best))
    hidden = HIDDEN_CORRELATION * horizon_risk(60) / days_earned(characteristics, 60)
    return np.concatenate([shown, hidden[CHARACTERISTICS:]])
