"""Let faults strike: HTTP requests before the application, and GraphQL's answers field by field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from graphql import GraphQLResolveInfo, is_non_null_type
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from numebot_dagster.practice.datasets.files import Library
from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.exchange import Exchange, replayed, whole_body
from numebot_dagster.practice.faults.fault import AnswerField, PlacedFault
from numebot_dagster.practice.rules.clock import Clock, Refused
from numebot_dagster.practice.rules.state import Token
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.schema.endpoints import file_endpoint, operations

STRUCK = "numebot.faults"


class FaultyHttp:
    """Let faults strike the requests of an application; the controls are never struck."""

    def __init__(self, app: ASGIApp, book: FaultBook, library: Library, clock: Clock) -> None:
        self._app = app
        self._book = book
        self._library = library
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request through the faults that strike it, the oldest outermost."""
        is_control = scope.get("path", "").startswith("/practice/")
        if scope["type"] != "http" or not self._book.all() or is_control:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "POST":
            body = await whole_body(receive)
            endpoints = operations(body)
            receive = replayed(body)
        else:
            endpoints = [file_endpoint(scope["path"])]
        struck = await run_in_threadpool(self._book.strike, endpoints)
        scope[STRUCK] = struck
        app: ASGIApp = self._app
        for placed in reversed(struck):
            app = partial(self._strike, placed, app)
        await app(scope, receive, send)

    async def _strike(
        self, placed: PlacedFault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        claim = partial(run_in_threadpool, self._book.claim, placed)
        exchange = Exchange(app, scope, receive, send, self._library, self._clock, claim)
        await placed.fault.strike(exchange)


class FaultyAnswers:
    """Change the answers of one request by the faults that strike it."""

    def __init__(
        self,
        tournament: Tournament,
        book: FaultBook,
        struck: Sequence[PlacedFault] = (),
        request: Any = None,
    ) -> None:
        self._tournament = tournament
        self._book = book
        self._struck = struck
        self._active = book.active()
        self._claims: dict[int, bool] = {}
        self.removed = frozenset(
            field
            for placed in struck
            if (field := placed.fault.removed_field(request)) is not None and self._claim(placed)
        )

    def token(self, token: Token | None) -> Token | None:
        """Return the request's token as the faults leave it."""
        if token is None:
            return None
        for placed in self._struck:
            token = placed.fault.token(token)
        return token

    def happen(self) -> None:
        """Do what time has brought about."""
        for placed in self._active:
            placed.fault.happen(placed, self._tournament, partial(self._book.claim, placed))

    @property
    def middleware(self) -> list[FaultyAnswers] | None:
        """What stands before every resolver, None when nothing is to be changed."""
        return [self] if self._active or self._struck else None

    def resolve(
        self,
        resolve: Callable[..., Any],
        source: Any,
        info: GraphQLResolveInfo,
        /,
        **arguments: Any,
    ) -> Any:
        """Resolve a field and change its value; called by the executor by this name."""
        name = f"{info.parent_type.name}.{info.field_name}"
        try:
            value = resolve(source, info, **arguments)
        except Refused as refusal:
            self._claim_shown(name, str(refusal))
            raise
        self._claim_shown(name, None)
        field = AnswerField(name, not is_non_null_type(info.return_type), self._tournament)
        for placed in self._active:
            value = placed.fault.announce(placed, field, value)
        for placed in self._struck:
            changed = placed.fault.change(field, value)
            if changed is not value and changed != value and self._claim(placed):
                value = changed
        return value

    def _claim_shown(self, name: str, refusal: str | None) -> None:
        for placed in self._struck:
            if placed.fault.is_shown(name, refusal):
                self._claim(placed)

    def _claim(self, placed: PlacedFault) -> bool:
        """Count a fault once for this request; False when it may not strike it any more."""
        if placed.id not in self._claims:
            self._claims[placed.id] = self._book.claim(placed)
        return self._claims[placed.id]
