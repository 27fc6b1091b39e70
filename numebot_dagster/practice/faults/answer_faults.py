"""Define the faults of what GraphQL answers: errors, changed schemas, lost scopes, odd values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import JSONResponse

from numebot_dagster.practice.faults.exchange import Exchange
from numebot_dagster.practice.faults.fault import AnswerField, Fault
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.state import Token
from numebot_dagster.practice.schema.endpoints import is_asked_for, schema_fields

_TOKEN_OF_UPLOAD = re.compile("/uploads/[^/]+/")
_ZERO = re.compile(rb'"-?0\.0{18}"')
_MULTIPLIERS = ("minMultiplier", "maxMultiplier", "defaultMultiplier")
_UNPAID = {"isPayout": False, "payoutPending": None, "payoutSettled": None}


class GraphqlFault(Fault):
    """A fault that strikes GraphQL only."""

    where = "graphql:*"
    only = "graphql:"


@dataclass(frozen=True)
class Error(GraphqlFault):
    """A GraphQL error with this `message`."""

    kind = "error"
    message: str = "Internal server error"

    async def strike(self, exchange: Exchange) -> None:
        body = {"data": None, "errors": [{"message": self.message}]}
        await exchange.respond(JSONResponse(body))


@dataclass(frozen=True)
class ExpiredUpload(GraphqlFault):
    """The address of an upload has expired when it comes: every PUT to it is refused with 403."""

    kind = "expired-upload"
    where = "graphql:submissionUploadAuth"
    by_change = True

    def change(self, field: AnswerField, value: Any) -> Any:
        if field.name != "FileUploadAuth.url":
            return value
        return _TOKEN_OF_UPLOAD.sub("/uploads/0-expired/", value)


@dataclass(frozen=True)
class NotOpen(Error):
    """A GraphQL error that says that no round is open."""

    kind = "not-open"
    where = "graphql:rounds"
    message: str = "Current round not open for submissions"


@dataclass(frozen=True)
class RateLimitAsError(GraphqlFault):
    """Calls past their rate limit are refused by a GraphQL error with HTTP 200, instead of 429."""

    kind = "rate-limit-as-error"
    standing = True

    @staticmethod
    def refusal(message: str) -> JSONResponse:
        """Return the answer to a call past its rate limit."""
        return JSONResponse({"data": None, "errors": [{"message": message}]})


@dataclass(frozen=True)
class Null(GraphqlFault):
    """Null in every nullable field that matches `field`.

    `field` is a pattern, as `Round.*` or `LatestSubmission.status`.
    """

    kind = "null"
    by_change = True
    field: str = "*"

    def check(self) -> None:
        super().check()
        if not any(
            may_be_null and fnmatchcase(name, self.field)
            for name, may_be_null in schema_fields().items()
        ):
            raise Refused(f"no field of the schema that may be null matches {self.field}")

    def change(self, field: AnswerField, value: Any) -> Any:
        is_hidden = (
            field.may_be_null
            and fnmatchcase(field.name, self.field)
            and not field.name.startswith("__")
        )
        return None if is_hidden else value


@dataclass(frozen=True)
class FieldRemoved(GraphqlFault):
    """The schema has no `field` (as Round.closeTime) any more: who asks for it is refused."""

    kind = "field-removed"
    by_change = True
    field: str = "Round.closeTime"

    def check(self) -> None:
        super().check()
        if self.field not in schema_fields():
            raise Refused(f"the schema has no field {self.field}; write it as Round.closeTime")

    def removed_field(self, request: Any) -> str | None:
        return self.field if is_asked_for(self.field, request) else None


@dataclass(frozen=True)
class UnknownStatus(GraphqlFault):
    """Submissions have a `status` that nobody has seen before."""

    kind = "unknown-status"
    by_change = True
    status: str = "under-review"

    def change(self, field: AnswerField, value: Any) -> Any:
        is_status = field.name == "LatestSubmission.status" and value not in (None, "none")
        return self.status if is_status else value


@dataclass(frozen=True)
class UnknownScore(GraphqlFault):
    """Rounds and submissions have one more score, `name`."""

    kind = "unknown-score"
    by_change = True
    name: str = "zeta60"

    def change(self, field: AnswerField, value: Any) -> Any:
        _, _, name = field.name.rpartition(".")
        if name not in ("submissionScores", "roundScoreConfigs") or not value:
            return value
        copies = [row for row in value if row["displayName"] == value[0]["displayName"]]
        named = {"name": self.name, "displayName": self.name}
        return [
            *value,
            *(row | named | {key: _UNPAID[key] for key in _UNPAID.keys() & row} for row in copies),
        ]


@dataclass(frozen=True)
class TwoPayouts(GraphqlFault):
    """Each payout score of a round is configured twice, as version 2 with half the multiplier."""

    kind = "two-payouts"
    by_change = True

    def change(self, field: AnswerField, value: Any) -> Any:
        if field.name != "Round.roundScoreConfigs":
            return value
        rows = value or ()
        halved = [
            row
            | {"id": f"{row['id']}-2", "version": "2"}
            | {name: row[name] / 2 for name in _MULTIPLIERS}
            for row in rows
            if row["isPayout"]
        ]
        return [*rows, *halved]


@dataclass(frozen=True)
class ZeroAmounts(GraphqlFault):
    """Amounts of nothing are written as "0E-18"."""

    kind = "zero-amounts"
    by_change = True

    async def strike(self, exchange: Exchange) -> None:
        start, body = await exchange.answer()
        if _ZERO.search(body) and await exchange.claim():
            body = _ZERO.sub(b'"0E-18"', body)
        await exchange.send_answer(start, body)


@dataclass(frozen=True)
class NegativePayouts(GraphqlFault):
    """Every payout is a burn."""

    kind = "negative-payouts"
    by_change = True

    def change(self, field: AnswerField, value: Any) -> Any:
        is_payout = field.name in ("Payout.payoutNmr", "Payout.payoutValue")
        return -abs(Decimal(value)) if is_payout and value is not None else value


@dataclass(frozen=True)
class ScopeWithdrawn(GraphqlFault):
    """The token has lost `scope`."""

    kind = "scope-withdrawn"
    by_change = True
    scope: str = "upload_submission"

    def token(self, token: Token) -> Token:
        return replace(token, scopes=tuple(name for name in token.scopes if name != self.scope))

    def is_shown(self, name: str, refusal: str | None) -> bool:
        return name == "ApiTokenInfo.scopes" if refusal is None else self.scope in refusal
