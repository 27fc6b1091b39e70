"""Serve the control API of faults: `/practice/faults`."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.kinds import KINDS
from numebot_dagster.practice.faults.network_faults import LOG_IN, PAGE
from numebot_dagster.practice.rules.clock import Clock, Refused


def fault_routes(book: FaultBook, clock: Clock) -> list[Route]:
    """Return the endpoints that list, add and remove faults, and where `redirect` leads."""

    async def show(request: Request) -> Response:
        return JSONResponse({"faults": [placed.as_json(clock.now()) for placed in book.all()]})

    async def add(request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError as error:
            raise Refused(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Refused("the body must be a JSON object")
        placed = await run_in_threadpool(book.add, body)
        return JSONResponse(placed.as_json(clock.now()))

    async def remove(request: Request) -> Response:
        identifier = request.path_params.get("identifier")
        return JSONResponse({"removed": await run_in_threadpool(book.remove, identifier)})

    async def kinds(request: Request) -> Response:
        described = {
            name: {"where": kind.where, "does": kind.does(), "values": kind.defaults()}
            for name, kind in KINDS.items()
        }
        return JSONResponse({"kinds": described})

    async def log_in(_: Request) -> Response:
        return HTMLResponse(PAGE)

    path = "/practice/faults"
    return [
        Route(path, show, methods=["GET"]),
        Route(path, add, methods=["POST"]),
        Route(path, remove, methods=["DELETE"]),
        Route(f"{path}/kinds", kinds, methods=["GET"]),
        Route(f"{path}/{{identifier:int}}", remove, methods=["DELETE"]),
        Route(LOG_IN, log_in),
    ]
