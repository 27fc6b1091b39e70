"""Build the API's objects of participants: leaderboard entries, profiles and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from numebot_dagster.practice.rules.clock import midnight
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.scoring.history import History
from numebot_dagster.practice.scoring.ledger import (
    Earning,
    Standing,
    nmr_of,
    return_of,
    settled_within,
    stake_of,
)

SPANS = {"oneDay": 1, "threeMonths": 91, "oneYear": 365, "allTime": None}
CHANGES = {"1d": 1, "3m": 91, "1y": 365}
# The API's names of reputations by the name of the score.
_REPUTATIONS = {
    "corr60": "corr60Rep",
    "mmc60": "mmc60Rep",
    "v2_corr20": "corr20V2Rep",
    "mmc": "mmcRep",
    "bmc": "bmcRep",
    "fnc_v3": "fncV3Rep",
    "cort20": "cort20Rep",
    "corj60": "corj60Rep",
}


def leader_fields(standing: Standing, history: Callable[[], History]) -> Fields:
    """Return a V2LeaderboardEntry; reputations of scores that rounds do not carry are null.

    Ranks by stake and return are given by `with_ranks`.
    """
    absent = ("corr20Rep", "fncRep", "tcRep")
    return {
        **dict.fromkeys(absent),
        **_canon(standing),
        "id": standing.model.id,
        "username": standing.model.name,
        "rank": standing.rank,
        "storedRank": standing.rank,
        "isActive": is_active(standing.earnings),
        "team": False,
        "profileUrl": None,
        "nmrStaked": standing.stake,
        **{api: standing.reputations[name] for name, api in _REPUTATIONS.items()},
        "return1Day": return_of(standing.settled(1)),
        "return13Weeks": return_of(standing.settled(13 * 7)),
        "return52Weeks": return_of(standing.settled(52 * 7)),
        "latestUserScores": lambda: history().user_scores(standing.model.id),
        **_rank_changes(standing.model.id, history),
    }


def _canon(standing: Standing) -> Fields:
    """Return the reputations by today's score, or by its predecessor; see `with_ranks`."""
    return {
        "canonCorrLtm": _first(standing.reputations, "corr60", "v2_corr20"),
        "canonMmcLtm": _first(standing.reputations, "mmc60", "mmc"),
    }


def _first(values: dict[str, float | None], *names: str) -> float | None:
    return next((values[name] for name in names if values[name] is not None), None)


def _rank_changes(model_id: str, history: Callable[[], History]) -> Fields:
    def change(days: int) -> Callable[[], int | None]:
        return lambda: history().rank_change(model_id, days)

    return {f"rankChange{name}": change(days) for name, days in CHANGES.items()}


_RANKED = {
    "nmrStakedRank": "nmrStaked",
    "return1DayRank": "return1Day",
    "return13WeeksRank": "return13Weeks",
    "return52WeeksRank": "return52Weeks",
    "canonCorrRankLtm": "canonCorrLtm",
    "canonMmcRankLtm": "canonMmcLtm",
}


def with_ranks(leaders: list[Fields]) -> list[Fields]:
    """Add each entry's rank by stake, returns and reputations; null where it has none."""
    for rank_name, name in _RANKED.items():
        best_first = sorted(
            (entry for entry in leaders if entry[name] is not None), key=lambda entry: -entry[name]
        )
        ranks = {entry["id"]: rank for rank, entry in enumerate(best_first, start=1)}
        for entry in leaders:
            entry[rank_name] = ranks.get(entry["id"])
    return leaders


def account_leader_fields(rank: int, standings: list[Standing]) -> Fields:
    """Return an AccountLeaderboardEntry: the means of an account's models, best model first."""
    absent = ("corr", "corrV4", "fncV4", "icV2", "ric", "tc", "alpha", "mpc", "bio", "title",
              "profileUrl")  # fmt: skip
    account = standings[0].model.account
    spans = {"1y": 365, "3m": 91, "AllTime": None}
    settled = {
        name: [earning for standing in standings for earning in standing.settled(days)]
        for name, days in spans.items()
    }
    means = {"v2Corr20": "v2_corr20", "mmc": "mmc", "corr60": "corr60", "mmc60": "mmc60",
             "bmc": "bmc", "fncV3": "fnc_v3", "cort20": "cort20", "corJ60": "corj60"}  # fmt: skip
    return {
        **dict.fromkeys(absent),
        "id": standings[0].model.id,
        "displayName": account,
        "username": account,
        "rank": rank,
        "storedRank": rank,
        "team": False,
        "nmrStaked": sum((standing.stake for standing in standings), Decimal(0)),
        **{
            api: _mean(standing.reputations[name] for standing in standings)
            for api, name in means.items()
        },
        **{f"return{name}": return_of(earnings) for name, earnings in settled.items()},
        **{f"return{name}Nmr": nmr_of(earnings) for name, earnings in settled.items()},
    }


def profile_fields(
    standing: Standing, attributes: dict[str, str], history: Callable[[], History], parts: Fields
) -> Fields:
    """Return a V3UserProfile; `parts` are the fields that cost time, as functions."""
    earnings, model_id = standing.earnings, standing.model.id
    pending = nmr_of([earning for earning in earnings if not earning.settled])
    staked = any(earning.at_risk for earning in earnings)
    return {
        "id": model_id,
        "username": standing.model.name,
        "accountName": standing.model.account,
        "startDate": standing.model.inserted_at,
        "tournament": CLASSIC,
        "bio": attributes.get("bio"),
        "linkText": attributes.get("link_text"),
        "linkUrl": attributes.get("link_url"),
        "profileUrl": None,
        "isActive": is_active(earnings),
        "team": False,
        "computeEnabled": "webhook" in attributes or "pickle" in attributes,
        "computeLiteEnabled": False,
        "control": None,
        "stakeInfo": None,
        "typedMedals": [],
        "nmrStaked": stake_of(earnings) if staked else None,
        "stakeValue": stake_of(earnings) + pending if staked else None,
        "stakeValues": lambda: stake_values(earnings, standing.now),
        "latestReps": {**dict.fromkeys(_NEVER), **_by_score(standing.reputations)},
        "latestRanks": lambda: {**dict.fromkeys(_NEVER), **_by_score(history().ranks(model_id))},
        "latestReturns": returns_fields(earnings, standing.now),
        "returns": lambda: returns_values(earnings, standing.now),
        "dailyModelPerformances": lambda: history().daily(model_id),
        "latestUserScores": lambda: history().user_scores(model_id),
        **parts,
    }


# Scores of Reps and Ranks that rounds of the practice tournament never had.
_NEVER = ("alpha", "corr", "corr20d", "corrV4", "fnc", "fncV4", "ic", "icV2", "mmc20d", "mpc",
          "ric", "tc")  # fmt: skip


def is_active(earnings: Iterable[Earning]) -> bool:
    """Return whether a participant has entered any round."""
    return any(earning.entry.status != "none" for earning in earnings)


def _by_score(values: dict[str, float | None] | dict[str, int | None]) -> Fields:
    names = {"corr60": "corr60", "mmc60": "mmc60", "v2_corr20": "corr20V2", "mmc": "mmc",
             "bmc": "bmc", "fnc_v3": "fncV3", "cort20": "cort20", "corj60": "corj60"}  # fmt: skip
    return {api: values.get(name) for name, api in names.items()}


def model_profile_fields(standing: Standing, account_id: str) -> Fields:
    """Return a ModelProfile."""
    absent = ("alphaRep", "corrRep", "corrV4Rep", "fncV4Rep", "icV2Rep", "mpcRep", "ricRep",
              "tcRep")  # fmt: skip
    names = {name: api for name, api in _REPUTATIONS.items() if name not in ("bmc", "cort20")}
    return {
        **dict.fromkeys(absent),
        "id": standing.model.id,
        "accountId": account_id,
        "username": standing.model.name,
        "displayName": standing.model.name,
        "startDate": standing.model.inserted_at,
        "tournament": CLASSIC,
        "profileUrl": None,
        "stake": standing.stake,
        **{api: standing.reputations[name] for name, api in names.items()},
        "return1y": return_of(standing.settled(365)),
    }


def returns_fields(earnings: Iterable[Earning], now: datetime) -> Fields:
    """Return a Returns (or SwReturns): payouts of resolved rounds over their stakes, in NMR."""
    earnings = list(earnings)
    fields: Fields = {}
    for name, days in SPANS.items():
        settled = settled_within(earnings, now, days)
        fields |= {name: return_of(settled), f"{name}Nmr": nmr_of(settled)}
    return fields


def returns_values(earnings: Iterable[Earning], now: datetime) -> list[Fields]:
    """Return a ReturnsValue for each day up to now on which a staked round resolved."""
    settled = settled_within(earnings, now, None)
    days = sorted({earning.round.resolve_time for earning in settled})
    return [
        {"date": day, **returns_fields([e for e in settled if e.round.resolve_time <= day], day)}
        for day in days
    ]


def stake_values(earnings: Iterable[Earning], now: datetime) -> list[Fields]:
    """Return a StakeValue for each day on which the stake of unresolved rounds changed."""
    changes: dict[datetime, Decimal] = {}
    for earning in earnings:
        if earning.at_risk:
            closed = midnight(earning.round.close_staking_time)
            changes[closed] = changes.get(closed, Decimal(0)) + earning.at_risk
            if earning.settled:
                resolved = midnight(earning.round.resolve_time)
                changes[resolved] = changes.get(resolved, Decimal(0)) - earning.at_risk
    days = sorted(day for day in changes if day <= now + timedelta(days=1))
    values = accumulate(changes[day] for day in days)
    return [
        {"time": day, "value": value, "delta": changes[day]}
        for day, value in zip(days, values, strict=True)
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
