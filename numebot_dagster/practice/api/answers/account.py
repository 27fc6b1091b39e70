"""Answer what concerns the account of an API key: its profile, keys and payouts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from numebot_dagster.practice.api.answers.models import model_fields_of
from numebot_dagster.practice.api.answers.stakes import wallet_fields
from numebot_dagster.practice.api.request import ApiRequest, Resolver, is_classic
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.model_objects import token_fields
from numebot_dagster.practice.schema.score_objects import payout_fields

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
# Fields that the owner of a practice account has left empty.
_PERSONAL = (
    "aiManagerExperience", "bannerUrl", "defaultCurrency", "defaultCurrencySymbol",
    "discordLinkToken", "discordUsername", "emailPreferences", "github",
    "hideOnboardingTutorials", "isTestPilot", "kaggle", "kaggleVerified", "linkedin", "location",
    "occupation", "organization", "profileUrl", "tutorials", "twitter", "w9Info", "website",
)  # fmt: skip
# pendingModelPayouts reaches about this many rounds back.
ROUNDS_OF_PAYOUTS = 30


def account(request: ApiRequest) -> Fields:
    """Return the account of the request's key."""
    name, state = request.account("read_user_info"), request.state
    identifier = state.account_id(name)
    start = datetime.fromisoformat(state.settings["start"])
    return {
        **dict.fromkeys(_PERSONAL),
        **wallet_fields(request, name),
        "id": identifier,
        "username": name,
        "displayName": name,
        "email": f"{name}@localhost",
        "bio": state.attributes(identifier).get("bio"),
        "status": "VERIFIED",
        "mfaEnabled": False,
        "acceptedTos": True,
        "isBeta": False,
        "insertedAt": start,
        "updatedAt": start,
        "maxModelSlots": lambda tournament=None: MODEL_SLOTS,
        "achievements": lambda tournament=None: [],
        "reports": [],
        "title": lambda tournament=None: None,
        "apiTokens": lambda: [token_fields(token) for token in state.tokens(name)],
        "models": lambda show_archived=False: [
            model_fields_of(request, model)
            for model in request.tournament.models(name)
            if show_archived or "archived_at" not in state.attributes(model.id)
        ],
    }


def api_token_info(request: ApiRequest) -> Fields:
    """Return the request's key."""
    return token_fields(request.require())


def api_token_scopes(request: ApiRequest) -> list[Fields]:
    """Return the scopes that a key may have."""
    return [{"name": name, "description": text} for name, text in SCOPES.items()]


def pending_model_payouts(request: ApiRequest, tournament: int) -> Fields:
    """Return the payouts of the account's models: of resolved rounds, and of those to come."""
    name = request.account("read_user_info")
    models = request.tournament.models(name) if is_classic(tournament) else []
    scored = [r for r in request.tournament.timetable.opened_rounds() if r.scored_days(request.now)]
    resolved = [round_ for round_ in scored if round_.resolve_time <= request.now]
    unresolved = [round_ for round_ in scored if round_.resolve_time > request.now]
    return {
        "actual": _payouts(request, models, resolved[:ROUNDS_OF_PAYOUTS]),
        "pending": _payouts(request, models, unresolved[:ROUNDS_OF_PAYOUTS]),
    }


def _payouts(request: ApiRequest, models: list[Model], rounds: list[Round]) -> list[Fields]:
    price = Decimal(request.state.settings["nmr_price_usd"])
    earnings = request.ledger.earnings(models, rounds)
    return [payout_fields(e, price, request.state) for e in earnings if e.at_risk]


def set_user_bio(request: ApiRequest, value: str, model_id: str | None = None) -> bool:
    """Set the description of a model, or without one of the account."""
    request.state.set_attributes(_profile_id(request, model_id), bio=value)
    return True


def set_user_link(
    request: ApiRequest, link_url: str, link_text: str | None = None, model_id: str | None = None
) -> bool:
    """Set the link of a model, or without one of the account."""
    owner_id = _profile_id(request, model_id)
    request.state.set_attributes(owner_id, link_url=link_url, link_text=link_text)
    return True


def _profile_id(request: ApiRequest, model_id: str | None) -> str:
    if model_id:
        return request.own_model("upload_submission", model_id).id
    return request.state.account_id(request.account("upload_submission"))


RESOLVERS: dict[str, Resolver] = {
    "account": account,
    "apiTokenInfo": api_token_info,
    "apiTokenScopes": api_token_scopes,
    "pendingModelPayouts": pending_model_payouts,
    "setUserBio": set_user_bio,
    "setUserLink": set_user_link,
}
