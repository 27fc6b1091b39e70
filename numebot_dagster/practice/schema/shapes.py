"""The API's objects, as mappings from field names to values or to functions of their arguments.

A field that is missing from a mapping is not part of the practice tournament, and says so when it
is asked for; None is an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from numebot_dagster.practice.rules.clock import Round, RoundStatus, midnight
from numebot_dagster.practice.rules.payout_rules import FORMER, Formula, RuleBook, Rules, ScoreRule
from numebot_dagster.practice.rules.state import Model, State, Submission, Token
from numebot_dagster.practice.rules.tournament import CLASSIC, Entry
from numebot_dagster.practice.scoring.scores import SCORE_VERSION

Fields = dict[str, Any]
TARGET = "main"


def round_fields(one: Round, context: RoundContext) -> Fields:
    """Returns a Round."""
    resolved = one.status(context.now) is RoundStatus.RESOLVED
    rules = context.book.of(one.number)
    return {
        "id": context.state.identifier("round", one.number),
        "tournament": CLASSIC,
        "number": one.number,
        "target": TARGET,
        "openTime": one.open_time,
        "closeStakingTime": one.close_staking_time,
        "closeTime": one.close_time,
        "scoreTime": midnight(one.publication(1)),
        "resolveTime": one.resolve_time,
        "resolvedGeneral": resolved,
        "resolvedStaking": resolved,
        "payoutFactor": lambda: (
            str(context.payout_factor(one)) if one.scored_days(context.now) else None
        ),
        "stakeThreshold": None if rules.stake_cap is None else float(rules.stake_cap),
        "dataDatestamp": one.data_datestamp,
        "isDaily": one.opened.weekday() < 5,
        "roundScoreConfigs": lambda: [
            _config_fields(one, rules, rule, context) for rule in rules.scores
        ],
        **_former_multipliers(rules),
        # Of Signals only.
        **dict.fromkeys(("numTickers", "numValidationEras", "numValidationTickers")),
    }


@dataclass(frozen=True)
class RoundContext:
    """What a round's fields depend on beside the round."""

    state: State
    now: datetime
    first: Round
    book: RuleBook
    payout_factor: Callable[[Round], float]


def _former_multipliers(rules: Rules) -> Fields:
    """Returns the fields that the configurations superseded; null under the current rules."""
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


def _config_fields(one: Round, rules: Rules, rule: ScoreRule, context: RoundContext) -> Fields:
    first, last = context.book.span(one.number, context.first.number)
    return {
        "id": context.state.identifier("round score config", one.number, rule.name),
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
        "scoringStart": midnight(one.publication(1)),
        "scoringEnd": midnight(one.publication(rule.days)),
        "minMultiplier": rule.multiplier,
        "maxMultiplier": rule.multiplier,
        "defaultMultiplier": rule.multiplier,
        "clipThreshold": rules.clip,
        "stakeThreshold": None if rules.stake_cap is None else float(rules.stake_cap),
        "payoutFactor": context.payout_factor(one),
    }


def multiplier_fields(one: Round, rules: Rules, state: State) -> list[Fields]:
    """Returns the payout multipliers of a round."""
    return [
        {
            "id": state.identifier("round score config", one.number, rule.name),
            "scoreConfigId": state.identifier("score config", rule.name),
            "name": rule.name,
            "version": SCORE_VERSION,
            "displayName": rule.name,
            "multiplier": rule.multiplier,
        }
        for rule in rules.paid
    ]


def token_fields(token: Token) -> Fields:
    """Returns an ApiToken or, with its account's name, an ApiTokenInfo; never the secret."""
    return {
        "name": token.name,
        "publicId": token.public_id,
        "scopes": list(token.scopes),
        "accountUsername": token.account,
    }


def model_fields(model: Model, attributes: dict[str, str], parts: Fields) -> Fields:
    """Returns a Model.

    Args:
        model: The model.
        attributes: What its owner has set of it.
        parts: The fields that cost time or need a scope, as functions.
    """
    archived = attributes.get("archived_at")
    return {
        "id": model.id,
        "name": model.name,
        "username": model.account,
        "tournament": CLASSIC,
        "insertedAt": model.inserted_at,
        "archived": archived is not None,
        "archivedAt": archived and datetime.fromisoformat(archived),
        "hidden": False,
        "description": attributes.get("bio"),
        "profileUrl": None,
        "computeEnabled": "webhook" in attributes or "pickle" in attributes,
        "submissionWebhook": attributes.get("webhook"),
        # There is no release of stakes and no choice of a payout under the current rules.
        "earliestReleaseDate": None,
        "currentPayoutSelection": None,
        "signalsStake": None,
        **parts,
    }


def stake_fields(stake: Decimal) -> Fields:
    """Returns a V2Stake."""
    return {
        "status": None,
        "txHash": None,
        "latestValue": stake,
        "latestValueSettled": stake,
        "stakeValue": stake,
        "tournamentNumber": CLASSIC,
        "pendingV2ChangeStakeRequest": None,
    }


def submission_fields(submission: Submission, selected: bool, of_round: Fields) -> Fields:
    """Returns a V2Submission; its deprecated fields are null, as Numerai's are."""
    return {
        "id": submission.id,
        "filename": submission.filename,
        "insertedAt": submission.inserted_at,
        "round": of_round,
        "selected": selected,
        "dataDatestamp": submission.data_datestamp,
        "triggerId": submission.trigger_id,
        "sourcePlatform": submission.source,
        "sourceIp": None,
        "notes": None,
        "prevWeekChurnMax": None,
        "prevWeekTurnoverMax": None,
        "tickersAcceptedCount": None,
        "tickersSubmittedCount": None,
    }


def latest_fields(entry: Entry) -> Fields:
    """Returns a LatestSubmission; what no submission has is null."""
    submission = entry.submission
    return {
        "id": submission and submission.id,
        "filename": submission and submission.filename,
        "timestamp": submission and submission.inserted_at,
        "status": entry.status,
        "roundNumber": entry.round.number,
        "roundOpen": entry.round.open_time,
        "roundCloseStaking": entry.round.close_staking_time,
        "roundClose": entry.round.close_time,
    }
