"""Serve the control API under `/practice`: state, clock, stakes, models and API keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from numebot_dagster.practice.api.report import report
from numebot_dagster.practice.api.request import Services
from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.middleware import FaultyAnswers
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.events import advance
from numebot_dagster.practice.rules.keys import add_key

Control = Callable[[Services, Any], dict[str, Any]]


def control_routes(services: Services, faults: FaultBook) -> list[Route]:
    """Return the endpoints that show and change the tournament from outside, one at a time."""

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def state(request: Request) -> Response:
        def current() -> dict[str, Any]:
            with services.tournament.lock:
                FaultyAnswers(services.tournament, faults).happen()
                return report(services)

        return JSONResponse(await run_in_threadpool(current))

    def route(name: str, control: Control) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await read_json(request)

            def result() -> dict[str, Any]:
                with services.tournament.lock:
                    return control(services, body)

            return JSONResponse(await run_in_threadpool(result))

        return Route(f"/practice/{name}", endpoint, methods=["POST"])

    return [
        Route("/practice/health", health),
        Route("/practice/state", state),
        route("advance", _advance),
        route("positions", _set_position),
        route("models", _add_model),
        route("tokens", _add_key),
    ]


def _advance(services: Services, body: Any) -> dict[str, Any]:
    now = advance(services.tournament, **_values(body, to=str, days=float, hours=float))
    services.webhooks.wake()
    return {"now": now.isoformat()}


def _set_position(services: Services, body: Any) -> dict[str, Any]:
    values = _values(body, model=str, nmr=str, round=int)
    for name in ("model", "nmr"):
        if name not in values:
            raise Refused(f"a position needs {name}")
    services.tournament.set_position(values["model"], values["nmr"], values.get("round"))
    return {"model": values["model"], "nmr": values["nmr"]}


def _add_model(services: Services, body: Any) -> dict[str, Any]:
    model = services.tournament.add_model(_values(body, name=str).get("name", ""))
    return {**asdict(model), "inserted_at": model.inserted_at.isoformat()}


def _add_key(services: Services, body: Any) -> dict[str, Any]:
    values = _values(body, name=str, scopes=list)
    name, scopes = values.get("name", ""), values.get("scopes", [])
    public_id, secret_key = add_key(services.tournament.state, name, scopes)
    return {"public_id": public_id, "secret_key": secret_key}


async def read_json(request: Request) -> Any:
    """Return the JSON of a request's body.

    Raises:
        Refused: It is not JSON, or has numbers that JSON has not.
    """
    try:
        body = await request.json()
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}") from error
    return body


def _values(body: Any, **types: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the body's values of these names, each of its type; refuse all other names."""
    if not isinstance(body, dict):
        raise Refused("the body must be a JSON object")
    unknown = set(body) - set(types)
    if unknown:
        raise Refused(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(types)}")
    try:
        return {name: types[name](value) for name, value in body.items() if value is not None}
    except (TypeError, ValueError) as error:
        raise Refused(str(error)) from error
