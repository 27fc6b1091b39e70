"""What is good to know about rounds, scores and payouts; a round can be played without it.

Whoever calls these treats a failure as a warning.
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
    """The calls of `NumeraiClient` that the hour of a round does not depend on."""

    transport: Transport

    @cached_property
    def _numerapi(self) -> NumerAPI:
        return bridge(self.transport)

    def round_details(self, number: int) -> Round:
        """A round with its score configurations: what it pays for and how.

        Raises:
            UnexpectedAnswer: there is no such round.
        """
        found = ask(f"round {number}", lambda: self._numerapi.list_rounds(number=number))
        for round_ in parsing.usable(
            parsing.parse_round, parsing.rows({"rounds": found}, "rounds")
        ):
            if round_.number == number:
                return round_
        raise UnexpectedAnswer(f"Numerai knows no round {number}")

    def account(self) -> Account:
        """The account, its Classic models, and the scopes of the token in use."""
        data = self.transport.query(queries.ACCOUNT, authorised=True)
        token = parsing.need(data, "apiTokenInfo")
        parsing.need(data, "account", "models")
        models = parsing.usable(parsing.parse_model, parsing.rows(data["account"], "models"))
        return Account(
            username=parsing.needed(parsing.read_text, token, "accountUsername"),
            models=tuple(one for one in models if one.tournament in (None, CLASSIC)),
            scopes=tuple(str(scope) for scope in parsing.read_list(token, "scopes")),
            extra={"token": token.get("name")},
        )

    def identity(self, *, seconds: float | None = None) -> Identity:
        """Whose the key is, asked for at most `seconds` where that is less than usual."""
        transport = self.transport
        if seconds is not None:
            transport = transport.within(Deadline.after(seconds, "the question whose the key is"))
        account = parsing.need(transport.query(queries.IDENTITY, authorised=True), "account")
        return Identity(
            parsing.needed(parsing.read_text, account, "id"),
            parsing.needed(parsing.read_text, account, "username"),
        )

    def scores(self, model: Model, last_n_rounds: int | None = None) -> list[Score]:
        """Every score of a model on every scoring day, of its newest rounds or of all."""
        found = ask(
            f"the scores of {model.name}",
            lambda: self._numerapi.submission_scores(model.id, last_n_rounds=last_n_rounds),
        )
        rows = parsing.rows({"submissionScores": found}, "submissionScores")
        return parsing.usable(partial(parsing.parse_score, model.name), rows)

    def leaderboard(self, limit: int = 50) -> list[LeaderboardEntry]:
        """The first `limit` models of the public leaderboard, with every reputation of today."""
        data = self.transport.query(queries.LEADERBOARD, {"limit": limit, "offset": 0})
        parsing.need(data, "v2Leaderboard")
        return parsing.usable(parsing.parse_leaderboard_entry, parsing.rows(data, "v2Leaderboard"))

    def payouts(self) -> list[Payout]:
        """Settled and pending payouts of the account's models, as far as Numerai tells them."""
        found = ask("payouts", self._numerapi.pending_model_payouts)
        payouts = [
            payout
            for key, settled in (("actual", True), ("pending", False))
            for payout in parsing.usable(
                partial(parsing.parse_payout, settled=settled), parsing.rows(found, key)
            )
        ]
        return [payout for payout in payouts if payout is not None]

    def pipeline_status(self) -> dict[str, Any]:
        """Numerai's pipeline of today: `dataReadyAt`, `scoredAt`, … as aware UTC, or null."""
        found = ask("the pipeline", self._numerapi.pipeline_status)
        return {
            key: parsing.unless_odd(parsing.read_time, found, key) if key.endswith("At") else value
            for key, value in found.items()
        }

    def list_datasets(self, round_number: int | None = None) -> list[str]:
        """The names of all data files, such as `v5.3/live.parquet`; of an old round if given."""
        found = ask("data files", lambda: self._numerapi.list_datasets(round_number))
        return [str(name) for name in parsing.read_list({"listDatasets": found}, "listDatasets")]

    def newest_data_version(self) -> str:
        """The highest version that the listing holds, by its numbers: v5.10 is above v5.9.

        Raises:
            UnexpectedAnswer: the listing holds no version.
        """
        version = parsing.highest_version(self.list_datasets())
        if version is None:
            raise UnexpectedAnswer("Numerai's list of data files holds no version such as v5.3")
        return version

    def refusal(self, submission_id: str) -> str | None:
        """Numerai's own words of why it does not count a submission, if it has any."""
        data = self.transport.query(queries.REFUSAL, {"id": submission_id}, authorised=True)
        for row in parsing.rows(data, "submissions"):
            if str(row.get("id")) == submission_id:
                words = (parsing.unless_odd(parsing.read_text, row, key) for key in REFUSAL_FIELDS)
                return ": ".join(filter(None, words)) or None
        return None

    def schema_fields(self, type_name: str) -> frozenset[str]:
        """The fields that Numerai's schema has for a type; empty when there is no such type."""
        data = self.transport.query(queries.TYPE_FIELDS, {"name": type_name})
        fields = parsing.rows(data.get("__type") or {}, "fields")
        return frozenset(parsing.needed(parsing.read_text, field, "name") for field in fields)
