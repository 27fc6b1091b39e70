"""Define a line of the account book: what a round pays a model, and what Numerai credited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from numebot_dagster.operations.performance.money.prices import NO_PRICE, Price
from numebot_dagster.operations.performance.money.stakes import ATOMIC_CLIP, FINAL_AFTER
from numebot_dagster.scoring.payouts import Netted, Stake, Term


class Kind(StrEnum):
    """How a round stakes."""

    ATOMIC = "atomic"  # each round has a position of its own, which can be lost as a whole
    LEGACY = "legacy"  # the same stake is at risk in all rounds that run
    UNKNOWN = "unknown"  # the round's clip is not known


class Match(StrEnum):
    """How a line compares with what Numerai credited."""

    EQUAL = "equal"
    PENDING = "pending"  # the round has not resolved
    DIFFERENCE = "difference"
    UNKNOWN = "unknown"  # what is needed to compute it is missing


@dataclass(frozen=True)
class Score:
    """A score that a round pays for, by the definition that its metric and version name."""

    metric: str
    version: str | None
    multiplier: Decimal | None
    day: int | None
    value: Decimal | None
    payout_nmr: Decimal | None

    @property
    def name(self) -> str:
        """The metric with its version."""
        return self.metric if self.version is None else f"{self.metric} v{self.version}"


@dataclass(frozen=True)
class Line:
    """One model in one round, with NMR at risk.

    Attributes:
        clip: the largest payout or burn, as a share of the stake.
        resolve_date: the day on which the round resolves, and pays.
        resolved: whether it has.
        credited: NMR by Numerai; what it expects to pay while the round is unresolved.
        claim: NMR by the claim of the position on the chain, where it was read.
        missing: what Numerai did not give of what a payout is computed from.
        price: of one NMR on the day paid.
        netted: what is realised and deferred, of resolved rounds of atomic staking.
    """

    model: str
    round_number: int
    at_risk: Decimal | None
    payout_factor: Decimal | None
    clip: Decimal | None
    scores: tuple[Score, ...]
    resolve_date: date | None
    resolved: bool
    credited: Decimal | None
    claim: Decimal | None
    price: Price = NO_PRICE
    netted: Netted | None = None

    @property
    def kind(self) -> Kind:
        """How the round stakes, by the clip that it carries."""
        if self.clip is None:
            return Kind.UNKNOWN
        return Kind.ATOMIC if self.clip >= ATOMIC_CLIP else Kind.LEGACY

    @property
    def rule(self) -> str:
        """What the round pays, in words."""
        terms = " + ".join(f"{_plain(score.multiplier)} x {score.name}" for score in self.scores)
        return f"{self.kind}: {terms or 'unknown scores'}, clipped at {_plain(self.clip)}"

    @cached_property
    def stake(self) -> Stake | None:
        """What the payout is computed from; None where something is missing."""
        if self.missing or None in (self.at_risk, self.payout_factor, self.clip):
            return None
        terms = (Term(score.multiplier, score.value) for score in self.scores)  # type: ignore[arg-type]
        return Stake(self.at_risk, self.payout_factor, self.clip, tuple(terms))  # type: ignore[arg-type]

    @cached_property
    def computed(self) -> Decimal | None:
        """NMR by the round's own rule; None where something is missing."""
        return None if self.stake is None else self.stake.payout

    @property
    def missing(self) -> tuple[str, ...]:
        """What the payout cannot be computed without, by Numerai's names."""
        fields = {
            "atRisk": self.at_risk,
            "roundPayoutFactor": self.payout_factor,
            "clipThreshold": self.clip or None,
            "payoutMultipliers": self.scores or None,
        }
        lines = [name for name, value in fields.items() if value is None]
        lines += [f"multiplier of {each.name}" for each in self.scores if each.multiplier is None]
        return (*lines, *(f"score {each.name}" for each in self.scores if each.value is None))

    @property
    def deviations(self) -> dict[str, Decimal]:
        """What Numerai credited more than computed, in NMR, by where it says so."""
        if self.computed is None or not self.resolved:
            return {}
        credits = {"payout": self.credited, "claim": self.claim}
        return {
            name: amount - self.computed for name, amount in credits.items() if amount is not None
        }

    @property
    def differences(self) -> dict[str, Decimal]:
        """The deviations that rounding does not explain."""
        if self.stake is None:
            return {}
        limit = self.stake.rounding
        return {name: by for name, by in self.deviations.items() if abs(by) > limit}

    @cached_property
    def match(self) -> Match:
        """How the line compares with what Numerai credited."""
        if not self.resolved:
            return Match.PENDING
        if self.stake is None or self.credited is None:
            return Match.UNKNOWN
        return Match.DIFFERENCE if self.differences else Match.EQUAL

    @property
    def remark(self) -> str:
        """What deviates, and by how much, or what is missing."""
        if self.match is Match.UNKNOWN:
            return ", ".join(self.missing) or "payoutNmr"
        within = " by rounding" if self.match is Match.EQUAL else ""
        deviations = self.differences or self.deviations
        return "; ".join(f"{name}{within}: {by:+f} NMR" for name, by in deviations.items() if by)

    @property
    def paid(self) -> Decimal | None:
        """NMR that the round has paid or burned; None before it has resolved."""
        return self.credited if self.resolved else None

    @property
    def usd(self) -> Decimal | None:
        """What was paid in USD on the day paid, in cents."""
        return self.price.in_usd(self.paid)

    @property
    def eur(self) -> Decimal | None:
        """What was paid in EUR on the day paid, in cents."""
        return self.price.in_eur(self.paid)

    def is_claimable(self, today: date) -> bool:
        """Return whether the position has become final, so that it can be claimed."""
        return (
            self.resolved
            and self.resolve_date is not None
            and today >= self.resolve_date + FINAL_AFTER
        )


def _plain(number: Decimal | None) -> str:
    """Return a number without trailing zeros."""
    return "?" if number is None else f"{number.normalize():f}"
