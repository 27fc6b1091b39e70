"""Serve Dagster's own web application: the board beside it, a guard and a log-in before it."""

from __future__ import annotations

from asyncio import CancelledError, Task
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLFormattedError, OperationType
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket

from numebot_dagster.web.board import board_routes
from numebot_dagster.web.guard import Guard
from numebot_dagster.web.log_in import LogIn
from numebot_dagster.web.read_only import REFUSAL, ReadOnly, holds_only

# How often the pages ask for what is new, as `dagster dev` has it.
_MILLISECONDS_BETWEEN_LOOKS = 2000
# Every open page keeps a connection, for which nobody should wait.
_SECONDS_TO_CLOSE = 3

_NOT_BY_GET = (
    "Refused: a GET request may only contain queries, and this document contains something else or "
    "cannot be read. Nothing was changed."
)

# Dagster shows pictures in their own width, cuts off what is too wide for its table, and folds long
# descriptions. Where a version of it names its parts otherwise, that is how it stays.
_PICTURES_FIT = b"""<style>
.dagster-markdown img { max-width: 100%; height: auto; }
.dagster-markdown :not(pre) > code { white-space: normal; overflow-wrap: anywhere; }
[class*=Description_container]:has(img) { max-height: none !important; }
[class*=Description_container]:has(img) > [class*=showMore] { display: none; }
</style>"""


@dataclass(frozen=True)
class Site:
    """Where the web server listens, what it shows, and to whom.

    Attributes:
        names: further host names of the server.
        board: the folder of the board.
        password: what visitors are asked for; without one they are asked for nothing.
        read_only: whether nothing can be changed through it.
    """

    host: str
    port: int
    board: Path
    names: Iterable[str] = ()
    password: SecretStr | None = None
    read_only: bool = False


class GuardedWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's web application with the board, which other web pages cannot use."""

    def __init__(self, workspace: WorkspaceProcessContext, site: Site) -> None:
        self._site = site
        super().__init__(workspace, live_data_poll_rate=_MILLISECONDS_BETWEEN_LOOKS)

    def build_routes(self) -> list[BaseRoute]:
        """Put the board before Dagster's routes, of which the last one takes every path."""
        return [*board_routes(self._site.board), *super().build_routes()]

    def index_html_endpoint(self, request: Request) -> HTMLResponse:
        """Return Dagster's page, in which pictures in Markdown fit into their place."""
        page = super().index_html_endpoint(request)
        page.body = bytes(page.body).replace(b"</head>", _PICTURES_FIT + b"</head>", 1)
        page.headers["Content-Length"] = str(len(page.body))
        return page

    def build_middleware(self) -> list[Middleware]:
        """Put the guard before everything, then the log-in."""
        site = self._site
        before = [Middleware(Guard, bound=site.host, named=site.names)]
        if site.password is not None:
            before.append(Middleware(LogIn, password=site.password, port=site.port))
        if site.read_only:
            before.append(Middleware(ReadOnly))
        return [*before, *super().build_middleware()]

    async def execute_graphql_request(
        self,
        request: Request,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
    ) -> JSONResponse:
        """Answer a query; refuse anything else where reading is all that is allowed.

        By GET it always is, because any link could contain it.
        """
        if request.method == "GET" and not holds_only(query, OperationType.QUERY):
            allowed = {"Allow": "POST"}
            return _refused(_NOT_BY_GET, HTTPStatus.METHOD_NOT_ALLOWED, allowed)
        if self._site.read_only and not holds_only(query, OperationType.QUERY):
            return _refused(REFUSAL, HTTPStatus.FORBIDDEN)
        return await super().execute_graphql_request(request, query, variables, operation_name)

    async def execute_graphql_subscription(
        self,
        websocket: WebSocket,
        operation_id: str,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
    ) -> tuple[Task[None] | None, GraphQLFormattedError | None]:
        """Send what a subscription asks for; refuse anything else by a WebSocket."""
        if not holds_only(query, OperationType.SUBSCRIPTION):
            text = "Refused: a WebSocket is for subscriptions only. Nothing was changed."
            return None, {"message": text}
        return await super().execute_graphql_subscription(
            websocket, operation_id, query, variables, operation_name
        )


def build_server(workspace: WorkspaceProcessContext, site: Site) -> uvicorn.Server:
    """Build the web server of a workspace; its `run` serves until it is interrupted."""
    app = GuardedWebserver(workspace, site).create_asgi_app(lifespan=_lifespan)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=site.host,
            port=site.port,
            log_level="warning",
            timeout_graceful_shutdown=_SECONDS_TO_CLOSE,
        )
    )


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    """Ignore that an interrupted server cancels what waits here."""
    with suppress(CancelledError):
        yield


def _refused(text: str, status: HTTPStatus, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"errors": [{"message": text}]}, status, headers)
