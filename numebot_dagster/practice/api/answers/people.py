"""Answer what anyone may ask of the participants: leaderboards and profiles."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any

from numebot_dagster.practice.api.answers.public import scores_of
from numebot_dagster.practice.api.request import ApiRequest, Resolver, camel, is_classic, page
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import Fields, people_objects, score_objects
from numebot_dagster.practice.schema.dialect import schema_fields
from numebot_dagster.practice.scoring.ledger import Standing

# Fields that the owner of a practice account has left empty.
_PERSONAL = ("acceptedTos", "bannerUrl", "discord", "github", "kaggle", "kaggleTier",
             "kaggleVerified", "linkedin", "location", "occupation", "organization", "profileUrl",
             "title", "twitter", "website")  # fmt: skip
# An AccountScores has each of these values twice; they are of a year.
_ACCOUNT_SCORES = {"corr60": "corr60", "mmc60": "mmc60", "v2Corr20": "v2_corr20", "mmc": "mmc"}
_DIRECTIONS = {"asc": False, "desc": True}


def v2_leaderboard(
    request: ApiRequest, limit: int | None = None, offset: int | None = None, **order: Any
) -> list[Fields]:
    """Return all participants, best first; for `order` see `_arranged`."""
    leaders = [
        people_objects.leader_fields(standing, request.history)
        for standing in request.ledger.standings()
    ]
    arranged = _arranged(people_objects.with_ranks(leaders), "V2LeaderboardEntry", **order)
    return page(arranged, limit, offset)


def account_leaderboard(
    request: ApiRequest,
    tournament: int = CLASSIC,
    limit: int = 500,
    offset: int | None = None,
    **order: Any,
) -> list[Fields]:
    """Return all accounts, best first; for `order` see `_arranged`."""
    accounts: dict[str, list[Standing]] = {}
    for standing in _standings(request, tournament):
        accounts.setdefault(standing.model.account, []).append(standing)
    leaders = [
        {
            **people_objects.account_leader_fields(rank, standings),
            "id": request.state.account_id(account),
            **dict.fromkeys(("rankChange1d", "rankChange3m", "rankChange1y")),
        }
        for rank, (account, standings) in enumerate(accounts.items(), start=1)
    ]
    return page(_arranged(leaders, "AccountLeaderboardEntry", **order), limit, offset)


def _standings(request: ApiRequest, tournament: int) -> list[Standing]:
    return request.ledger.standings() if is_classic(tournament) else []


def v3_user_profile(
    request: ApiRequest, model_name: str, tournament: int = CLASSIC
) -> Fields | None:
    """Return a participant by name, None when there is none."""
    by_name = {standing.model.name: standing for standing in _standings(request, tournament)}
    if model_name not in by_name:
        return None
    standing = by_name[model_name]
    rounds = request.tournament.timetable.opened_rounds()
    parts: Fields = {
        "latestSubmissionScores": partial(
            scores_of, request, standing.model, rounds, newest_only=True
        ),
        "roundModelPerformances": lambda: [
            score_objects.legacy_performance_fields(earning)
            for earning in standing.earnings
            if earning.entry.status != "none"
        ],
    }
    attributes = request.state.attributes(standing.model.id)
    return people_objects.profile_fields(standing, attributes, request.history, parts)


def user_scores(request: ApiRequest, model_id: str) -> list[Fields]:
    """Return a participant's reputations and ranks, newest first."""
    model = request.participant(model_id)
    return request.history().user_scores(model.id) if model else []


def account_profile(request: ApiRequest, username: str, tournament: int = CLASSIC) -> Fields | None:
    """Return an account by name, None when there is none."""
    standings = [
        standing
        for standing in _standings(request, tournament)
        if standing.model.account == username
    ]
    if not standings:
        return None
    now, account_id = request.now, request.state.account_id(username)
    earnings = [earning for standing in standings for earning in standing.earnings]
    return {
        **dict.fromkeys(_PERSONAL),
        "id": account_id,
        "username": username,
        "displayName": username,
        "startDate": min(standing.model.inserted_at for standing in standings),
        "tournament": CLASSIC,
        "isActive": people_objects.is_active(earnings),
        "team": False,
        "achievements": [],
        "bio": request.state.attributes(account_id).get("bio"),
        "totalStake": sum((standing.stake for standing in standings), Decimal(0)),
        "models": [people_objects.model_profile_fields(s, account_id) for s in standings],
        "scores": _account_scores(request, standings),
        "scoresTs": lambda interval="ltm": _account_scores_by_day(request, standings),
        "returns": people_objects.returns_fields(earnings, now),
        "returnsTs": lambda interval="ltm": people_objects.returns_values(earnings, now),
        "totalStakeTs": lambda interval="ltm": [
            {**value, "date": value["time"]} for value in people_objects.stake_values(earnings, now)
        ],
    }


def _account_scores(request: ApiRequest, standings: list[Standing]) -> Fields:
    """Return an AccountScores: the means of the models' reputations."""
    means = people_objects.account_leader_fields(0, standings)
    return _account_score_fields({api: means[api] for api in _ACCOUNT_SCORES}, request.now)


def _account_scores_by_day(request: ApiRequest, standings: list[Standing]) -> list[Fields]:
    """Return an AccountScores for each publication day, oldest first."""
    ids = [standing.model.id for standing in standings]
    return [
        _account_score_fields({api: means[name] for api, name in _ACCOUNT_SCORES.items()}, date)
        for date, means in request.history().mean_reputations(ids)
    ]


def _account_score_fields(means: Fields, date: Any) -> Fields:
    return {
        **dict.fromkeys(schema_fields("AccountScores")),
        **means,
        **{f"{api}Ltm": mean for api, mean in means.items()},
        "date": date,
    }


def _arranged(
    entries: list[Fields],
    type_name: str,
    order_by: str | None = None,
    direction: str | None = None,
    filter_by: str | None = None,
) -> list[Fields]:
    """Return leaderboard entries, filtered and in order; entries without a value come last.

    Args:
        entries: Best first.
        type_name: The entries' type in the schema.
        order_by: One of the type's fields, in camelCase or snake_case; None: by rank (INFERRED).
        direction: `asc` or `desc`; None: ranks and names ascend, the rest descends (INFERRED).
        filter_by: A part of the user names to show (INFERRED).
    """
    if filter_by:
        entries = [entry for entry in entries if filter_by.lower() in entry["username"].lower()]
    name = camel(re.sub(r"_(\d)", r"\1", order_by)) if order_by else "rank"
    if name not in schema_fields(type_name):
        raise Refused(f"orderBy {order_by} is not a field of {type_name}")
    if direction is not None and direction.lower() not in _DIRECTIONS:
        raise Refused(f"direction must be asc or desc, not {direction}")

    def value_of(entry: Fields) -> Any:
        value = entry[name]
        return value() if callable(value) else value  # changes of ranks are functions

    pairs = [(value_of(entry), entry) for entry in entries]
    valued = [(value, entry) for value, entry in pairs if value is not None]
    if any(isinstance(value, list) for value, _ in valued):
        raise Refused(f"orderBy {order_by} has no order")
    ascends = "Rank" in name or name == "rank" or any(isinstance(v, str) for v, _ in valued)
    descends = not ascends if direction is None else _DIRECTIONS[direction.lower()]
    valued.sort(key=lambda pair: pair[0], reverse=descends)
    return [entry for _, entry in valued] + [entry for value, entry in pairs if value is None]


RESOLVERS: dict[str, Resolver] = {
    "accountLeaderboard": account_leaderboard,
    "accountProfile": account_profile,
    "userScores": user_scores,
    "v2Leaderboard": v2_leaderboard,
    "v3UserProfile": v3_user_profile,
}
