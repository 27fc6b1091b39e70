"""Build the API's objects of scores: scores, performances of a round and payouts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from numebot_dagster.practice.rules.clock import RoundStatus, midnight
from numebot_dagster.practice.rules.payout_rules import Formula
from numebot_dagster.practice.rules.state import State
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.round_objects import TARGET, multiplier_fields
from numebot_dagster.practice.scoring.ledger import Earning
from numebot_dagster.practice.scoring.scores import SCORE_VERSION, Score

_SIGNALS_ONLY = (
    "churnThreshold", "turnoverThreshold", "prevWeekChurnMax", "prevWeekTurnoverMax",
    "tickersAcceptedCount", "tickersSubmittedCount",
)  # fmt: skip
# Scores of former rounds or of other tournaments, with their percentiles.
_FORMER_SCORES = (
    *(
        f"{name}{suffix}"
        for name in (
            "apcwnm", "apcwsm", "corr20d", "corrV4", "cwmm", "cwsnmmr", "fnc", "fncV3", "fncV4",
            "ic", "icV2", "mcwnm", "mcwsm", "mmc20d", "ric", "tc",
        )
        for suffix in ("", "Percentile")
    ),
    *(f"{name}Percentile" for name in ("corr", "corr20V2", "corr60", "mmc")),
    *(f"{name}Multiplier" for name in ("corr", "mmc", "tc")),
)  # fmt: skip


def score_fields(
    score: Score, submission_id: str | None, part: Decimal | None, state: State, now: datetime
) -> Fields:
    """Return a SubmissionScore; `part` is its part of the payout, None without a stake."""
    round_ = score.round
    resolved = round_.status(now) is RoundStatus.RESOLVED
    return {
        "roundId": state.identifier("round", round_.number),
        "submissionId": submission_id,
        "roundNumber": round_.number,
        "roundResolveTime": round_.resolve_time,
        "roundScoreTime": midnight(round_.publication(1)),
        "roundCloseStakingTime": round_.close_staking_time,
        "value": score.value,
        "percentile": score.percentile,
        "displayName": score.name,
        "version": SCORE_VERSION,
        "date": midnight(round_.publication(score.day)),
        "day": score.day,
        "resolveDate": round_.resolve_time if resolved else None,
        "resolved": is_final(score, now),
        "payoutPending": None if resolved else part,
        "payoutSettled": part if resolved else None,
    }


def is_final(score: Score, now: datetime) -> bool:
    """Return whether a score is the last one of a resolved round."""
    return score.is_last and score.round.status(now) is RoundStatus.RESOLVED


def performance_fields(
    earning: Earning, submission_id: str | None, scores: list[Fields], state: State
) -> Fields:
    """Return a V2RoundModelPerformance; `scores` are all of the round, newest day first."""
    round_ = earning.round
    newest = {score["displayName"]: score for score in reversed(scores)}
    return {
        "atRisk": earning.at_risk,
        "payoutMultipliers": multiplier_fields(round_, earning.rules, state),
        "roundPayoutFactor": str(earning.payout_factor),
        "roundId": state.identifier("round", round_.number),
        "roundNumber": round_.number,
        "roundOpenTime": round_.open_time,
        "roundCloseStakingTime": round_.close_staking_time,
        "roundResolveTime": round_.resolve_time,
        "roundScoreTime": midnight(round_.publication(1)),
        "roundResolved": earning.settled,
        "roundTarget": TARGET,
        "roundDataDatestamp": round_.data_datestamp,
        "submissionId": submission_id,
        "submissionScores": [score for score in scores if newest[score["displayName"]] is score],
        "intraRoundSubmissionScores": scores,
        "allSubmissionScores": scores,
        "corrMultiplier": None,
        "mmcMultiplier": None,
        "tcMultiplier": None,
        # Of Signals only.
        **dict.fromkeys(_SIGNALS_ONLY),
    }


def payout_fields(earning: Earning, price: Decimal, state: State) -> Fields:
    """Return a Payout."""
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


def legacy_performance_fields(earning: Earning) -> Fields:
    """Return a RoundModelPerformance, which has a field for each score of all times."""
    round_, scores = earning.round, earning.scores
    return {
        **dict.fromkeys(_FORMER_SCORES),
        "corr": None,
        "corr20V2": scores.get("v2_corr20"),
        "corr60": scores.get("corr60"),
        "fncV3": scores.get("fnc_v3"),
        "mcwnm": scores.get("mcwnm"),
        "apcwnm": scores.get("apcwnm"),
        "mmc": scores.get(earning.rules.paid_as(Formula.CONTRIBUTION)),
        "corrWMetamodel": scores.get("corr_w_meta_model"),
        "payout": earning.payout if earning.at_risk else None,
        "selectedStakeValue": earning.at_risk,
        "roundNumber": round_.number,
        "roundOpenTime": round_.open_time,
        "roundPayoutFactor": str(earning.payout_factor),
        "roundResolveTime": round_.resolve_time,
        "roundResolved": earning.settled,
        "roundScoreTime": midnight(round_.publication(1)),
        "roundTarget": TARGET,
    }
