"""The API's objects that scores make: scores, payouts, leaderboards and profiles; see `shapes`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from numebot_dagster.practice.clock import SCORE_DAYS, RoundStatus
from numebot_dagster.practice.ledger import Earning, Standing, nmr_of, return_of, stake_of
from numebot_dagster.practice.scoring import PAYOUT_FACTOR, SCORE_VERSION, Score
from numebot_dagster.practice.shapes import TARGET, Fields, midnight, multiplier_fields
from numebot_dagster.practice.state import State
from numebot_dagster.practice.tournament import CLASSIC


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
        "roundScoreTime": midnight(one.publication(1)),
        "roundCloseStakingTime": one.close_staking_time,
        "value": score.value,
        "percentile": score.percentile,
        "displayName": score.name,
        "version": SCORE_VERSION,
        "date": midnight(one.publication(score.day)),
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
        "roundScoreTime": midnight(one.publication(1)),
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


def leader_fields(standing: Standing) -> Fields:
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
        "return1Day": return_of(standing.settled(1)),
        "return13Weeks": return_of(standing.settled(13 * 7)),
        "return52Weeks": return_of(standing.settled(52 * 7)),
    }


def account_leader_fields(rank: int, held: list[Standing]) -> Fields:
    """Returns an AccountLeaderboardEntry: the means of an account's models, best model first."""
    absent = ("v2Corr20", "cort20", "corJ60", "corrV4", "fncV3", "fncV4", "icV2", "ric", "tc")
    account = held[0].model.account
    spans = {"1y": 365, "3m": 91, "AllTime": None}
    settled = {name: [e for one in held for e in one.settled(days)] for name, days in spans.items()}
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
        **{f"return{name}": return_of(earnings) for name, earnings in settled.items()},
        **{f"return{name}Nmr": nmr_of(earnings) for name, earnings in settled.items()},
    }


def profile_fields(standing: Standing, scores: Callable[[], Any]) -> Fields:
    """Returns a V3UserProfile."""
    pending = nmr_of([one for one in standing.earnings if not one.settled])
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
            "oneDay": return_of(standing.settled(1)),
            "oneDayNmr": nmr_of(standing.settled(1)),
            "threeMonths": return_of(standing.settled(91)),
            "threeMonthsNmr": nmr_of(standing.settled(91)),
            "oneYear": return_of(standing.settled(365)),
            "oneYearNmr": nmr_of(standing.settled(365)),
            "allTime": return_of(standing.settled(None)),
            "allTimeNmr": nmr_of(standing.settled(None)),
        },
        "latestSubmissionScores": scores,
    }


def model_profile_fields(standing: Standing) -> Fields:
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
        "return1y": return_of(standing.settled(365)),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
