"""What the holder of an API key may ask and do, by the scopes of the key.

A method is the resolver of the root field of its camelCase name.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from numebot_dagster.practice.api.answers.stakes import StakeAnswers
from numebot_dagster.practice.api.request import Fields, is_classic, refuse_other
from numebot_dagster.practice.api.services.jobs import PICKLE, Job
from numebot_dagster.practice.api.services.pickles import pickle_fields
from numebot_dagster.practice.rules.clock import Refused, Round
from numebot_dagster.practice.rules.state import Model, Submission
from numebot_dagster.practice.schema import score_shapes, shapes
from numebot_dagster.practice.schema.people_shapes import (
    returns_fields,
    returns_values,
    stake_values,
)
from numebot_dagster.practice.scoring.ledger import Earning, stake_of

MODEL_SLOTS = 20
# Scopes of API keys by name; the words of the descriptions are ours.
SCOPES = {
    "upload_submission": "Submit predictions and manage models",
    "download_submission": "Download own submissions",
    "read_submission_info": "See own submissions",
    "read_user_info": "See the own account",
    "stake": "Change stakes, which the practice tournament refuses",
    "web3_staking": "See own positions on the chain",
}
# What the owner of a practice account has not told.
_PERSONAL = (
    "aiManagerExperience", "bannerUrl", "defaultCurrency", "defaultCurrencySymbol",
    "discordLinkToken", "discordUsername", "emailPreferences", "github",
    "hideOnboardingTutorials", "isTestPilot", "kaggle", "kaggleVerified", "linkedin", "location",
    "occupation", "organization", "profileUrl", "tutorials", "twitter", "w9Info", "website",
)  # fmt: skip
# pendingModelPayouts reaches about this many rounds back.
ROUNDS_OF_PAYOUTS = 30


class AccountAnswers(StakeAnswers):
    """Answers that need an API key."""

    def account(self) -> Fields:
        """Returns the account of the request's key."""
        account = self._require("read_user_info").account
        settings = self._state.settings
        identifier = self._state.account_id(account)
        return {
            **dict.fromkeys(_PERSONAL),
            **self._money(account),
            "id": identifier,
            "username": account,
            "displayName": account,
            "email": f"{account}@localhost",
            "bio": self._state.attributes(identifier).get("bio"),
            "status": "VERIFIED",
            "mfaEnabled": False,
            "acceptedTos": True,
            "isBeta": False,
            "insertedAt": datetime.fromisoformat(settings["start"]),
            "updatedAt": datetime.fromisoformat(settings["start"]),
            "maxModelSlots": lambda tournament=None: MODEL_SLOTS,
            "achievements": lambda tournament=None: [],
            "reports": [],
            "title": lambda tournament=None: None,
            "apiTokens": lambda: [shapes.token_fields(one) for one in self._state.tokens(account)],
            "models": lambda show_archived=False: [
                self._model(one)
                for one in self._tournament.models(account)
                if show_archived or "archived_at" not in self._state.attributes(one.id)
            ],
        }

    def _money(self, account: str) -> Fields:
        """Returns what an account has; what is on chain is counted from its transactions."""

        def positions() -> list[Earning]:
            return self._positions(account)

        return {
            "walletAddress": self._wallet(account),
            "availableNmr": Decimal(self._state.settings["available_nmr"]),
            "availableStakeCredit": Decimal(0),
            "heldForFusionStakes": Decimal(0),
            "heldForPendingWithdrawals": Decimal(0),
            "heldForScheduledStakeIncreases": Decimal(0),
            "onChainWalletBalance": lambda: self._balance(account),
            "walletTxns": lambda limit=None, offset=None: self._wallet_txns(account, limit, offset),
            "pendingTxns": [],
            "scheduledStakeTxns": [],
            "returns": lambda tournament=None: returns_fields(positions(), self._now),
            "returnsValues": lambda tournament=None: returns_values(positions(), self._now),
            "totalStakeValues": lambda tournament=None: stake_values(positions(), self._now),
        }

    def api_token_info(self) -> Fields:
        """Returns the request's key."""
        return shapes.token_fields(self._require())

    def api_token_scopes(self) -> list[Fields]:
        """Returns what a key may be allowed to do."""
        return [{"name": name, "description": text} for name, text in SCOPES.items()]

    def model(self, model_id: str | None = None) -> Fields:
        """Returns a model of the account."""
        account = self._require("read_user_info").account
        return self._model(self._tournament.model(model_id, account))

    def _model(self, model: Model) -> Fields:
        def earnings() -> list[Earning]:
            return self._ledger.earnings([model], self._tournament.opened_rounds())

        attributes = self._state.attributes(model.id)
        return shapes.model_fields(
            model,
            attributes,
            {
                "v2Stake": lambda: shapes.stake_fields(stake_of(earnings())),
                "submissions": lambda: self._submissions(model),
                "latestSubmissions": lambda latest_n_rounds=20: self._latest(
                    model, latest_n_rounds
                ),
                "latestUserScores": lambda: self._history().user_scores(model.id),
                "returns": lambda: returns_fields(earnings(), self._now),
                "returnsValues": lambda: returns_values(earnings(), self._now),
                "computePickleUpload": lambda: self._pickle_of(attributes),
            },
        )

    def _pickle_of(self, attributes: dict[str, str]) -> Fields | None:
        if "pickle" not in attributes:
            return None
        return self._pickle(self._jobs.find(PICKLE, attributes["pickle"])[0])

    def _pickle(self, job: Job) -> Fields:
        account = job.facts["account"]
        slots = [
            model.id
            for model in self._tournament.models(account)
            if self._state.attributes(model.id).get("pickle") == job.id
        ]
        return pickle_fields(job, slots, self._state)

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
        return self._round(self._tournament.round(submission.round))

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
        refuse_other(tournament)
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
        refuse_other(tournament)
        model = self._tournament.model(model_id, account)
        submission = self._tournament.submit(filename, model, origin)
        chosen = self._tournament.selected(model.id)
        selected = self._is_selected(submission, chosen)
        return shapes.submission_fields(submission, selected, self._round_of(submission))

    def add_model(self, name: str, tournament: int) -> Fields:
        """Adds a model slot to the account."""
        account = self._require("read_user_info").account
        refuse_other(tournament)
        return self._model(self._tournament.add_model(name, account))
