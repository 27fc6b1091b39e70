"""Every query and mutation that the practice tournament answers, by Numerai's names.

A method is the resolver of the root field of its camelCase name; what the schema has and this
module lacks is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from numebot_dagster.practice import shapes
from numebot_dagster.practice.clock import (
    UTC,
    Refused,
    Round,
    last_publication,
    newest_published,
    round_on,
)
from numebot_dagster.practice.files import Library
from numebot_dagster.practice.ledger import Ledger, stake_of
from numebot_dagster.practice.scoring import SCORE_VERSION, Scorer
from numebot_dagster.practice.state import Model, Submission, Token
from numebot_dagster.practice.tournament import CLASSIC, USER, Tournament

Fields = shapes.Fields
# pendingModelPayouts reaches about this many rounds back.
ROUNDS_OF_PAYOUTS = 30
STAKE_MUTATIONS = {
    "cancelPendingStakeRelease", "increaseStake", "releaseStake", "v2ChangePayoutSelection",
    "v2ChangeStake", "v2WithdrawNmr", "v3ChangePayoutSelection",
}  # fmt: skip


@dataclass(frozen=True)
class Services:
    """What answers are computed from."""

    tournament: Tournament
    library: Library
    scorer: Scorer
    ledger: Ledger


class Answers:
    """The answers to one request.

    Args:
        services: What they are computed from.
        token: The API key of the request, None when it has none or a wrong one.
        address: The server's own URL, for links.
    """

    def __init__(self, services: Services, token: Token | None, address: str) -> None:
        self._tournament = services.tournament
        self._library = services.library
        self._scorer = services.scorer
        self._ledger = services.ledger
        self._token = token
        self._address = address
        self._state = services.tournament.state
        self._now = services.tournament.clock.now()

    def _require(self, scope: str | None = None) -> Token:
        if self._token is None:
            raise Refused("Your session is invalid or has expired.")
        if scope is not None and scope not in self._token.scopes:
            raise Refused(f"Insufficient permission for {scope}")
        return self._token

    def _link(self, kind: str, key: str) -> str:
        return f"{self._address}/{kind}/{self._library.sign(f'{kind}/{key}')}/{key}"

    # --- data and rounds ----------------------------------------------------------------------

    def list_datasets(self, round: int | None = None, tournament: int | None = None) -> list[str]:  # noqa: A002
        return self._library.names(round) if _is_classic(tournament) else []

    def dataset(self, filename: str, round: int | None = None, tournament: int | None = None) -> str:  # noqa: A002
        if not _is_classic(tournament):
            raise Refused(f"Dataset {filename} not found")
        return self._link("datasets", self._library.snapshot(filename, round).key)

    def rounds(
        self,
        tournament: int | None = None,
        number: int | None = None,
        target: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[Fields]:
        if not _is_classic(tournament):
            return []
        if number == 0:
            return [self._round(self._tournament.open_round())]
        found = [
            one
            for one in self._tournament.rounds()
            if number in (None, one.number)
            and status in (None, one.status(self._now))
            and target in (None, shapes.TARGET)
        ]
        return [self._round(one) for one in found[:limit]]

    def _round(self, one: Round) -> Fields:
        return shapes.round_fields(one, self._state, self._now, self._tournament.first_round)

    def tournaments(self) -> list[Fields]:
        names = {CLASSIC: "numerai", 11: "signals", 12: "crypto"}
        return [
            {
                "id": self._state.identifier("tournament", number),
                "name": name,
                "tournament": number,
                "active": number == CLASSIC,
                "rounds": partial(self.rounds, number),
            }
            for number, name in names.items()
        ]

    def pipeline_status(self, tournament: str = "classic", date: str | None = None) -> Fields:
        if tournament != "classic":
            raise Refused(f"there is no pipeline of {tournament} in the practice tournament")
        run = newest_published(self._now).opened
        day = partial(datetime.combine, run)
        times = {
            "startedAt": day(time(8, tzinfo=UTC)),
            "scoredAt": last_publication(self._now),
            "dataReadyAt": Round(newest_published(self._now).number).open_time,
            "resolvedAt": day(time(20, tzinfo=UTC)),
        }
        return {
            **{name: at if at <= self._now else None for name, at in times.items()},
            "isScoringDay": round_on(self._now.date()) is not None,
            "tournament": tournament,
        }

    def latest_nmr_price(self) -> Fields:
        return {"priceUsd": self._state.settings["nmr_price_usd"], "lastUpdated": None}

    # --- the account --------------------------------------------------------------------------

    def account(self) -> Fields:
        account = self._require("read_user_info").account
        settings = self._state.settings
        return {
            "id": self._state.identifier("account", account),
            "username": account,
            "displayName": account,
            "email": f"{account}@localhost",
            "bio": None,
            "status": "VERIFIED",
            "walletAddress": "0x" + self._state.identifier("wallet", account).replace("-", ""),
            "availableNmr": Decimal(settings["available_nmr"]),
            "mfaEnabled": False,
            "acceptedTos": True,
            "isBeta": False,
            "insertedAt": datetime.fromisoformat(settings["start"]),
            "updatedAt": datetime.fromisoformat(settings["start"]),
            "apiTokens": lambda: [shapes.token_fields(one) for one in self._state.tokens(account)],
            "models": lambda show_archived=False: [
                self._model(one) for one in self._tournament.models(account)
            ],
        }

    def api_token_info(self) -> Fields:
        return shapes.token_fields(self._require())

    def model(self, model_id: str | None = None) -> Fields:
        account = self._require("read_user_info").account
        return self._model(self._tournament.model(model_id, account))

    def _model(self, model: Model) -> Fields:
        return shapes.model_fields(
            model,
            stake=lambda: stake_of(
                self._ledger.earnings([model], self._tournament.opened_rounds())
            ),
            submissions=lambda: self._submissions(model),
            latest=lambda latest_n_rounds=20: self._latest(model, latest_n_rounds),
        )

    def _latest(self, model: Model, newest: int) -> list[Fields]:
        self._require("read_submission_info")
        return [shapes.latest_fields(one) for one in self._tournament.entries(model.id, newest)]

    def _submissions(self, model: Model) -> list[Fields]:
        self._require("read_submission_info")
        chosen = self._tournament.selected(model.id)
        return [
            shapes.submission_fields(one, self._is_selected(one, chosen), self._round_of(one))
            for one in reversed(self._state.submissions(model.id))
        ]

    def _is_selected(self, one: Submission, chosen: dict[int, Submission]) -> bool:
        held = chosen.get(one.round)
        return held is not None and held.id == one.id and self._now >= Round(one.round).open_time

    def _round_of(self, submission: Submission) -> Fields:
        return self._round(Round(submission.round))

    def submissions(
        self,
        id: str | None = None,  # noqa: A002
        model_id: str | None = None,
    ) -> list[Fields]:
        account = self._require("read_submission_info").account
        own = self._tournament.models(account)
        if id is None:
            own = [self._tournament.model(model_id, account)]
        elif model_id is not None:
            own = [model for model in own if model.id == model_id]
        found = [fields for model in own for fields in self._submissions(model)]
        return [fields for fields in found if id in (None, fields["id"])]

    def submission_upload_auth(
        self, filename: str, tournament: int, model_id: str | None = None
    ) -> Fields:
        account = self._require("upload_submission").account
        _refuse_other(tournament)
        model = self._tournament.model(model_id, account)
        name = self._tournament.authorise_upload(filename, model)
        return self._file(name, "uploads", name)

    def submission_download_auth(self, id: str) -> Fields:  # noqa: A002
        account = self._require("download_submission").account
        own = {model.id for model in self._tournament.models(account)}
        for submission in self._state.submissions():
            if submission.id == id and submission.model_id in own:
                key = f"{submission.id}/{submission.filename}"
                return self._file(submission.filename, "submissions", key)
        raise Refused("Submission not found")

    def _file(self, filename: str, kind: str, key: str) -> Fields:
        link = self._link(kind, key)
        return {"filename": filename, "url": link, "accelerated": False, "countryCode": None}

    # --- what participants see of each other --------------------------------------------------

    def submission_scores(
        self,
        model_id: str,
        tournament: int | None = None,
        last_n_rounds: int | None = None,
        distinct_on_round: bool | None = None,
        **wanted: Any,
    ) -> list[Fields]:
        model = self._participant(model_id)
        if model is None or not _is_classic(tournament):
            return []
        rounds = [r for r in self._tournament.opened_rounds() if r.scored_days(self._now)]
        if last_n_rounds is not None:
            rounds = rounds[:last_n_rounds]
        found = self._scores(model, rounds, newest_only=bool(distinct_on_round))
        return [one for one in found if all(v in (None, one[_camel(k)]) for k, v in wanted.items())]

    def _scores(self, model: Model, rounds: list[Round], *, newest_only: bool) -> list[Fields]:
        scores = self._scorer.scores(model.id, rounds, newest_only=newest_only)
        earnings = {one.round: one for one in self._ledger.earnings([model], rounds)}
        days: dict[Round, int] = {one: one.scored_days(self._now) for one in rounds}
        return [
            shapes.score_fields(
                one,
                self._submission_id(model, earnings[one.round].entry.submission, one.round),
                earnings[one.round] if one.day == days[one.round] else None,
                self._state,
                self._now,
            )
            for one in scores
        ]

    def _submission_id(self, model: Model, held: Submission | None, one: Round) -> str | None:
        if model.kind == USER:
            return held and held.id
        return self._state.identifier("submission of", model.id, one.number)

    def v2_round_model_performances(
        self,
        model_id: str,
        tournament: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        distinct_on_round: bool | None = None,
        **wanted: Any,
    ) -> list[Fields]:
        model = self._participant(model_id)
        if model is None or not _is_classic(tournament):
            return []
        rounds = self._tournament.opened_rounds()[: wanted.pop("last_n_rounds", None)]
        earnings = self._ledger.earnings([model], [r for r in rounds if self._admits(r, wanted)])
        if wanted.get("submitted_only"):
            earnings = [one for one in earnings if one.entry.status != "none"]
        first = offset or 0
        page = earnings[first : None if limit is None else first + limit]
        scores = self._scores(model, [one.round for one in page], newest_only=False)
        return [
            shapes.performance_fields(
                one,
                self._submission_id(model, one.entry.submission, one.round),
                [score for score in scores if score["roundNumber"] == one.round.number],
                self._state,
            )
            for one in page
        ]

    def _admits(self, one: Round, wanted: dict[str, Any]) -> bool:
        """Returns whether a round passes the filters of v2RoundModelPerformances."""
        now, resolved = self._now, one.resolve_time <= self._now
        days = one.scored_days(now)
        tests: dict[str, Callable[[Any], bool]] = {
            "resolved_only": lambda only: resolved or not only,
            "resolved_within_last_n_days": lambda n: (
                resolved and one.resolve_time > now - timedelta(days=n)
            ),
            "scored_within_last_n_days": lambda n: (
                days > 0 and one.publication(days) > now - timedelta(days=n)
            ),
            "round_number_eq": lambda number: one.number == number,
            "round_number_gte": lambda number: one.number >= number,
            "round_number_lte": lambda number: one.number <= number,
            "round_data_datestamp_gte": lambda stamp: one.data_datestamp >= stamp,
        }
        return all(
            tests[name](value)
            for name, value in wanted.items()
            if name in tests and value is not None
        )

    def _participant(self, identifier: str) -> Model | None:
        return next((one for one in self._state.models() if one.id == identifier), None)

    def pending_model_payouts(self, tournament: int) -> Fields:
        account = self._require("read_user_info").account
        models = self._tournament.models(account) if _is_classic(tournament) else []
        rounds = [r for r in self._tournament.opened_rounds() if r.scored_days(self._now)]
        resolved = [one for one in rounds if one.resolve_time <= self._now]
        open_rounds = [one for one in rounds if one.resolve_time > self._now]
        return {
            "actual": self._payouts(models, resolved[:ROUNDS_OF_PAYOUTS]),
            "pending": self._payouts(models, open_rounds[:ROUNDS_OF_PAYOUTS]),
        }

    def _payouts(self, models: list[Model], rounds: list[Round]) -> list[Fields]:
        price = Decimal(self._state.settings["nmr_price_usd"])
        earnings = self._ledger.earnings(models, rounds)
        return [shapes.payout_fields(e, price, self._state) for e in earnings if e.at_risk]

    def v2_leaderboard(
        self, limit: int | None = None, offset: int | None = None, **other: Any
    ) -> list[Fields]:
        _refuse_arguments(other)
        leaders = [shapes.leader_fields(s, self._ledger) for s in self._ledger.standings()]
        return _page(leaders, limit, offset)

    def account_leaderboard(
        self, tournament: int = CLASSIC, limit: int = 500, offset: int | None = None, **other: Any
    ) -> list[Fields]:
        _refuse_arguments(other)
        accounts: dict[str, list[Any]] = {}
        for standing in self._ledger.standings() if _is_classic(tournament) else []:
            accounts.setdefault(standing.model.account, []).append(standing)
        leaders = [
            shapes.account_leader_fields(rank, held, self._ledger)
            for rank, held in enumerate(accounts.values(), start=1)
        ]
        return _page(leaders, limit, offset)

    def v3_user_profile(self, model_name: str, tournament: int = CLASSIC) -> Fields | None:
        for standing in self._ledger.standings() if _is_classic(tournament) else []:
            if standing.model.name == model_name:
                rounds = self._tournament.opened_rounds()
                scores = partial(self._scores, standing.model, rounds, newest_only=True)
                return shapes.profile_fields(standing, self._ledger, scores)
        return None

    def account_profile(self, username: str, tournament: int = CLASSIC) -> Fields | None:
        standings = self._ledger.standings() if _is_classic(tournament) else []
        held = [one for one in standings if one.model.account == username]
        if not held:
            return None
        return {
            "id": self._state.identifier("account", username),
            "username": username,
            "displayName": username,
            "startDate": min(one.model.inserted_at for one in held),
            "tournament": CLASSIC,
            "isActive": True,
            "team": False,
            "bio": None,
            "totalStake": sum((one.stake for one in held), Decimal(0)),
            "models": [shapes.model_profile_fields(one, self._ledger) for one in held],
        }

    # --- mutations ----------------------------------------------------------------------------

    def create_submission(
        self,
        filename: str,
        tournament: int,
        model_id: str | None = None,
        version: int | None = None,
        **origin: Any,
    ) -> Fields:
        account = self._require("upload_submission").account
        _refuse_other(tournament)
        model = self._tournament.model(model_id, account)
        submission = self._tournament.submit(filename, model, origin)
        chosen = self._tournament.selected(model.id)
        selected = self._is_selected(submission, chosen)
        return shapes.submission_fields(submission, selected, self._round_of(submission))

    def add_model(self, name: str, tournament: int) -> Fields:
        account = self._require("read_user_info").account
        _refuse_other(tournament)
        return self._model(self._tournament.add_model(name, account))


def _is_classic(tournament: int | None) -> bool:
    return tournament in (None, CLASSIC)


def _refuse_other(tournament: int) -> None:
    if not _is_classic(tournament):
        raise Refused(f"tournament {tournament} is not part of the practice tournament")


def _refuse_arguments(arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise Refused(f"the argument {_camel(name)} is not part of the practice tournament yet")


def _page(items: list[Fields], limit: int | None, offset: int | None) -> list[Fields]:
    first = offset or 0
    return items[first : None if limit is None else first + limit]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
