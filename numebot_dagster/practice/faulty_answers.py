"""Faults in what GraphQL answers: lost scopes, changed schemas, odd values, unseen submissions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from graphql import GraphQLResolveInfo, is_non_null_type

from numebot_dagster.practice.faults import Fault, FaultBook
from numebot_dagster.practice.state import Token
from numebot_dagster.practice.tournament import Tournament

Change = Callable[["FaultyAnswers", Fault, str, Any], Any]
_HIDDEN_IN = ("Model.submissions", "RootQueryType.submissions")
# What a round without a submission shows.
_NOTHING = {"id": None, "filename": None, "timestamp": None, "status": "none"}


class FaultyAnswers:
    """What the faults that strike one request make of its answers."""

    def __init__(
        self, tournament: Tournament, book: FaultBook, struck: Sequence[Fault] = ()
    ) -> None:
        self._tournament = tournament
        self._book = book
        self._struck = [one for one in struck if one.kind in _CHANGES]
        self._scopes = {one.text("scope") for one in struck if one.kind == "scope-withdrawn"}
        self.removed = frozenset(one.text("field") for one in struck if one.kind == "field-removed")

    def token(self, token: Token | None) -> Token | None:
        """Returns the request's token without the scopes that were withdrawn."""
        if token is None or not self._scopes:
            return token
        return replace(token, scopes=tuple(s for s in token.scopes if s not in self._scopes))

    def happen(self) -> None:
        """Turns submissions invalid whose time has come."""
        for fault in self._book.standing("invalid-later"):
            found = [
                one
                for one in self._tournament.users_submissions()
                if one.error is None and self._uploaded(one.filename) >= fault.added_at
                and self._age(one.filename) >= fault.number("seconds")
            ]  # fmt: skip
            if found:
                self._tournament.state.invalidate(
                    found[-1].filename,
                    "invalid_submission_values: found invalid later",
                    self._tournament.clock.now(),
                )
                self._book.spend(fault)

    @property
    def middleware(self) -> list[FaultyAnswers] | None:
        """What stands before every resolver, None when nothing is to be changed."""
        late = self._book.standing("late-data")
        return [self] if self._struck or late else None

    def resolve(
        self,
        resolve: Callable[..., Any],
        source: Any,
        info: GraphQLResolveInfo,
        /,
        **arguments: Any,
    ) -> Any:
        """Resolves a field and changes what came of it; called by the executor by this name."""
        value = resolve(source, info, **arguments)
        name = f"{info.parent_type.name}.{info.field_name}"
        if name == "PipelineStatus.dataReadyAt" and self._book.standing("late-data"):
            return None
        for fault in self._struck:
            if fault.kind == "null" and is_non_null_type(info.return_type):
                continue
            value = _CHANGES[fault.kind](self, fault, name, value)
        return value

    # --- submissions that are not shown yet ---------------------------------------------------

    def _uploaded(self, filename: str) -> float:
        return (self._tournament.state.uploads_folder / filename).stat().st_mtime

    def _age(self, filename: str) -> float:
        return time.time() - self._uploaded(filename)

    def hide(self, fault: Fault, name: str, value: Any) -> Any:
        """Leaves out submissions that are too young to be seen."""

        def is_young(row: dict[str, Any]) -> bool:
            held = row.get("filename")
            return held is not None and self._age(held) < fault.number("seconds")

        if name == "Model.latestSubmissions":
            return [{**row, **_NOTHING} if is_young(row) else row for row in value or ()]
        if name in _HIDDEN_IN:
            return [row for row in value or () if not is_young(row)]
        return value


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


_CHANGES: dict[str, Change] = {
    "null": _null,
    "unknown-status": _unknown_status,
    "unknown-score": _unknown_score,
    "two-payouts": _two_payouts,
    "negative-payouts": _negative_payouts,
    "hidden-submission": FaultyAnswers.hide,
}
