"""Ask Numerai for what is good to know: a round can be played without any of it.

Callers treat a failure as a warning.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from numebot_dagster.numerai import parsing, queries
from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.numerapi_bridge import CLASSIC, ask, bridge
from numebot_dagster.numerai.records import (
    Account,
    Identity,
    LeaderboardEntry,
    Model,
    Payout,
    Round,
    Score,
)

if TYPE_CHECKING:
    from numerapi import NumerAPI

    from numebot_dagster.numerai.http.transport import Transport


REFUSAL_FIELDS = ("status", "errorInfo")


class Enrichment:
    """Questions to Numerai that the hour of a round does not depend on."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @cached_property
    def _numerapi(self) -> NumerAPI:
        return bridge(self._transport)

    def round_details(self, number: int) -> Round:
        """Return a round with its score configurations: what it pays for and how.

        Raises:
            UnexpectedAnswer: there is no such round.
        """
        answer = ask(f"round {number}", lambda: self._numerapi.list_rounds(number=number))
        rows = parsing.rows({"rounds": answer}, "rounds")
        for round_ in parsing.usable(parsing.parse_round, rows):
            if round_.number == number:
                return round_
        raise UnexpectedAnswer(f"Numerai has no round {number}")

    def newest_rounds(self, limit: int) -> list[Round]:
        """Return the newest rounds with their score configurations, by one request."""
        answer = ask("rounds", lambda: self._numerapi.list_rounds(limit=limit))
        return parsing.usable(parsing.parse_round, parsing.rows({"rounds": answer}, "rounds"))

    def account(self) -> Account:
        """Return the account, its Classic models, and the scopes of the token in use."""
        data = self._transport.query(queries.ACCOUNT, authorised=True)
        token = parsing.need(data, "apiTokenInfo")
        parsing.need(data, "account", "models")
        models = parsing.usable(parsing.parse_model, parsing.rows(data["account"], "models"))
        return Account(
            username=parsing.needed(parsing.read_text, token, "accountUsername"),
            models=tuple(model for model in models if model.tournament in (None, CLASSIC)),
            scopes=tuple(str(scope) for scope in parsing.read_list(token, "scopes")),
            extra={"token": token.get("name")},
        )

    def identity(self, *, seconds: float | None = None) -> Identity:
        """Return the owner of the key; ask for at most `seconds` where that is less than usual."""
        transport = self._transport
        if seconds is not None:
            transport = transport.within(Deadline.after(seconds, "asking whose key it is"))
        account = parsing.need(transport.query(queries.IDENTITY, authorised=True), "account")
        return Identity(
            parsing.needed(parsing.read_text, account, "id"),
            parsing.needed(parsing.read_text, account, "username"),
        )

    def scores(self, model: Model, last_n_rounds: int | None = None) -> list[Score]:
        """Return every score of a model on every scoring day, of its newest rounds or of all."""
        variables = {"modelId": model.id, "tournament": CLASSIC, "lastNRounds": last_n_rounds}
        data = self._transport.query(queries.SCORES, variables)
        parsing.need(data, "submissionScores")
        rows = parsing.rows(data, "submissionScores")
        return parsing.usable(partial(parsing.parse_score, model.name), rows)

    def leaderboard(self, limit: int = 50) -> list[LeaderboardEntry]:
        """Return the first `limit` models of the leaderboard, with every reputation of today."""
        data = self._transport.query(queries.LEADERBOARD, {"limit": limit, "offset": 0})
        parsing.need(data, "v2Leaderboard")
        return parsing.usable(parsing.parse_leaderboard_entry, parsing.rows(data, "v2Leaderboard"))

    def payouts(self) -> list[Payout]:
        """Return settled and pending payouts of the account's models, as far as they are known."""
        answer = ask("payouts", self._numerapi.pending_model_payouts)
        payouts = [
            payout
            for key, settled in (("actual", True), ("pending", False))
            for payout in parsing.usable(
                partial(parsing.parse_payout, settled=settled), parsing.rows(answer, key)
            )
        ]
        return [payout for payout in payouts if payout is not None]

    def pipeline_status(self) -> dict[str, Any]:
        """Return the times of Numerai's pipeline today: `dataReadyAt`, … as aware UTC, or null."""
        answer = ask("the pipeline", self._numerapi.pipeline_status)
        return {
            key: parsing.unless_odd(parsing.read_time, answer, key) if key.endswith("At") else value
            for key, value in answer.items()
        }

    def list_datasets(self) -> list[str]:
        """Return the names of all data files, such as `v5.3/live.parquet`."""
        answer = ask("data files", self._numerapi.list_datasets)
        return [str(name) for name in parsing.read_list({"listDatasets": answer}, "listDatasets")]

    def newest_data_version(self) -> str:
        """Return the highest version of the listing, by its numbers: v5.10 is above v5.9.

        Raises:
            UnexpectedAnswer: the listing holds no version.
        """
        version = parsing.highest_version(self.list_datasets())
        if version is None:
            raise UnexpectedAnswer("Numerai's list of data files holds no version such as v5.3")
        return version

    def refusal(self, submission_id: str) -> str | None:
        """Return Numerai's own reason why it does not count a submission, if it gives one."""
        data = self._transport.query(queries.REFUSAL, {"id": submission_id}, authorised=True)
        for row in parsing.rows(data, "submissions"):
            if str(row.get("id")) == submission_id:
                texts = (parsing.unless_odd(parsing.read_text, row, key) for key in REFUSAL_FIELDS)
                return ": ".join(filter(None, texts)) or None
        return None

    def schema_fields(self, type_name: str) -> frozenset[str]:
        """Return the fields that Numerai's schema has for a type; none if there is no such type."""
        data = self._transport.query(queries.TYPE_FIELDS, {"name": type_name})
        fields = parsing.rows(data.get("__type") or {}, "fields")
        return frozenset(parsing.needed(parsing.read_text, field, "name") for field in fields)
