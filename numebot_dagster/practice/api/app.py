"""Serve the practice tournament over HTTP: GraphQL, files, uploads and the control API."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from numebot_dagster.practice.api.control_routes import control_routes, read_json
from numebot_dagster.practice.api.graphql import answer
from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.practice.api.request import ApiRequest, Services
from numebot_dagster.practice.api.services.webhooks import Webhooks
from numebot_dagster.practice.api.throttling import RateLimited
from numebot_dagster.practice.datasets.files import Snapshot
from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.middleware import STRUCK, FaultyAnswers, FaultyHttp
from numebot_dagster.practice.faults.routes import fault_routes
from numebot_dagster.practice.faults.tournament_faults import DuplicateTrigger
from numebot_dagster.practice.rules.clock import Clock, Refused
from numebot_dagster.practice.rules.state import Token
from numebot_dagster.practice.rules.tournament import Tournament


def make_app(
    tournament: Tournament, *, deviations: bool = True, rate_limits: Enforcement = Enforcement.ON
) -> ASGIApp:
    """Return the web application of a tournament."""
    services = Services.of(tournament)
    faults = FaultBook(tournament.state, tournament.clock, tournament.timetable.deadlines)
    services.webhooks.twice = lambda model: faults.strikes(DuplicateTrigger, f"webhook:{model}")
    views = _Views(services, deviations, faults)
    app = Starlette(
        routes=[
            Route("/", views.graphql, methods=["POST"]),
            Route("/graphql", views.graphql, methods=["POST"]),
            Route("/datasets/{token}/{key:path}", views.dataset, methods=["GET", "HEAD"]),
            Route("/uploads/{token}/{key}", views.upload, methods=["PUT"]),
            Route("/submissions/{token}/{key:path}", views.submission, methods=["GET", "HEAD"]),
            Route("/pickles/{token}/{key}", views.pickle, methods=["GET", "HEAD"]),
            *control_routes(services, faults),
            *fault_routes(faults, tournament.clock),
        ],
        exception_handlers={Refused: _refused},
        lifespan=_with_webhooks(services.webhooks),
    )
    outer: ASGIApp = FaultyHttp(app, faults, services.library, tournament.clock)
    if rate_limits is not Enforcement.OFF:
        outer = RateLimited(outer, tournament.clock, faults, rate_limits)
    return _PracticeDate(outer, tournament.clock)  # outermost, so that errors are dated too


def _with_webhooks(webhooks: Webhooks) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return the application's lifespan, during which webhooks are called."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        webhooks.start()
        yield
        await run_in_threadpool(webhooks.stop)

    return lifespan


class _PracticeDate:
    """Date every answer by the practice clock, from which clients learn their clock's error."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("date", format_datetime(self._clock.now(), usegmt=True))
            await send(message)

        await self._app(scope, receive, dated)


class _Views:
    """Numerai's endpoints; each does its work in a thread, one change of state at a time."""

    def __init__(self, services: Services, deviations: bool, faults: FaultBook) -> None:
        self._services = services
        self._tournament = services.tournament
        self._library = services.library
        self._deviations = deviations
        self._faults = faults

    async def graphql(self, request: Request) -> Response:
        body = await read_json(request)
        token = await run_in_threadpool(self._token, request.headers.get("authorization", ""))
        address = str(request.base_url).rstrip("/")
        struck = request.scope.get(STRUCK, ())

        def run() -> dict[str, Any]:
            with self._tournament.lock:
                faulty = FaultyAnswers(self._tournament, self._faults, struck, body)
                faulty.happen()
                api_request = ApiRequest(self._services, faulty.token(token), address)
                return answer(body, api_request, deviations=self._deviations, faulty=faulty)

        return JSONResponse(await run_in_threadpool(run))

    def _token(self, header: str) -> Token | None:
        kind, _, pair = header.partition(" ")
        public_id, _, secret_key = pair.partition("$")
        return self._tournament.state.token(public_id, secret_key) if kind == "Token" else None

    async def dataset(self, request: Request) -> Response:
        if not self._is_admitted("datasets", request):
            return _forbidden()
        snapshot = Snapshot.of_key(request.path_params["key"])
        path = await run_in_threadpool(self._library.path_of, snapshot)
        return FileResponse(path, headers={"etag": f'"{self._library.tag_of(snapshot)}"'})

    async def upload(self, request: Request) -> Response:
        if not self._is_admitted("uploads", request):
            return _forbidden()
        name, content = request.path_params["key"], await request.body()

        def receive() -> None:
            with self._tournament.lock:
                self._tournament.state.receive(name, content, self._tournament.clock.now())

        await run_in_threadpool(receive)
        return Response(status_code=200)

    async def submission(self, request: Request) -> Response:
        if not self._is_admitted("submissions", request):
            return _forbidden()
        identifier = request.path_params["key"].partition("/")[0]

        def read() -> bytes:
            submissions = self._tournament.state.submissions()
            return self._tournament.uploads.file_of(
                next(s for s in submissions if s.id == identifier)
            )

        content = await run_in_threadpool(read)
        tag = hashlib.sha256(content).hexdigest()
        return Response(content, media_type="text/csv", headers={"etag": f'"{tag}"'})

    async def pickle(self, request: Request) -> Response:
        if not self._is_admitted("pickles", request):
            return _forbidden()
        return FileResponse(self._tournament.state.uploads_folder / request.path_params["key"])

    def _is_admitted(self, kind: str, request: Request) -> bool:
        values = request.path_params
        return self._library.admits(f"{kind}/{values['key']}", values["token"])


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"errors": [{"message": str(error)}]}, status_code=400)


def _forbidden() -> Response:
    return PlainTextResponse("the link is not valid or has expired", status_code=403)
