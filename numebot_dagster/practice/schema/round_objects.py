"""Build the API's objects of a round: Round, RoundScoreConfig and payout multipliers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from numebot_dagster.practice.rules.clock import Round, RoundStatus, midnight
from numebot_dagster.practice.rules.payout_rules import FORMER, Formula, RuleBook, Rules, ScoreRule
from numebot_dagster.practice.rules.state import State
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.scoring.scores import SCORE_VERSION

TARGET = "main"


def round_fields(round_: Round, context: RoundContext) -> Fields:
    """Return a Round."""
    resolved = round_.status(context.now) is RoundStatus.RESOLVED
    rules = context.book.of(round_.number)
    return {
        "id": context.state.identifier("round", round_.number),
        "tournament": CLASSIC,
        "number": round_.number,
        "target": TARGET,
        "openTime": round_.open_time,
        "closeStakingTime": round_.close_staking_time,
        "closeTime": round_.close_time,
        "scoreTime": midnight(round_.publication(1)),
        "resolveTime": round_.resolve_time,
        "resolvedGeneral": resolved,
        "resolvedStaking": resolved,
        "payoutFactor": lambda: (
            str(context.payout_factor(round_)) if round_.scored_days(context.now) else None
        ),
        "stakeThreshold": None if rules.stake_cap is None else float(rules.stake_cap),
        "dataDatestamp": round_.data_datestamp,
        "isDaily": round_.opened.weekday() < 5,
        "roundScoreConfigs": lambda: [
            _config_fields(round_, rules, rule, context) for rule in rules.scores
        ],
        **_former_multipliers(rules),
        # Of Signals only.
        **dict.fromkeys(("numTickers", "numValidationEras", "numValidationTickers")),
    }


@dataclass(frozen=True)
class RoundContext:
    """All that the fields of a round are computed from, except the round itself."""

    state: State
    now: datetime
    first: Round
    book: RuleBook
    payout_factor: Callable[[Round], float]


def _former_multipliers(rules: Rules) -> Fields:
    """Return the multipliers that score configurations replaced; null under the current rules."""
    former = rules is FORMER
    paid = {
        "Corr": rules.score(rules.paid_as(Formula.CORR)).multiplier if former else None,
        "Mmc": rules.score(rules.paid_as(Formula.CONTRIBUTION)).multiplier if former else None,
        "Tc": None,
    }
    return {
        f"{kind}{name}Multiplier": value
        for kind in ("min", "max", "default")
        for name, value in paid.items()
    }


def _config_fields(round_: Round, rules: Rules, rule: ScoreRule, context: RoundContext) -> Fields:
    first, last = context.book.span(round_.number, context.first.number)
    return {
        "id": context.state.identifier("round score config", round_.number, rule.name),
        "scoreConfigId": context.state.identifier("score config", rule.name),
        "roundNumberStart": first,
        "roundNumberEnd": last,
        "name": rule.name,
        "version": SCORE_VERSION,
        "displayName": rule.name,
        "totalScoreDays": rule.days,
        "returnsLagDays": 2,
        "dataDelayDays": 2,
        "universe": None,
        "isCanonScore": True,
        "isPayout": rule.is_payout,
        "scoringStart": midnight(round_.publication(1)),
        "scoringEnd": midnight(round_.publication(rule.days)),
        "minMultiplier": rule.multiplier,
        "maxMultiplier": rule.multiplier,
        "defaultMultiplier": rule.multiplier,
        "clipThreshold": rules.clip,
        "stakeThreshold": None if rules.stake_cap is None else float(rules.stake_cap),
        "payoutFactor": context.payout_factor(round_),
    }


def multiplier_fields(round_: Round, rules: Rules, state: State) -> list[Fields]:
    """Return the payout multipliers of a round."""
    return [
        {
            "id": state.identifier("round score config", round_.number, rule.name),
            "scoreConfigId": state.identifier("score config", rule.name),
            "name": rule.name,
            "version": SCORE_VERSION,
            "displayName": rule.name,
            "multiplier": rule.multiplier,
        }
        for rule in rules.paid
    ]
