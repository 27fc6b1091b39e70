"""What anyone may ask of the participants: leaderboards and profiles.

A method is the resolver of the root field of its camelCase name.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any

from numebot_dagster.practice.api.answers.public import PublicAnswers
from numebot_dagster.practice.api.request import Fields, camel, is_classic, page
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import people_shapes, score_shapes
from numebot_dagster.practice.schema.dialect import schema_fields
from numebot_dagster.practice.scoring.ledger import Standing

# Ranks and changes of ranks are functions in an entry, everything else is comparable.
_DIRECTIONS = {"asc": False, "desc": True}


class PeopleAnswers(PublicAnswers):
    """Leaderboards and profiles, which need no API key."""

    def v2_leaderboard(
        self, limit: int | None = None, offset: int | None = None, **wanted: Any
    ) -> list[Fields]:
        """Returns all participants, best first; see `_arranged` for ``wanted``."""
        leaders = [
            people_shapes.leader_fields(one, self._history) for one in self._ledger.standings()
        ]
        arranged = _arranged(people_shapes.with_ranks(leaders), "V2LeaderboardEntry", **wanted)
        return page(arranged, limit, offset)

    def account_leaderboard(
        self,
        tournament: int = CLASSIC,
        limit: int = 500,
        offset: int | None = None,
        **wanted: Any,
    ) -> list[Fields]:
        """Returns all accounts, best first; see `_arranged` for ``wanted``."""
        accounts: dict[str, list[Standing]] = {}
        for standing in self._ledger.standings() if is_classic(tournament) else []:
            accounts.setdefault(standing.model.account, []).append(standing)
        leaders = [
            {
                **people_shapes.account_leader_fields(rank, held),
                "id": self._state.account_id(name),
                **dict.fromkeys(("rankChange1d", "rankChange3m", "rankChange1y")),
            }
            for rank, (name, held) in enumerate(accounts.items(), start=1)
        ]
        return page(_arranged(leaders, "AccountLeaderboardEntry", **wanted), limit, offset)

    def v3_user_profile(self, model_name: str, tournament: int = CLASSIC) -> Fields | None:
        """Returns a participant by name, None when there is none."""
        standings = self._ledger.standings() if is_classic(tournament) else []
        found = [one for one in standings if one.model.name == model_name]
        return self._profile(found[0]) if found else None

    def _profile(self, standing: Standing) -> Fields:
        rounds = self._tournament.opened_rounds()
        scores = partial(self._scores, standing.model, rounds, newest_only=True)
        parts: Fields = {
            "latestSubmissionScores": scores,
            "roundModelPerformances": lambda: [
                score_shapes.legacy_performance_fields(earning)
                for earning in standing.earnings
                if earning.entry.status != "none"
            ],
        }
        attributes = self._state.attributes(standing.model.id)
        return people_shapes.profile_fields(standing, attributes, self._history, parts)

    def user_scores(self, model_id: str) -> list[Fields]:
        """Returns a participant's reputations and ranks, newest first."""
        model = self._participant(model_id)
        return self._history().user_scores(model.id) if model else []

    def account_profile(self, username: str, tournament: int = CLASSIC) -> Fields | None:
        """Returns an account by name, None when there is none."""
        standings = self._ledger.standings() if is_classic(tournament) else []
        held = [one for one in standings if one.model.account == username]
        if not held:
            return None
        account_id = self._state.account_id(username)
        earnings = [earning for one in held for earning in one.earnings]
        return {
            **dict.fromkeys(_PERSONAL),
            "id": account_id,
            "username": username,
            "displayName": username,
            "startDate": min(one.model.inserted_at for one in held),
            "tournament": CLASSIC,
            "isActive": any(one.entry.status != "none" for one in earnings),
            "team": False,
            "achievements": [],
            "bio": self._state.attributes(account_id).get("bio"),
            "totalStake": sum((one.stake for one in held), Decimal(0)),
            "models": [people_shapes.model_profile_fields(one, account_id) for one in held],
            "scores": self._account_scores(held),
            "scoresTs": lambda interval="ltm": self._account_scores_by_day(held),
            "returns": people_shapes.returns_fields(earnings, self._now),
            "returnsTs": lambda interval="ltm": people_shapes.returns_values(earnings, self._now),
            "totalStakeTs": lambda interval="ltm": [
                {**one, "date": one["time"]}
                for one in people_shapes.stake_values(earnings, self._now)
            ],
        }

    def _account_scores(self, held: list[Standing]) -> Fields:
        """Returns an AccountScores: the means of the models' reputations, which are of a year."""
        best = people_shapes.account_leader_fields(0, held)
        names = {"corr60": "corr60", "mmc60": "mmc60", "v2Corr20": "v2Corr20", "mmc": "mmc"}
        return {
            **dict.fromkeys(schema_fields("AccountScores")),
            **{api: best[name] for api, name in names.items()},
            **{f"{api}Ltm": best[name] for api, name in names.items()},
            "date": self._now,
        }

    def _account_scores_by_day(self, held: list[Standing]) -> list[Fields]:
        """Returns an AccountScores for each publication day, oldest first."""
        names = {"corr60": "corr60", "mmc60": "mmc60", "v2Corr20": "v2_corr20", "mmc": "mmc"}
        days = self._history().mean_reputations([one.model.id for one in held])
        return [
            {
                **dict.fromkeys(schema_fields("AccountScores")),
                **{api: means[name] for api, name in names.items()},
                **{f"{api}Ltm": means[name] for api, name in names.items()},
                "date": date,
            }
            for date, means in days
        ]


# What the owner of a practice account has not told.
_PERSONAL = ("acceptedTos", "bannerUrl", "discord", "github", "kaggle", "kaggleTier",
             "kaggleVerified", "linkedin", "location", "occupation", "organization", "profileUrl",
             "title", "twitter", "website")  # fmt: skip


def _arranged(
    entries: list[Fields],
    type_name: str,
    order_by: str | None = None,
    direction: str | None = None,
    filter_by: str | None = None,
) -> list[Fields]:
    """Returns leaderboard entries, filtered and in order; entries without a value come last.

    Args:
        entries: Best first.
        type_name: The entries' type in the schema.
        order_by: One of the type's fields, in camelCase or snake_case; None: by rank (INFERRED).
        direction: ``asc`` or ``desc``; None: ranks and names ascend, the rest descends (INFERRED).
        filter_by: A part of the user names that are wanted (INFERRED).

    Raises:
        Refused: There is no such field or direction.
    """
    if filter_by:
        entries = [one for one in entries if filter_by.lower() in one["username"].lower()]
    name = camel(re.sub(r"_(\d)", r"\1", order_by)) if order_by else "rank"
    if name not in schema_fields(type_name):
        raise Refused(f"orderBy {order_by} is not a field of {type_name}")
    if direction is not None and direction.lower() not in _DIRECTIONS:
        raise Refused(f"direction must be asc or desc, not {direction}")

    def value(one: Fields) -> Any:
        held = one[name]
        return held() if callable(held) else held

    valued = [(value(one), one) for one in entries]
    known = [(held, one) for held, one in valued if held is not None]
    if any(isinstance(held, list) for held, _ in known):
        raise Refused(f"orderBy {order_by} has no order")
    ascends = "Rank" in name or name == "rank" or any(isinstance(held, str) for held, _ in known)
    descends = not ascends if direction is None else _DIRECTIONS[direction.lower()]
    known.sort(key=lambda pair: pair[0], reverse=descends)
    return [one for _, one in known] + [one for held, one in valued if held is None]
