"""What every answer needs: the services, the key of the request, the present instant."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from numebot_dagster.practice.api.services.jobs import Jobs
from numebot_dagster.practice.api.services.webhooks import Webhooks
from numebot_dagster.practice.datasets.files import Library
from numebot_dagster.practice.rules.clock import Refused, Round
from numebot_dagster.practice.rules.lineup import Lineups
from numebot_dagster.practice.rules.state import Model, Token
from numebot_dagster.practice.rules.tournament import CLASSIC, Tournament
from numebot_dagster.practice.schema import shapes
from numebot_dagster.practice.scoring.history import Histories
from numebot_dagster.practice.scoring.ledger import Ledger
from numebot_dagster.practice.scoring.scores import Scorer

Fields = shapes.Fields


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
        """Returns the services of a tournament."""
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


class Resolver:
    """Answers parts of one request.

    Args:
        services: What the answers are computed from.
        token: The API key of the request, None when it has none or a wrong one.
        address: The server's own URL, for links.
    """

    def __init__(self, services: Services, token: Token | None, address: str) -> None:
        self._services = services
        self._tournament = services.tournament
        self._library = services.library
        self._scorer = services.scorer
        self._ledger = services.ledger
        self._lineups = services.lineups
        self._history = services.histories.newest
        self._jobs = services.jobs
        self._webhooks = services.webhooks
        self._token = token
        self._address = address
        self._state = services.tournament.state
        self._now = services.tournament.clock.now()

    def _require(self, scope: str | None = None) -> Token:
        if self._token is None:
            raise Refused("Your session is invalid or has expired.")
        if scope is not None and scope not in self._token.scopes:
            raise Refused(f"Insufficient permission for {scope}")
        return self._token

    def _link(self, kind: str, key: str) -> str:
        return f"{self._address}/{kind}/{self._library.sign(f'{kind}/{key}')}/{quote(key)}"

    def _round(self, one: Round) -> Fields:
        tournament = self._tournament
        context = shapes.RoundContext(
            state=self._state,
            now=self._now,
            first=tournament.first_round,
            book=tournament.rule_book,
            payout_factor=self._ledger.payout_factor,
        )
        return shapes.round_fields(one, context)

    def _file(self, filename: str, kind: str, key: str) -> Fields:
        link = self._link(kind, key)
        return {"filename": filename, "url": link, "accelerated": False, "countryCode": None}

    def _participant(self, identifier: str) -> Model | None:
        return next((one for one in self._state.models() if one.id == identifier), None)


def is_classic(tournament: int | None) -> bool:
    """Returns whether a tournament number means the one that is practised."""
    return tournament in (None, CLASSIC)


def camel(name: str) -> str:
    """Returns the API's spelling of a name."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def refuse_other(tournament: int) -> None:
    """Refuses tournaments that are not practised."""
    if not is_classic(tournament):
        raise not_part(f"tournament {tournament}")


def not_part(what: str) -> Refused:
    """Return the refusal of everything that is out of scope."""
    return Refused(
        f"{what} is not part of the practice tournament, which plays Numerai Classic (tournament "
        f"{CLASSIC}) only"
    )


def page(items: list[Fields], limit: int | None, offset: int | None) -> list[Fields]:
    """Returns the items from ``offset`` on, ``limit`` at the most."""
    first = offset or 0
    return items[first : None if limit is None else first + limit]
