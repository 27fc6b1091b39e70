"""Serve Dagster's own web server behind the guard."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from graphql import OperationDefinitionNode, OperationType, parse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from numebot_dagster.web.guard import Guard

# How often the pages ask for what is new, as `dagster dev` has it.
_MILLISECONDS_BETWEEN_LOOKS = 2000
# Every open page keeps a connection, for which nobody should wait.
_SECONDS_TO_CLOSE = 3


@dataclass(frozen=True)
class Address:
    """Where the web server listens, and further host names of it."""

    host: str
    port: int
    names: Iterable[str] = ()


class GuardedWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's web application, which other web pages cannot use."""

    def __init__(self, workspace: WorkspaceProcessContext, address: Address) -> None:
        self._address = address
        super().__init__(workspace, live_data_poll_rate=_MILLISECONDS_BETWEEN_LOOKS)

    def build_middleware(self) -> list[Middleware]:
        """Put the guard before everything."""
        guard = Middleware(Guard, bound=self._address.host, named=self._address.names)
        return [guard, *super().build_middleware()]

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answer a query; refuse anything else by GET, because any link could contain it."""
        query = request.query_params.get("query")
        if request.method == "GET" and query is not None and _may_change_something(query):
            return PlainTextResponse(
                "Refused: a GET request may only contain queries, and this document contains "
                "something else or cannot be read. Nothing was changed.\n",
                HTTPStatus.METHOD_NOT_ALLOWED,
                {"Allow": "POST"},
            )
        return await super().graphql_http_endpoint(request)


def build_server(workspace: WorkspaceProcessContext, address: Address) -> uvicorn.Server:
    """Build the web server of a workspace; its `run` serves until it is interrupted."""
    app = GuardedWebserver(workspace, address).create_asgi_app(lifespan=_lifespan)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=address.host,
            port=address.port,
            log_level="warning",
            timeout_graceful_shutdown=_SECONDS_TO_CLOSE,
        )
    )


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    """Ignore that an interrupted server cancels what waits here."""
    with suppress(CancelledError):
        yield


def _may_change_something(query: str) -> bool:
    """Return whether a document holds an operation besides queries, or cannot be read here.

    A document too deep to be parsed here could be parsed where less of the stack is in use.
    """
    try:
        document = parse(query)
    except Exception:
        return True
    return any(
        isinstance(definition, OperationDefinitionNode)
        and definition.operation is not OperationType.QUERY
        for definition in document.definitions
    )
