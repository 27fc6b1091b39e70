"""Compute what scores are worth: payouts by the rules of a round, reputations and ranks."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext

from numebot_dagster.practice.rules.clock import Round, RoundStatus
from numebot_dagster.practice.rules.payout_rules import (
    CURRENT,
    DAYS_OF_SCORE,
    Formula,
    Rules,
    newest_day,
)
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.rules.tournament import Entry, Tournament
from numebot_dagster.practice.scoring.scores import Scorer

# Reputations are means over the rounds of a year.
ROUNDS_OF_A_YEAR = 260
# Scores that have a reputation.
SCORE_NAMES = ("corr60", "mmc60", "v2_corr20", "mmc", "bmc", "fnc_v3", "cort20", "corj60",
               "corr_w_meta_model")  # fmt: skip
_WEI = Decimal(1).scaleb(-18)
_EXACT = Context(prec=100)


@dataclass(frozen=True)
class Earning:
    """A model's stake in one round and what its newest scores make of it, in NMR."""

    model: Model
    entry: Entry
    at_risk: Decimal
    scores: dict[str, float]
    settled: bool
    rules: Rules
    payout_factor: float

    @property
    def round(self) -> Round:
        """The round."""
        return self.entry.round

    @property
    def payout(self) -> Decimal:
        """Earned (or burned, below zero) so far."""
        return payout(self.at_risk, self.scores, self.rules, self.payout_factor)


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
        """Return the staked rounds that resolved in the last `days` days; None means ever."""
        return settled_within(self.earnings, self.now, days)


def payout(
    at_risk: Decimal, scores: dict[str, float], rules: Rules = CURRENT, factor: float = 1.0
) -> Decimal:
    """Return `stake x clip(PF x sum(multiplier x score))` in NMR.

    It is computed exactly from the figures as they are published, so that whoever reads them gets
    the same NMR to the last digit.
    """
    with localcontext(_EXACT):
        total, clip = _worth(scores, rules, factor), _exact(rules.clip)
        return (at_risk * min(max(total, -clip), clip)).quantize(_WEI)


def payout_of_score(
    at_risk: Decimal,
    name: str,
    scores: dict[str, float],
    rules: Rules = CURRENT,
    factor: float = 1.0,
) -> Decimal | None:
    """Return one score's part of the payout, None when nothing is staked or it is not paid.

    A clipped payout is shared out in proportion.
    """
    rule = next((rule for rule in rules.paid if rule.name == name), None)
    if rule is None or not at_risk:
        return None
    with localcontext(_EXACT):
        total, clip = abs(_worth(scores, rules, factor)), _exact(rules.clip)
        share = _exact(factor) * _exact(rule.multiplier) * _exact(scores[name])
        return (at_risk * share * clip / max(total, clip)).quantize(_WEI)


def _worth(scores: dict[str, float], rules: Rules, factor: float) -> Decimal:
    """Return what the paid scores make of a stake before the clip; missing ones count 0."""
    terms = (_exact(rule.multiplier) * _exact(scores.get(rule.name, 0.0)) for rule in rules.paid)
    return _exact(factor) * sum(terms, Decimal(0))


def _exact(value: float) -> Decimal:
    """Return a number as it is published, with the fewest digits that mean it."""
    return Decimal(repr(float(value)))


class Ledger:
    """Payouts and standings of all participants at the present instant."""

    def __init__(self, tournament: Tournament, scorer: Scorer) -> None:
        self._tournament = tournament
        self._scorer = scorer

    def newest_scores(self, rounds: Iterable[Round]) -> dict[tuple[str, int], dict[str, float]]:
        """Return the newest published scores of all, by model id and round number."""
        newest: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        for row in self._newest_rows(rounds):
            newest[row["model_id"], row["round"]][row["name"]] = row["value"]
        return newest

    def newest_percentiles(self, round_: Round) -> dict[tuple[str, str], float]:
        """Return the newest published percentiles of a round, by model id and score name."""
        rows = self._newest_rows([round_])
        return {(row["model_id"], row["name"]): row["percentile"] for row in rows}

    def _newest_rows(self, rounds: Iterable[Round]) -> list[sqlite3.Row]:
        """Return the rows of the newest published scores of all."""
        now = self._tournament.clock.now()
        rounds = list(rounds)
        days = {round_.number: day for round_ in rounds if (day := round_.scored_days(now))}
        scored = {
            (number, newest_day(name, day))
            for number, day in days.items()
            for name in DAYS_OF_SCORE
        }
        self._scorer.published(rounds, newest_only=True, now=now)
        if not scored:
            return []
        pairs = ", ".join(f"({number}, {day})" for number, day in scored)
        rows = self._tournament.state.rows(
            f"SELECT * FROM scores WHERE (round, day) IN (VALUES {pairs})"  # noqa: S608
        )
        return [row for row in rows if row["day"] == newest_day(row["name"], days[row["round"]])]

    def earnings(self, models: Iterable[Model], rounds: list[Round]) -> list[Earning]:
        """Return one earning per model and round, rounds newest first, models in their order."""
        now = self._tournament.clock.now()
        models = list(models)
        selected = {model.id: self._tournament.selected(model.id) for model in models}
        entries = {
            round_: [
                self._tournament.entry_of(model, round_, selected[model.id]) for model in models
            ]
            for round_ in rounds
        }
        # A round that none of them played has no scores of theirs to be computed.
        played = [
            round_ for round_ in rounds if any(entry.status != "none" for entry in entries[round_])
        ]
        scores = self.newest_scores(played)
        earnings = []
        for round_ in rounds:
            rules, factor = self._tournament.timetable.rules(round_), self.payout_factor(round_)
            settled = round_.status(now) is RoundStatus.RESOLVED
            for model, entry in zip(models, entries[round_], strict=True):
                at_risk = self._tournament.at_risk(model, round_, entry)
                newest = scores.get((model.id, round_.number), {})
                earnings.append(Earning(model, entry, at_risk, newest, settled, rules, factor))
        return earnings

    def at_stake(self, model: Model, rounds: Iterable[Round]) -> Decimal:
        """Return the sum of a model's stakes on these rounds in NMR, without scoring any."""
        tournament = self._tournament
        selected = tournament.selected(model.id)
        stakes = (
            tournament.at_risk(model, round_, tournament.entry_of(model, round_, selected))
            for round_ in rounds
        )
        return sum(stakes, Decimal(0))

    def total_at_risk(self, round_: Round) -> Decimal:
        """Return the stakes of all participants on a round in NMR, 0 before it has closed."""
        tournament = self._tournament
        if tournament.clock.now() < round_.close_staking_time:
            return Decimal(0)
        entries = [
            (model, tournament.entry_of(model, round_, tournament.selected(model.id)))
            for model in tournament.state.models()
        ]
        return sum(
            (tournament.at_risk(model, round_, entry) for model, entry in entries), Decimal(0)
        )

    def payout_factor(self, round_: Round) -> float:
        """Return the payout factor of a round by its rules; 1 before it has closed."""
        rules = self._tournament.timetable.rules(round_)
        return 1.0 if rules.stake_cap is None else rules.payout_factor(self.total_at_risk(round_))

    def standings(self) -> list[Standing]:
        """Return all participants, best first by what a round would pay on their reputations."""
        models = self._tournament.state.models()
        rounds = self._tournament.timetable.opened_rounds()[:ROUNDS_OF_A_YEAR]
        rules = self._tournament.timetable.rules(rounds[0])
        by_model: dict[str, list[Earning]] = {model.id: [] for model in models}
        for earning in self.earnings(models, rounds):
            by_model[earning.model.id].append(earning)
        reputations = {model.id: reputations_of(by_model[model.id]) for model in models}
        basis = rules.paid_as(Formula.CORR)

        def worth(model: Model) -> tuple[bool, float, str]:
            means = reputations[model.id]
            return means[basis] is None, -rules.worth(means), model.name

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


def reputations_of(earnings: Iterable[Earning]) -> dict[str, float | None]:
    """Return the mean of the newest scores of rounds, by the name of the score."""
    earnings = list(earnings)
    return {name: _mean(name, earnings) for name in SCORE_NAMES}


def stake_of(earnings: Iterable[Earning]) -> Decimal:
    """Return what is at stake in the rounds that have not resolved, in NMR."""
    return sum((earning.at_risk for earning in earnings if not earning.settled), Decimal(0))


def settled_within(earnings: Iterable[Earning], now: datetime, days: int | None) -> list[Earning]:
    """Return the staked earnings whose rounds resolved in the last days; None means ever."""
    settled = [earning for earning in earnings if earning.settled and earning.at_risk]
    if days is None:
        return settled
    return [
        earning for earning in settled if earning.round.resolve_time > now - timedelta(days=days)
    ]


def return_of(earnings: list[Earning]) -> float | None:
    """Return payouts over stakes, None without a stake."""
    staked = sum((earning.at_risk for earning in earnings), Decimal(0))
    return float(nmr_of(earnings) / staked) if staked else None


def nmr_of(earnings: Iterable[Earning]) -> Decimal:
    """Return the sum of the payouts in NMR."""
    return sum((earning.payout for earning in earnings), Decimal(0))


def _mean(name: str, earnings: list[Earning]) -> float | None:
    values = [earning.scores[name] for earning in earnings if name in earning.scores]
    return sum(values) / len(values) if values else None
