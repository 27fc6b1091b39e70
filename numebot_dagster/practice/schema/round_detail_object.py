"""Build the API's RoundDetails: a round and all its participants."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import numpy as np

from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.payout_rules import Formula
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.scoring.ledger import Earning

# Fields of ModelData by score name; scores of other tournaments and times are null.
_SCORES = {
    "corr60": "corr60",
    "v2_corr20": "v2Corr20",
    "mmc60": "mmc60",
    "mmc": "mmc",
    "bmc": "bmc",
    "corr_w_meta_model": "corrWMetaModel",
    "fnc_v3": "fncV3",
    "cort20": "cort20",
    "corj60": "corj60",
    "mcwnm": "mcwnm",
    "apcwnm": "apcwnm",
}
# The schema has no percentile of MMC60.
_WITHOUT_PERCENTILE = "mmc60"
_ABSENT = (
    *(
        f"{name}{suffix}"
        for name in (
            "alpha", "apcwsm", "corr20", "corrV4", "cwmm", "cwsnmm", "fnc", "fncV4", "icV2",
            "mcwsm", "mpc", "ric", "tc",
        )
        for suffix in ("", "Percentile")
    ),
    "corr", "corrPercentile", "corrMedal", "mmcMedal", "tcMedal", "profileUrl",
)  # fmt: skip
_AS_IN_ROUND = ("closeStakingTime", "closeTime", "isDaily", "openTime", "payoutFactor", "scoreTime",
                "tournament")  # fmt: skip
_BINS = 20


def round_detail_fields(
    round_: Round,
    earnings: list[Earning],
    percentiles: dict[tuple[str, str], float],
    round_fields: Fields,
    now: datetime,
) -> Fields:
    """Return a RoundDetails."""
    entered = [earning for earning in earnings if earning.entry.status != "none"]
    staked = [earning for earning in entered if earning.at_risk]
    rules = earnings[0].rules
    basis = rules.paid_as(Formula.CORR)
    days = round_.scored_days(now)
    return {
        **{name: round_fields[name] for name in _AS_IN_ROUND},
        **_totals(staked),
        "roundId": round_fields["id"],
        "roundNumber": round_.number,
        "roundResolveTime": round_.resolve_time,
        "roundResolved": earnings[0].settled,
        "roundTarget": round_fields["target"],
        "scoresUpdatedTime": round_.publication(days) if days else None,
        "status": round_.status(now).value,
        "payoutMultipliers": [
            {"displayName": rule.name, "multiplier": rule.multiplier} for rule in rules.paid
        ],
        "totalSubmitted": len(entered),
        "allHistogramData": _histogram(entered, basis),
        "stakedHistogramData": _histogram(staked, basis),
        "models": [_model_data(earning, percentiles, round_fields["id"]) for earning in entered],
    }


def _totals(staked: list[Earning]) -> Fields:
    payouts = [earning.payout for earning in staked]
    return {
        "totalAtStake": float(sum((earning.at_risk for earning in staked), Decimal(0))),
        "totalPayout": float(sum(payouts, Decimal(0))),
        "totalEarned": float(sum((paid for paid in payouts if paid > 0), Decimal(0))),
        "totalBurned": float(-sum((paid for paid in payouts if paid < 0), Decimal(0))),
        "totalStakes": len(staked),
    }


def _model_data(
    earning: Earning, percentiles: dict[tuple[str, str], float], round_id: str
) -> Fields:
    scores: Fields = dict.fromkeys(_ABSENT)
    for name, api in _SCORES.items():
        scores[api] = earning.scores.get(name)
        if name != _WITHOUT_PERCENTILE:
            scores[f"{api}Percentile"] = percentiles.get((earning.model.id, name))
    payout = earning.payout if earning.at_risk and earning.scores else None
    return {
        **scores,
        "id": earning.model.id,
        "modelName": earning.model.name,
        "roundId": round_id,
        "computeEnabled": False,
        "team": False,
        "selectedStakeValue": earning.at_risk,
        "payoutPending": None if earning.settled else payout,
        "payoutSettled": payout if earning.settled else None,
    }


def _histogram(earnings: list[Earning], name: str) -> Fields | None:
    """Return a HistogramData of a score, None before there are any."""
    values = [earning.scores[name] for earning in earnings if name in earning.scores]
    if not values:
        return None
    counts, edges = np.histogram(values, bins=_BINS)
    return {"bins": edges.tolist(), "counts": counts.tolist()}
