"""What the holder of an API key may ask and do, by the scopes of the key.

A method is the resolver of the root field of its camelCase name.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from numebot_dagster.practice import score_shapes, shapes
from numebot_dagster.practice.clock import Refused, Round
from numebot_dagster.practice.ledger import stake_of
from numebot_dagster.practice.request import Fields, Resolver, is_classic
from numebot_dagster.practice.state import Model, Submission

# pendingModelPayouts reaches about this many rounds back.
ROUNDS_OF_PAYOUTS = 30


class AccountAnswers(Resolver):
    """Answers that need an API key."""

    def account(self) -> Fields:
        """Returns the account of the request's key."""
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
        """Returns the request's key."""
        return shapes.token_fields(self._require())

    def model(self, model_id: str | None = None) -> Fields:
        """Returns a model of the account."""
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
        id: str | None = None,
        model_id: str | None = None,
    ) -> list[Fields]:
        """Returns a submission by id, or all of a model, newest first."""
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
        """Returns where to PUT a submission's bytes."""
        account = self._require("upload_submission").account
        _refuse_other(tournament)
        model = self._tournament.model(model_id, account)
        name = self._tournament.authorise_upload(filename, model)
        return self._file(name, "uploads", name)

    def submission_download_auth(self, id: str) -> Fields:
        """Returns a link to a submission's file."""
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

    def pending_model_payouts(self, tournament: int) -> Fields:
        """Returns what the account's models earned lately, and what they are about to."""
        account = self._require("read_user_info").account
        models = self._tournament.models(account) if is_classic(tournament) else []
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
        return [score_shapes.payout_fields(e, price, self._state) for e in earnings if e.at_risk]

    def create_submission(
        self,
        filename: str,
        tournament: int,
        model_id: str | None = None,
        version: int | None = None,
        **origin: Any,
    ) -> Fields:
        """Turns uploaded bytes into a submission; whether it is valid shows later."""
        account = self._require("upload_submission").account
        _refuse_other(tournament)
        model = self._tournament.model(model_id, account)
        submission = self._tournament.submit(filename, model, origin)
        chosen = self._tournament.selected(model.id)
        selected = self._is_selected(submission, chosen)
        return shapes.submission_fields(submission, selected, self._round_of(submission))

    def add_model(self, name: str, tournament: int) -> Fields:
        """Adds a model slot to the account."""
        account = self._require("read_user_info").account
        _refuse_other(tournament)
        return self._model(self._tournament.add_model(name, account))


def _refuse_other(tournament: int) -> None:
    if not is_classic(tournament):
        raise Refused(f"tournament {tournament} is not part of the practice tournament")
