"""Let faults strike HTTP requests before the application answers them."""

from __future__ import annotations

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from numebot_dagster.practice.datasets.files import Library
from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.exchange import Exchange, replayed, whole_body
from numebot_dagster.practice.faults.fault import PlacedFault
from numebot_dagster.practice.rules.clock import Clock
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
        if scope["type"] != "http" or not self._book.all() or _is_control(scope):
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


def _is_control(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/practice/")
