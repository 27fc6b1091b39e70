"""The API's objects, as mappings from field names to values or to functions of their arguments.

A field that is missing from a mapping is not part of the practice tournament yet, and says so when
it is asked for; None is an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from numebot_dagster.practice.clock import SCORE_DAYS, UTC, Round, RoundStatus
from numebot_dagster.practice.ledger import (
    Earning,
    Ledger,
    Standing,
    stake_of,
)
from numebot_dagster.practice.scoring import (
    PAYOUT_CLIP,
    PAYOUT_FACTOR,
    SCORE_RULES,
    SCORE_VERSION,
    Score,
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
        "scoreTime": _midnight(one.publication(1)),
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
        "scoringStart": _midnight(one.publication(1)),
        "scoringEnd": _midnight(one.publication(SCORE_DAYS)),
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


def score_fields(
    score: Score, submission_id: str | None, part: Decimal | None, state: State, now: datetime
) -> Fields:
    """Returns a SubmissionScore; ``part`` is its part of the payout, None without a stake."""
    one = score.round
    resolved = one.status(now) is RoundStatus.RESOLVED
    return {
        "roundId": state.identifier("round", one.number),
        "submissionId": submission_id,
        "roundNumber": one.number,
        "roundResolveTime": one.resolve_time,
        "roundScoreTime": _midnight(one.publication(1)),
        "roundCloseStakingTime": one.close_staking_time,
        "value": score.value,
        "percentile": score.percentile,
        "displayName": score.name,
        "version": SCORE_VERSION,
        "date": _midnight(one.publication(score.day)),
        "day": score.day,
        "resolveDate": one.resolve_time if resolved else None,
        "resolved": is_final(score, now),
        "payoutPending": None if resolved else part,
        "payoutSettled": part if resolved else None,
    }


def is_final(score: Score, now: datetime) -> bool:
    """Returns whether a score is the last word on its round."""
    return score.day == SCORE_DAYS and score.round.status(now) is RoundStatus.RESOLVED


def performance_fields(
    earning: Earning, submission_id: str | None, scores: list[Fields], state: State
) -> Fields:
    """Returns a V2RoundModelPerformance; ``scores`` are all of the round, newest day first."""
    one = earning.round
    newest = max((score["day"] for score in scores), default=0)
    return {
        "atRisk": earning.at_risk,
        "payoutMultipliers": multiplier_fields(one, state),
        "roundPayoutFactor": str(PAYOUT_FACTOR),
        "roundId": state.identifier("round", one.number),
        "roundNumber": one.number,
        "roundOpenTime": one.open_time,
        "roundCloseStakingTime": one.close_staking_time,
        "roundResolveTime": one.resolve_time,
        "roundScoreTime": _midnight(one.publication(1)),
        "roundResolved": earning.settled,
        "roundTarget": TARGET,
        "roundDataDatestamp": one.data_datestamp,
        "submissionId": submission_id,
        "submissionScores": [score for score in scores if score["day"] == newest],
        "intraRoundSubmissionScores": scores,
        "allSubmissionScores": scores,
        "corrMultiplier": None,
        "mmcMultiplier": None,
        "tcMultiplier": None,
    }


def payout_fields(earning: Earning, price: Decimal, state: State) -> Fields:
    """Returns a Payout."""
    return {
        "roundId": state.identifier("round", earning.round.number),
        "roundNumber": earning.round.number,
        "roundResolveTime": earning.round.resolve_time,
        "modelId": earning.model.id,
        "modelName": earning.model.name,
        "modelDisplayName": earning.model.name,
        "payoutNmr": earning.payout,
        "payoutValue": earning.payout * price,
        "currencySymbol": "$",
    }


def leader_fields(standing: Standing, ledger: Ledger) -> Fields:
    """Returns a V2LeaderboardEntry; reputations of scores that rounds do not carry are null."""
    absent = ("corr20Rep", "corr20V2Rep", "corj60Rep", "cort20Rep", "fncRep", "fncV3Rep", "tcRep")
    return {
        **dict.fromkeys(absent),
        "id": standing.model.id,
        "username": standing.model.name,
        "rank": standing.rank,
        "isActive": True,
        "team": False,
        "profileUrl": None,
        "nmrStaked": standing.stake,
        "corr60Rep": standing.reputations["corr60"],
        "mmc60Rep": standing.reputations["mmc60"],
        "mmcRep": None,
        "bmcRep": standing.reputations["bmc"],
        "return1Day": standing.settled_return(ledger, 1),
        "return13Weeks": standing.settled_return(ledger, 13 * 7),
        "return52Weeks": standing.settled_return(ledger, 52 * 7),
    }


def account_leader_fields(rank: int, held: list[Standing], ledger: Ledger) -> Fields:
    """Returns an AccountLeaderboardEntry: the means of an account's models, best model first."""
    absent = ("v2Corr20", "cort20", "corJ60", "corrV4", "fncV3", "fncV4", "icV2", "ric", "tc")
    account = held[0].model.account
    spans = {"1y": 365, "3m": 91, "AllTime": None}
    settled = {
        name: [e for one in held for e in ledger.settled_within(one.earnings, days)]
        for name, days in spans.items()
    }
    return {
        **dict.fromkeys(absent),
        "mmc": None,
        "displayName": account,
        "username": account,
        "rank": rank,
        "team": False,
        "nmrStaked": sum((one.stake for one in held), Decimal(0)),
        "corr60": _mean(one.reputations["corr60"] for one in held),
        "mmc60": _mean(one.reputations["mmc60"] for one in held),
        "bmc": _mean(one.reputations["bmc"] for one in held),
        **{f"return{name}": _return(earnings) for name, earnings in settled.items()},
        **{
            f"return{name}Nmr": sum((e.payout for e in earnings), Decimal(0))
            for name, earnings in settled.items()
        },
    }


def profile_fields(standing: Standing, ledger: Ledger, scores: Callable[[], Any]) -> Fields:
    """Returns a V3UserProfile."""
    pending = sum((e.payout for e in standing.earnings if not e.settled), Decimal(0))
    staked = any(one.at_risk for one in standing.earnings)
    reputations = {name: standing.reputations[name] for name in ("corr60", "mmc60", "bmc")}
    return {
        "id": standing.model.id,
        "username": standing.model.name,
        "accountName": standing.model.account,
        "startDate": standing.model.inserted_at,
        "tournament": CLASSIC,
        "bio": None,
        "linkText": None,
        "linkUrl": None,
        "profileUrl": None,
        "isActive": True,
        "team": False,
        "computeEnabled": False,
        "nmrStaked": stake_of(standing.earnings) if staked else None,
        "stakeValue": stake_of(standing.earnings) + pending if staked else None,
        "latestReps": {**dict.fromkeys(("corr", "corr20V2", "mmc", "fnc", "tc")), **reputations},
        "latestReturns": {
            "oneDay": standing.settled_return(ledger, 1),
            "oneDayNmr": standing.settled_nmr(ledger, 1),
            "threeMonths": standing.settled_return(ledger, 91),
            "threeMonthsNmr": standing.settled_nmr(ledger, 91),
            "oneYear": standing.settled_return(ledger, 365),
            "oneYearNmr": standing.settled_nmr(ledger, 365),
            "allTime": standing.settled_return(ledger, None),
            "allTimeNmr": standing.settled_nmr(ledger, None),
        },
        "latestSubmissionScores": scores,
    }


def model_profile_fields(standing: Standing, ledger: Ledger) -> Fields:
    """Returns a ModelProfile."""
    return {
        "id": standing.model.id,
        "username": standing.model.name,
        "displayName": standing.model.name,
        "startDate": standing.model.inserted_at,
        "tournament": CLASSIC,
        "profileUrl": None,
        "stake": standing.stake,
        "corr60Rep": standing.reputations["corr60"],
        "mmc60Rep": standing.reputations["mmc60"],
        "return1y": standing.settled_return(ledger, 365),
    }


def _return(earnings: list[Earning]) -> float | None:
    staked = sum((one.at_risk for one in earnings), Decimal(0))
    return float(sum(one.payout for one in earnings) / staked) if staked else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(0, tzinfo=UTC))
