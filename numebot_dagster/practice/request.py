"""What every answer needs: the services, the key of the request, the present instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from numebot_dagster.practice import shapes
from numebot_dagster.practice.clock import Refused, Round
from numebot_dagster.practice.files import Library
from numebot_dagster.practice.ledger import Ledger
from numebot_dagster.practice.scoring import Scorer
from numebot_dagster.practice.state import Token
from numebot_dagster.practice.tournament import CLASSIC, Tournament

Fields = shapes.Fields


@dataclass(frozen=True)
class Services:
    """What answers are computed from."""

    tournament: Tournament
    library: Library
    scorer: Scorer
    ledger: Ledger


class Resolver:
    """Answers parts of one request.

    Args:
        services: What the answers are computed from.
        token: The API key of the request, None when it has none or a wrong one.
        address: The server's own URL, for links.
    """

    def __init__(self, services: Services, token: Token | None, address: str) -> None:
        self._tournament = services.tournament
        self._library = services.library
        self._scorer = services.scorer
        self._ledger = services.ledger
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
        return shapes.round_fields(one, self._state, self._now, self._tournament.first_round)


def is_classic(tournament: int | None) -> bool:
    """Returns whether a tournament number means the one that is practised."""
    return tournament in (None, CLASSIC)


def camel(name: str) -> str:
    """Returns the API's spelling of a name."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def refuse_arguments(arguments: dict[str, Any]) -> None:
    """Refuses arguments that would otherwise be ignored."""
    for name, value in arguments.items():
        if value is not None:
            raise Refused(f"the argument {camel(name)} is not part of the practice tournament yet")


def page(items: list[Fields], limit: int | None, offset: int | None) -> list[Fields]:
    """Returns the items from ``offset`` on, ``limit`` at the most."""
    first = offset or 0
    return items[first : None if limit is None else first + limit]
