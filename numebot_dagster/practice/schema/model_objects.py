"""Build the API's objects of an account: API keys, models, stakes and submissions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from numebot_dagster.practice.rules.state import Model, Submission, Token
from numebot_dagster.practice.rules.tournament import CLASSIC, Entry
from numebot_dagster.practice.schema import Fields


def token_fields(token: Token) -> Fields:
    """Return an ApiToken or, with its account's name, an ApiTokenInfo; never the secret."""
    return {
        "name": token.name,
        "publicId": token.public_id,
        "scopes": list(token.scopes),
        "accountUsername": token.account,
    }


def model_fields(model: Model, attributes: dict[str, str], parts: Fields) -> Fields:
    """Return a Model."""
    archived = attributes.get("archived_at")
    return {
        "id": model.id,
        "name": model.name,
        "username": model.account,
        "tournament": CLASSIC,
        "insertedAt": model.inserted_at,
        "archived": archived is not None,
        "archivedAt": archived and datetime.fromisoformat(archived),
        "hidden": False,
        "description": attributes.get("bio"),
        "profileUrl": None,
        "computeEnabled": "webhook" in attributes or "pickle" in attributes,
        "submissionWebhook": attributes.get("webhook"),
        # There is no release of stakes and no choice of a payout under the current rules.
        "earliestReleaseDate": None,
        "currentPayoutSelection": None,
        "signalsStake": None,
        **parts,
    }


def stake_fields(stake: Decimal) -> Fields:
    """Return a V2Stake."""
    return {
        "status": None,
        "txHash": None,
        "latestValue": stake,
        "latestValueSettled": stake,
        "stakeValue": stake,
        "tournamentNumber": CLASSIC,
        "pendingV2ChangeStakeRequest": None,
    }


def submission_fields(submission: Submission, selected: bool, of_round: Fields) -> Fields:
    """Return a V2Submission; its deprecated fields are null, as Numerai's are."""
    return {
        "id": submission.id,
        "filename": submission.filename,
        "insertedAt": submission.inserted_at,
        "round": of_round,
        "selected": selected,
        "dataDatestamp": submission.data_datestamp,
        "triggerId": submission.trigger_id,
        "sourcePlatform": submission.source,
        "sourceIp": None,
        "notes": None,
        "prevWeekChurnMax": None,
        "prevWeekTurnoverMax": None,
        "tickersAcceptedCount": None,
        "tickersSubmittedCount": None,
    }


def latest_fields(entry: Entry) -> Fields:
    """Return a LatestSubmission; what no submission has is null."""
    submission = entry.submission
    return {
        "id": submission and submission.id,
        "filename": submission and submission.filename,
        "timestamp": submission and submission.inserted_at,
        "status": entry.status,
        "roundNumber": entry.round.number,
        "roundOpen": entry.round.open_time,
        "roundCloseStaking": entry.round.close_staking_time,
        "roundClose": entry.round.close_time,
    }
