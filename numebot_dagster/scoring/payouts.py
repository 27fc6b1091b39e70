"""Compute payouts exactly, from the figures that Numerai publishes.

payout = stake x clip(payout factor x sum(multiplier x score), -clip, +clip) (Numerai's
documentation, "Payouts"), in NMR with 18 digits behind the point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext

LAST_DIGIT = Decimal(1).scaleb(-18)
"""One wei, the smallest amount of NMR."""

_EXACT = Context(prec=120)
# What arithmetic in double precision may lose of a sum of products: four units in the last of 53
# binary places.
_DOUBLE = Decimal(2) ** -50


@dataclass(frozen=True)
class Term:
    """One paid score and its multiplier, as Numerai publishes them."""

    multiplier: Decimal
    score: Decimal


@dataclass(frozen=True)
class Stake:
    """What a payout is computed from.

    Attributes:
        at_risk: NMR.
        payout_factor: by which the scores are scaled where stakes exceed what rounds pay on.
        clip: the largest payout or burn, as a share of the stake.
        terms: the paid scores.
    """

    at_risk: Decimal
    payout_factor: Decimal
    clip: Decimal
    terms: tuple[Term, ...]

    @property
    def payout(self) -> Decimal:
        """NMR earned (positive) or burned (negative)."""
        with localcontext(_EXACT):
            rate = max(-self.clip, min(self.clip, self._rate))
            return (self.at_risk * rate).quantize(LAST_DIGIT)

    @property
    def parts(self) -> tuple[Decimal, ...]:
        """What each score contributes in NMR; of a clipped payout, in proportion."""
        with localcontext(_EXACT):
            scale = self.at_risk * self.clip / max(abs(self._rate), self.clip)
            return tuple((scale * part).quantize(LAST_DIGIT) for part in self._products)

    @property
    def rounding(self) -> Decimal:
        """By how many NMR an equally correct computation in double precision may differ."""
        with localcontext(_EXACT):
            size = sum((abs(part) for part in self._products), Decimal(0))
            digits = LAST_DIGIT * len(self.terms)
            return (self.at_risk * size * _DOUBLE + digits).quantize(LAST_DIGIT)

    @property
    def _products(self) -> tuple[Decimal, ...]:
        return tuple(self.payout_factor * term.multiplier * term.score for term in self.terms)

    @property
    def _rate(self) -> Decimal:
        return sum(self._products, Decimal(0))


@dataclass(frozen=True)
class Netted:
    """A payout after the burns that were deferred before it, in NMR.

    Attributes:
        realised: what is left of the payout for its owner; zero of a burn.
        deferred: the burns that are still to be taken from later payouts.
    """

    realised: Decimal
    deferred: Decimal


def net_burns(amounts: Iterable[Decimal]) -> list[Netted]:
    """Net the payouts (positive) and burns (negative) of one model, oldest first.

    Under atomic staking a burn is a debt of its model, which later payouts of the model pay off
    first. What is realised minus what is still deferred is the sum of all amounts.
    """
    netted, debt = [], Decimal(0)
    with localcontext(_EXACT):
        for amount in amounts:
            balance = amount - debt
            debt = max(-balance, Decimal(0))
            netted.append(Netted(max(balance, Decimal(0)), debt))
    return netted


def exact(value: float | str | Decimal) -> Decimal:
    """Return a published number as it is written: 0.1 is a tenth, not its binary neighbour."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def total(amounts: Sequence[Decimal | None]) -> Decimal:
    """Return the exact sum of the amounts that are known."""
    with localcontext(_EXACT):
        return sum((amount for amount in amounts if amount is not None), Decimal(0))
