"""What scores are worth: payouts by the rules that rounds carry, reputations and ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from numebot_dagster.practice.clock import Round, RoundStatus
from numebot_dagster.practice.scoring import PAYOUT_CLIP, PAYOUT_FACTOR, SCORE_RULES, Scorer
from numebot_dagster.practice.state import Model
from numebot_dagster.practice.tournament import USER, Entry, Tournament

# Reputations are means over the rounds of a year.
ROUNDS_OF_A_YEAR = 260
_WEI = Decimal(1).scaleb(-18)


@dataclass(frozen=True)
class Earning:
    """A model's stake in one round and what its newest scores make of it, in NMR."""

    model: Model
    entry: Entry
    at_risk: Decimal
    scores: dict[str, float]
    settled: bool

    @property
    def round(self) -> Round:
        """The round."""
        return self.entry.round

    @property
    def payout(self) -> Decimal:
        """Earned (or burned, below zero) so far."""
        return payout(self.at_risk, self.scores)


@dataclass(frozen=True)
class Standing:
    """One line of the leaderboard; a reputation is None without scores."""

    model: Model
    rank: int
    stake: Decimal
    reputations: dict[str, float | None]
    earnings: tuple[Earning, ...]
    now: datetime

    def settled(self, days: int | None) -> list[Earning]:
        """Returns the staked rounds that resolved in the last ``days`` days; None means ever."""
        return settled_within(self.earnings, self.now, days)


def payout(at_risk: Decimal, scores: dict[str, float]) -> Decimal:
    """Returns ``stake x clip(PF x sum(multiplier x score), -1, 1)`` in NMR."""
    total = PAYOUT_FACTOR * sum(
        rule.multiplier * scores[rule.name]
        for rule in SCORE_RULES
        if rule.is_payout and rule.name in scores
    )
    clipped = min(max(total, -PAYOUT_CLIP), PAYOUT_CLIP)
    return (at_risk * Decimal(clipped)).quantize(_WEI)


def payout_of_score(at_risk: Decimal, name: str, scores: dict[str, float]) -> Decimal | None:
    """Returns one score's part of the payout, None when nothing is staked or the score not paid.

    A clipped payout is shared out in proportion.
    """
    rule = next(rule for rule in SCORE_RULES if rule.name == name)
    if not rule.is_payout or not at_risk:
        return None
    total = PAYOUT_FACTOR * sum(r.multiplier * scores.get(r.name, 0.0) for r in SCORE_RULES)
    clip = PAYOUT_CLIP / abs(total) if abs(total) > PAYOUT_CLIP else 1.0
    part = PAYOUT_FACTOR * rule.multiplier * scores[name] * clip
    return (at_risk * Decimal(part)).quantize(_WEI)


class Ledger:
    """Payouts and standings of all participants at the present instant."""

    def __init__(self, tournament: Tournament, scorer: Scorer) -> None:
        self._tournament = tournament
        self._scorer = scorer

    def newest_scores(self, rounds: Iterable[Round]) -> dict[tuple[str, int], dict[str, float]]:
        """Returns the newest published scores of all, by model id and round number."""
        now = self._tournament.clock.now()
        days = {one.number: one.scored_days(now) for one in rounds}
        scored = [(number, day) for number, day in days.items() if day]
        self._scorer.published(map(Round, days), newest_only=True)
        found: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        if not scored:
            return found
        wanted = ", ".join(f"({number}, {day})" for number, day in scored)
        for row in self._tournament.state.rows(
            f"SELECT * FROM scores WHERE (round, day) IN (VALUES {wanted})"  # noqa: S608
        ):
            found[row["model_id"], row["round"]][row["name"]] = row["value"]
        return found

    def earnings(self, models: Iterable[Model], rounds: list[Round]) -> list[Earning]:
        """Returns one earning per model and round, rounds newest first, models in their order."""
        scores = self.newest_scores(rounds)
        now = self._tournament.clock.now()
        entries = {model.id: self._entries(model, rounds) for model in models}
        return [
            Earning(
                model=model,
                entry=entries[model.id][one.number],
                at_risk=self._tournament.at_risk(model, one, entries[model.id][one.number]),
                scores=scores.get((model.id, one.number), {}),
                settled=one.status(now) is RoundStatus.RESOLVED,
            )
            for one in rounds
            for model in models
        ]

    def _entries(self, model: Model, rounds: list[Round]) -> dict[int, Entry]:
        if model.kind != USER:  # rivals and benchmarks never miss a round
            return {one.number: Entry(one, "on-time", None) for one in rounds}
        chosen = self._tournament.selected(model.id)
        return {one.number: self._tournament.entry(one, chosen.get(one.number)) for one in rounds}

    def standings(self) -> list[Standing]:
        """Returns all participants, best first by what a round would pay on their reputations."""
        models = self._tournament.state.models()
        rounds = self._tournament.opened_rounds()[:ROUNDS_OF_A_YEAR]
        by_model: dict[str, list[Earning]] = {model.id: [] for model in models}
        for earning in self.earnings(models, rounds):
            by_model[earning.model.id].append(earning)
        reputations = {
            model.id: {rule.name: _mean(rule.name, by_model[model.id]) for rule in SCORE_RULES}
            for model in models
        }

        def worth(model: Model) -> tuple[bool, float, str]:
            held = reputations[model.id]
            paid = [rule.multiplier * (held[rule.name] or 0.0) for rule in SCORE_RULES]
            return held["corr60"] is None, -sum(paid), model.name

        return [
            Standing(
                model=model,
                rank=rank,
                stake=stake_of(by_model[model.id]),
                reputations=reputations[model.id],
                earnings=tuple(by_model[model.id]),
                now=self._tournament.clock.now(),
            )
            for rank, model in enumerate(sorted(models, key=worth), start=1)
        ]


def stake_of(earnings: Iterable[Earning]) -> Decimal:
    """Returns what is at stake in the rounds that have not resolved, in NMR."""
    return sum((one.at_risk for one in earnings if not one.settled), Decimal(0))


def settled_within(earnings: Iterable[Earning], now: datetime, days: int | None) -> list[Earning]:
    """Returns the staked earnings whose rounds resolved in the last days; None means ever."""
    settled = [one for one in earnings if one.settled and one.at_risk]
    if days is None:
        return settled
    return [one for one in settled if one.round.resolve_time > now - timedelta(days=days)]


def return_of(earnings: list[Earning]) -> float | None:
    """Returns payouts over stakes, None without a stake."""
    staked = sum((one.at_risk for one in earnings), Decimal(0))
    return float(nmr_of(earnings) / staked) if staked else None


def nmr_of(earnings: Iterable[Earning]) -> Decimal:
    """Returns the sum of the payouts in NMR."""
    return sum((one.payout for one in earnings), Decimal(0))


def _mean(name: str, earnings: list[Earning]) -> float | None:
    values = [one.scores[name] for one in earnings if name in one.scores]
    return sum(values) / len(values) if values else None
