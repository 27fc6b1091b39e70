"""The API's objects, as mappings from field names to values or to functions of their arguments.

A field that is missing from a mapping is not part of the practice tournament yet, and says so when
it is asked for; None is an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from numebot_dagster.practice.clock import SCORE_DAYS, UTC, Round, RoundStatus
from numebot_dagster.practice.scoring import (
    PAYOUT_CLIP,
    PAYOUT_FACTOR,
    SCORE_RULES,
    SCORE_VERSION,
    ScoreRule,
)
from numebot_dagster.practice.state import Model, State, Submission, Token
from numebot_dagster.practice.tournament import CLASSIC, Entry

Fields = dict[str, Any]
TARGET = "main"


def round_fields(one: Round, state: State, now: datetime, first: Round) -> Fields:
    """Returns a Round."""
    resolved = one.status(now) is RoundStatus.RESOLVED
    legacy = ("Corr", "Mmc", "Tc")
    return {
        "id": state.identifier("round", one.number),
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
        "payoutFactor": str(PAYOUT_FACTOR),
        "stakeThreshold": None,
        "dataDatestamp": one.data_datestamp,
        "isDaily": one.opened.weekday() < 5,
        "roundScoreConfigs": [_config_fields(one, rule, state, first) for rule in SCORE_RULES],
        # Superseded by the configurations.
        **{
            f"{kind}{name}Multiplier": None for kind in ("min", "max", "default") for name in legacy
        },
    }


def _config_fields(one: Round, rule: ScoreRule, state: State, first: Round) -> Fields:
    return {
        "id": state.identifier("round score config", one.number, rule.name),
        "scoreConfigId": state.identifier("score config", rule.name),
        "roundNumberStart": first.number,
        "roundNumberEnd": None,
        "name": rule.name,
        "version": SCORE_VERSION,
        "displayName": rule.name,
        "totalScoreDays": SCORE_DAYS,
        "returnsLagDays": 2,
        "dataDelayDays": 2,
        "universe": None,
        "isCanonScore": True,
        "isPayout": rule.is_payout,
        "scoringStart": midnight(one.publication(1)),
        "scoringEnd": midnight(one.publication(SCORE_DAYS)),
        "minMultiplier": rule.multiplier,
        "maxMultiplier": rule.multiplier,
        "defaultMultiplier": rule.multiplier,
        "clipThreshold": PAYOUT_CLIP,
        "stakeThreshold": None,
        "payoutFactor": PAYOUT_FACTOR,
    }


def multiplier_fields(one: Round, state: State) -> list[Fields]:
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
        for rule in SCORE_RULES
        if rule.is_payout
    ]


def token_fields(token: Token) -> Fields:
    """Returns an ApiToken or, with its account's name, an ApiTokenInfo; never the secret."""
    return {
        "name": token.name,
        "publicId": token.public_id,
        "scopes": list(token.scopes),
        "accountUsername": token.account,
    }


def model_fields(
    model: Model,
    stake: Callable[[], Decimal],
    submissions: Callable[[], list[Fields]],
    latest: Callable[..., list[Fields]],
) -> Fields:
    """Returns a Model; what costs time or needs a scope is given as a function."""
    return {
        "id": model.id,
        "name": model.name,
        "username": model.account,
        "tournament": CLASSIC,
        "insertedAt": model.inserted_at,
        "archived": False,
        "archivedAt": None,
        "hidden": False,
        "description": None,
        "profileUrl": None,
        "computeEnabled": False,
        "computePickleUpload": None,
        "submissionWebhook": None,
        "accountId": None,
        "v2Stake": lambda: {
            "status": None,
            "txHash": None,
            "latestValue": stake(),
            "latestValueSettled": stake(),
            "stakeValue": stake(),
            "tournamentNumber": CLASSIC,
            "pendingV2ChangeStakeRequest": None,
        },
        "submissions": submissions,
        "latestSubmissions": latest,
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


def midnight(instant: datetime) -> datetime:
    """Returns the start of an instant's UTC day, as the API dates scores."""
    return datetime.combine(instant.date(), time(0, tzinfo=UTC))
