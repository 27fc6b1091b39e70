"""What a round pays on, and how a change of the rules falls between two rounds."""

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
    LIKENESS = "correlation with the meta model"


@dataclass(frozen=True)
class ScoreRule:
    """One score that rounds carry: ``multiplier`` is 0 when it is not paid."""

    name: str
    multiplier: float
    formula: Formula

    @property
    def is_payout(self) -> bool:
        """Whether the score is part of the payout."""
        return self.multiplier != 0


@dataclass(frozen=True)
class Rules:
    """What rounds carry.

    Attributes:
        scores: All scores that are published, paid ones first.
        score_days: Business days of returns, one score a day.
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
        """Returns a score by name."""
        return next(rule for rule in self.scores if rule.name == name)

    def paid_as(self, formula: Formula) -> str:
        """Returns the name of the paid score of a formula."""
        return next(rule.name for rule in self.paid if rule.formula is formula)

    def payout_factor(self, total_at_risk: Decimal) -> float:
        """Returns ``min(1, stake_cap / total_at_risk)``."""
        if self.stake_cap is None or total_at_risk <= self.stake_cap:
            return 1.0
        return float(self.stake_cap / total_at_risk)

    def worth(self, scores: Mapping[str, float | None]) -> float:
        """Returns ``sum(multiplier x score)`` of the paid scores; missing ones count 0."""
        return sum(rule.multiplier * (scores.get(rule.name) or 0.0) for rule in self.paid)


_INFORMATIVE = (
    ScoreRule("bmc", 0.0, Formula.BENCHMARK_CONTRIBUTION),
    ScoreRule("corr_w_meta_model", 0.0, Formula.LIKENESS),
)
# Rounds 1343 and later: payout = 3 x CORR60 + 15 x MMC60, clipped at 1.
CURRENT = Rules(
    scores=(
        ScoreRule("corr60", 3.0, Formula.CORR),
        ScoreRule("mmc60", 15.0, Formula.CONTRIBUTION),
        *_INFORMATIVE,
    ),
    score_days=60,
    clip=1.0,
    stake_cap=None,
)
# Rounds of 2026 before that: 0.75 x CORR20 + 2.25 x MMC, clipped at 0.05, and a payout factor.
FORMER = Rules(
    scores=(
        ScoreRule("v2_corr20", 0.75, Formula.CORR),
        ScoreRule("mmc", 2.25, Formula.CONTRIBUTION),
        *_INFORMATIVE,
    ),
    score_days=20,
    clip=0.05,
    stake_cap=Decimal(72_000),
)


@dataclass(frozen=True)
class RuleBook:
    """Which rules a round carries: the former ones before round ``change_at``, if there is one."""

    change_at: int | None = None

    def of(self, number: int) -> Rules:
        """Returns the rules of a round."""
        return FORMER if self.change_at is not None and number < self.change_at else CURRENT

    def span(self, number: int, first: int) -> tuple[int, int | None]:
        """Returns the first and the last round (None: no end) with the rules of a round.

        Args:
            number: The round.
            first: The first round of all.
        """
        if self.change_at is None:
            return first, None
        if number < self.change_at:
            return first, self.change_at - 1
        return max(first, self.change_at), None
