"""Faults in what GraphQL answers: lost scopes, changed schemas, odd values, unseen submissions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from graphql import GraphQLResolveInfo, is_non_null_type

from numebot_dagster.practice.datasets.contents import dataset_names
from numebot_dagster.practice.faults.faults import Fault, FaultBook
from numebot_dagster.practice.faults.unseen import Unseen, age
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.state import Submission, Token
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.schema.endpoints import is_asked_for

Change = Callable[["FaultyAnswers", Fault, str, Any], Any]
_UPLOAD_URL, _TOKEN_OF_UPLOAD = "FileUploadAuth.url", re.compile("/uploads/[^/]+/")
_SHOWN_IN = ("Model.latestSubmissions", "Model.submissions", "RootQueryType.submissions")


class FaultyAnswers:
    """What the faults that strike one request make of its answers."""

    def __init__(
        self,
        tournament: Tournament,
        book: FaultBook,
        struck: Sequence[Fault] = (),
        request: Any = None,
    ) -> None:
        self._tournament = tournament
        self._book = book
        self._struck = [one for one in struck if one.kind in _CHANGES]
        self._withdrawn = [one for one in struck if one.kind == "scope-withdrawn"]
        self._claims: dict[int, bool] = {}
        self.removed = frozenset(
            one.text("field")
            for one in struck
            if one.kind == "field-removed"
            and is_asked_for(one.text("field"), request)
            and self._claim(one)
        )

    def token(self, token: Token | None) -> Token | None:
        """Returns the request's token without the scopes that were withdrawn."""
        lost = {one.text("scope") for one in self._withdrawn}
        if token is None or not lost:
            return token
        return replace(token, scopes=tuple(scope for scope in token.scopes if scope not in lost))

    def happen(self) -> None:
        """Turns submissions invalid whose time has come."""
        for fault in self._book.standing("invalid-later"):
            for number, one in enumerate(self._tournament.users_submissions()):
                if self._is_due(fault, number, one) and self._book.claim(fault):
                    self._tournament.state.invalidate(
                        one.filename,
                        "invalid_submission_values: found invalid later",
                        self._tournament.clock.now(),
                    )

    def _is_due(self, fault: Fault, number: int, one: Submission) -> bool:
        """Returns whether a fault turns a submission, the so many-th of all, invalid now."""
        names = {model.id: model.name for model in self._tournament.models_of_users()}
        places = [f"submission:{one.filename}", f"submission:{names[one.model_id]}"]
        return (
            one.error is None
            and one.kind != "carried"  # goes with the late one, whose file it shares
            and fault.is_meant_for(places)
            and fault.number("seconds")
            <= age(self._tournament, one.filename)
            <= time.time() - fault.added_at
            and fault.draws(number)
        )

    @property
    def middleware(self) -> list[FaultyAnswers] | None:
        """What stands before every resolver, None when nothing is to be changed."""
        late = self._book.standing("late-data")
        return [self] if self._struck or self._withdrawn or late else None

    def resolve(
        self,
        resolve: Callable[..., Any],
        source: Any,
        info: GraphQLResolveInfo,
        /,
        **arguments: Any,
    ) -> Any:
        """Resolves a field and changes what came of it; called by the executor by this name."""
        name = f"{info.parent_type.name}.{info.field_name}"
        try:
            value = resolve(source, info, **arguments)
        except Refused as refusal:
            for fault in self._withdrawn:
                if fault.text("scope") in str(refusal):
                    self._claim(fault)
            raise
        if name == "ApiTokenInfo.scopes":
            for fault in self._withdrawn:
                self._claim(fault)
        if name == "PipelineStatus.dataReadyAt" and self._are_data_late():
            return None
        for fault in self._struck:
            if fault.kind == "null" and is_non_null_type(info.return_type):
                continue
            changed = _CHANGES[fault.kind](self, fault, name, value)
            if changed is not value and changed != value and self._claim(fault):
                value = changed
        return value

    def _claim(self, fault: Fault) -> bool:
        """Counts a fault once for this request; False when it may not strike it any more."""
        if fault.id not in self._claims:
            self._claims[fault.id] = self._book.claim(fault)
        return self._claims[fault.id]

    def _are_data_late(self) -> bool:
        """Returns whether the next request for live data would get the former round's."""
        live = [f"download:{n}" for n in dataset_names(self._tournament.market) if "live" in n]
        return any(
            one.is_meant_for(live) and one.draws() for one in self._book.standing("late-data")
        )

    def hide(self, fault: Fault, name: str, value: Any) -> Any:
        """Leaves out submissions that are too young to be seen."""
        if name not in _SHOWN_IN or not value:
            return value
        unseen = Unseen(self._tournament, fault.number("seconds"))
        latest = name == "Model.latestSubmissions"
        return unseen.latest(value) if latest else unseen.submissions(value)


def _null(_: FaultyAnswers, fault: Fault, name: str, value: Any) -> Any:
    hidden = fnmatchcase(name, fault.text("field")) and not name.startswith("__")
    return None if hidden else value


def _unknown_status(_: FaultyAnswers, fault: Fault, name: str, value: Any) -> Any:
    known = name == "LatestSubmission.status" and value not in (None, "none")
    return fault.text("status") if known else value


def _unknown_score(_: FaultyAnswers, fault: Fault, name: str, value: Any) -> Any:
    if name.rpartition(".")[2] not in ("submissionScores", "roundScoreConfigs") or not value:
        return value
    named = {"name": fault.text("name"), "displayName": fault.text("name")}
    first = value[0]["displayName"]
    unpaid = {"isPayout": False, "payoutPending": None, "payoutSettled": None}
    more = [
        {**row, **named, **{key: one for key, one in unpaid.items() if key in row}}
        for row in value
        if row["displayName"] == first
    ]
    return [*value, *more]


def _two_payouts(_: FaultyAnswers, fault: Fault, name: str, value: Any) -> Any:
    if name != "Round.roundScoreConfigs":
        return value
    paid = [row for row in value or () if row["isPayout"]]
    halved = ("minMultiplier", "maxMultiplier", "defaultMultiplier")
    second = [
        {**row, "id": f"{row['id']}-2", "version": "2", **{key: row[key] / 2 for key in halved}}
        for row in paid
    ]
    return [*(value or ()), *second]


def _negative_payouts(_: FaultyAnswers, fault: Fault, name: str, value: Any) -> Any:
    if name not in ("Payout.payoutNmr", "Payout.payoutValue") or value is None:
        return value
    return -abs(Decimal(value))


def _expired_upload(_: FaultyAnswers, fault: Fault, name: str, value: Any) -> Any:
    return _TOKEN_OF_UPLOAD.sub("/uploads/0-expired/", value) if name == _UPLOAD_URL else value


_CHANGES: dict[str, Change] = {
    "null": _null,
    "unknown-status": _unknown_status,
    "unknown-score": _unknown_score,
    "two-payouts": _two_payouts,
    "negative-payouts": _negative_payouts,
    "expired-upload": _expired_upload,
    "hidden-submission": FaultyAnswers.hide,
}
