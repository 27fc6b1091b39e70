"""Define what a round pays on, and which rounds a change of the rules falls between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Formula(StrEnum):
    """How a score is computed from predictions, the round's target and the meta model."""

    CORR = "corr"
    CONTRIBUTION = "contribution to the meta model"
    BENCHMARK_CONTRIBUTION = "contribution to the benchmark models"
    NEUTRAL_CORR = "corr of what is neutral to the features of FNCv3"
    LIKENESS = "correlation with the meta model"
    LARGEST_LIKENESS = "largest correlation with a benchmark model"
    MEAN_LIKENESS = "mean correlation with the benchmark models"
    SEASON = "sum of the paid scores times their multipliers"


@dataclass(frozen=True)
class ScoreRule:
    """One score that rounds carry.

    Attributes:
        multiplier: What a payout multiplies it by; 0 when it is not paid.
        days: Business days of returns at the most, one score a day.
        target: The name of the target, which is ender for all that are paid.
        canon: The name under which it is published once more, for all who compare times with other
            rules; None if it is not.
    """

    name: str
    multiplier: float
    formula: Formula
    days: int
    target: str = "ender"
    canon: str | None = None

    @property
    def is_payout(self) -> bool:
        """Whether the score is part of the payout."""
        return self.multiplier != 0

    def newest_day(self, day: int) -> int:
        """Return the day of the newest value when a round has been scored for so many days."""
        return min(day, self.days)


@dataclass(frozen=True)
class Rules:
    """What rounds carry.

    Attributes:
        scores: All scores that are published, paid ones first.
        score_days: Business days of returns of the paid scores, and of no score more.
        clip: The largest payout or burn, as a share of the stake.
        stake_cap: Stakes beyond this sum share what it would earn (in NMR); None: no such limit.
    """

    scores: tuple[ScoreRule, ...]
    score_days: int
    clip: float
    stake_cap: Decimal | None

    @property
    def paid(self) -> tuple[ScoreRule, ...]:
        """The scores that are paid."""
        return tuple(rule for rule in self.scores if rule.is_payout)

    def score(self, name: str) -> ScoreRule:
        """Return a score by name."""
        return next(rule for rule in self.scores if rule.name == name)

    def paid_as(self, formula: Formula) -> str:
        """Return the name of the paid score of a formula."""
        return next(rule.name for rule in self.paid if rule.formula is formula)

    def payout_factor(self, total_at_risk: Decimal) -> float:
        """Return `min(1, stake_cap / total_at_risk)`."""
        if self.stake_cap is None or total_at_risk <= self.stake_cap:
            return 1.0
        return float(self.stake_cap / total_at_risk)

    def worth(self, scores: Mapping[str, float | None]) -> float:
        """Return `sum(multiplier x score)` of the paid scores; missing ones count 0."""
        return sum(rule.multiplier * (scores.get(rule.name) or 0.0) for rule in self.paid)


def _corr_20(multiplier: float) -> ScoreRule:
    return ScoreRule("v2_corr20", multiplier, Formula.CORR, 20, canon="canon_corr")


def _mmc_20(multiplier: float) -> ScoreRule:
    return ScoreRule("mmc", multiplier, Formula.CONTRIBUTION, 20, canon="canon_mmc")


def _never_paid(days: int) -> tuple[ScoreRule, ...]:
    """Return what rounds carry for information under both rules."""
    return (
        ScoreRule("bmc", 0.0, Formula.BENCHMARK_CONTRIBUTION, days, canon="canon_bmc"),
        ScoreRule("fnc_v3", 0.0, Formula.NEUTRAL_CORR, days, canon="canon_fnc_v3"),
        ScoreRule("cort20", 0.0, Formula.CORR, 20, "teager2b", "canon_cort20"),
        ScoreRule("corr_w_meta_model", 0.0, Formula.LIKENESS, days),
        ScoreRule("mcwnm", 0.0, Formula.LARGEST_LIKENESS, days),
        ScoreRule("apcwnm", 0.0, Formula.MEAN_LIKENESS, days),
        ScoreRule("season_score", 0.0, Formula.SEASON, days),
    )


# Rounds 1343 and later: payout = 3 x CORR60 + 15 x MMC60, clipped at 1.
CURRENT = Rules(
    scores=(
        ScoreRule("corr60", 3.0, Formula.CORR, 60, canon="canon_corr60"),
        ScoreRule("mmc60", 15.0, Formula.CONTRIBUTION, 60, canon="canon_mmc60"),
        _corr_20(0.0),
        _mmc_20(0.0),
        ScoreRule("corj60", 0.0, Formula.CORR, 60, "jeremy", "canon_corj60"),
        *_never_paid(60),
    ),
    score_days=60,
    clip=1.0,
    stake_cap=None,
)
# Rounds of 2026 before that: 0.75 x CORR20 + 2.25 x MMC, clipped at 0.05, and a payout factor.
FORMER = Rules(
    scores=(_corr_20(0.75), _mmc_20(2.25), *_never_paid(20)),
    score_days=20,
    clip=0.05,
    stake_cap=Decimal(72_000),
)
# Every score that a round may carry, and its business days of returns at the most: the current
# rules come last, as theirs are never fewer.
DAYS_OF_SCORE = {rule.name: rule.days for rules in (FORMER, CURRENT) for rule in rules.scores}
CANON_NAMES = {
    rule.name: rule.canon for rules in (FORMER, CURRENT) for rule in rules.scores if rule.canon
}


def newest_day(name: str, day: int) -> int:
    """Return the day of a score's newest value when a round has been scored for so many days."""
    return min(day, DAYS_OF_SCORE[name])


@dataclass(frozen=True)
class RuleBook:
    """Which rules a round carries: the former ones before round `change_at`, if there is one."""

    change_at: int | None = None

    def of(self, number: int) -> Rules:
        """Return the rules of a round."""
        return FORMER if self.change_at is not None and number < self.change_at else CURRENT

    def span(self, number: int, first: int) -> tuple[int, int | None]:
        """Return the first and the last round (None: no end) with the rules of a round."""
        if self.change_at is None:
            return first, None
        if number < self.change_at:
            return first, self.change_at - 1
        return max(first, self.change_at), None
