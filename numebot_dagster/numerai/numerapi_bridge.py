"""Use numerapi's queries through our own transport.

Its methods know Numerai's wide queries and keep up with them; its own HTTP has no time limits,
hides errors, configures logging and reads `.env`. So only its methods are used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from numebot_dagster.numerai.errors import QueryRefused, UnexpectedAnswer

if TYPE_CHECKING:
    from numerapi import NumerAPI

    from numebot_dagster.numerai.http.transport import Transport

_T = TypeVar("_T")

CLASSIC = 8


def bridge(transport: Transport) -> NumerAPI:
    """Return a `numerapi.NumerAPI` for the Classic tournament that asks through `transport`."""
    api: NumerAPI = _bridge_class()(transport)
    return api


def ask(what: str, call: Callable[[], _T]) -> _T:
    """Call a method of numerapi, which indexes into answers without looking.

    Raises:
        UnexpectedAnswer: when the answer is not what numerapi takes for granted.
    """
    try:
        return call()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(
            f"Numerai's answer about {what} is not what numerapi expects: "
            f"{type(error).__name__}: {error}"
        ) from error


@cache
def _bridge_class() -> type:
    from numerapi import NumerAPI

    class Bridge(NumerAPI):
        """Overrides the constructor and the one method through which numerapi asks."""

        def __init__(self, transport: Transport) -> None:
            # numerapi's own constructor would call `logging.basicConfig` and `load_dotenv`.
            self.logger = logging.getLogger("numerapi")
            self.show_progress_bars = False
            self.tournament_id = CLASSIC
            self.global_data_dir = "."
            self._transport = transport

        def raw_query(
            self,
            query: str,
            variables: Mapping[str, Any] | None = None,
            authorization: bool = False,
            **_: Any,
        ) -> dict[str, Any]:
            if query.lstrip().startswith("mutation"):
                # Half of numerapi's mutations move stake; whatever this project changes at
                # Numerai, it changes by queries of its own.
                raise QueryRefused("numerapi is used for reading only; nothing was sent")
            data = self._transport.query(query, variables, authorised=authorization)
            return {"data": data}

    return Bridge
