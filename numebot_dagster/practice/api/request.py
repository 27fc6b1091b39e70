"""Hold what every answer needs: the services, the API key of the request, the present instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from numebot_dagster.practice.api.services.jobs import Jobs
from numebot_dagster.practice.api.services.webhooks import Webhooks
from numebot_dagster.practice.datasets.files import Library
from numebot_dagster.practice.rules.clock import Refused, Round
from numebot_dagster.practice.rules.lineup import Lineups
from numebot_dagster.practice.rules.state import Model, Token
from numebot_dagster.practice.rules.tournament import CLASSIC, Tournament
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.round_objects import RoundContext, round_fields
from numebot_dagster.practice.scoring.history import Histories, History
from numebot_dagster.practice.scoring.ledger import Ledger
from numebot_dagster.practice.scoring.scores import Scorer

Item = TypeVar("Item")
Resolver = Callable[..., object]
"""The function of a root field: of the request and the field's arguments in snake_case."""


@dataclass(frozen=True)
class Services:
    """What answers are computed from."""

    tournament: Tournament
    library: Library
    scorer: Scorer
    ledger: Ledger
    lineups: Lineups
    histories: Histories
    jobs: Jobs
    webhooks: Webhooks

    @classmethod
    def of(cls, tournament: Tournament) -> Services:
        """Return the services of a tournament."""
        lineups = Lineups(tournament)
        scorer = Scorer(tournament, lineups)
        jobs = Jobs(tournament.state)
        return cls(
            tournament=tournament,
            library=Library(tournament, lineups),
            scorer=scorer,
            ledger=Ledger(tournament, scorer),
            lineups=lineups,
            histories=Histories(tournament, scorer),
            jobs=jobs,
            webhooks=Webhooks(tournament, jobs),
        )


class ApiRequest:
    """One request to the API and what its answers are computed from."""

    def __init__(self, services: Services, token: Token | None, address: str) -> None:
        self.services = services
        self.tournament = services.tournament
        self.library = services.library
        self.ledger = services.ledger
        self.jobs = services.jobs
        self.state = services.tournament.state
        self.now = services.tournament.clock.now()
        self._token = token
        self._address = address

    def require(self, scope: str | None = None) -> Token:
        """Return the request's API key.

        Raises:
            Refused: There is none, or it lacks the scope.
        """
        if self._token is None:
            raise Refused("Your session is invalid or has expired.")
        if scope is not None and scope not in self._token.scopes:
            raise Refused(f"Insufficient permission for {scope}")
        return self._token

    def account(self, scope: str) -> str:
        """Return the name of the account whose key the request has; see `require`."""
        return self.require(scope).account

    def own_model(self, scope: str, model_id: str | None) -> Model:
        """Return a model of the request's account, without an id the only one; see `require`."""
        return self.tournament.model(model_id or None, self.account(scope))

    def own_models(self, scope: str) -> dict[str, Model]:
        """Return the models of the request's account by id; see `require`."""
        return {model.id: model for model in self.tournament.models(self.account(scope))}

    def participant(self, model_id: str) -> Model | None:
        """Return a model of any account, None when there is none."""
        return next((model for model in self.state.models() if model.id == model_id), None)

    def history(self) -> History:
        """Return the reputations of all publication days."""
        return self.services.histories.newest()

    def upload_auth(self, filename: str, model: Model | None) -> Fields:
        """Return the FileUploadAuth of a link to which a file may be PUT."""
        name = self.tournament.uploads.authorise_upload(filename, model)
        return self.file_auth(name, "uploads", name)

    def file_auth(self, filename: str, kind: str, key: str) -> Fields:
        """Return a FileUploadAuth, the API's object of links to files."""
        link = self.link(kind, key)
        return {"filename": filename, "url": link, "accelerated": False, "countryCode": None}

    def link(self, kind: str, key: str) -> str:
        """Return a signed link to a file of the server."""
        return f"{self._address}/{kind}/{self.library.sign(f'{kind}/{key}')}/{quote(key)}"

    def round_fields(self, round_: Round) -> Fields:
        """Return a Round."""
        context = RoundContext(
            state=self.state,
            now=self.now,
            first=self.tournament.timetable.first_round,
            book=self.tournament.timetable.rule_book,
            payout_factor=self.ledger.payout_factor,
        )
        return round_fields(round_, context)


def is_classic(tournament: int | None) -> bool:
    """Return whether a tournament number means Numerai Classic."""
    return tournament in (None, CLASSIC)


def refuse_other(tournament: int | None) -> None:
    """Refuse all tournaments but Numerai Classic."""
    if not is_classic(tournament):
        raise not_part(f"tournament {tournament}")


def not_part(what: str) -> Refused:
    """Return the refusal of everything that is out of scope."""
    return Refused(
        f"{what} is not part of the practice tournament, which plays Numerai Classic (tournament "
        f"{CLASSIC}) only"
    )


def camel(name: str) -> str:
    """Return the API's spelling of a name."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def page(items: list[Item], limit: int | None, offset: int | None) -> list[Item]:
    """Return `limit` items at the most, beginning with number `offset`."""
    first = offset or 0
    return items[first : None if limit is None else first + limit]
