"""Refuse requests to GraphQL that exceed Numerai's rate limits."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from numebot_dagster.practice.api.rate_limits import Enforcement, Windows, published
from numebot_dagster.practice.faults.answer_faults import RateLimitAsError
from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.exchange import replayed, whole_body
from numebot_dagster.practice.rules.clock import Clock
from numebot_dagster.practice.schema.endpoints import operations

_GRAPHQL = "graphql:"


class RateLimited:
    """Refuse requests that exceed a limit, before anything else; controls are exempt."""

    def __init__(
        self, app: ASGIApp, clock: Clock, faults: FaultBook, enforcement: Enforcement
    ) -> None:
        limits = published()
        if enforcement is Enforcement.HALF:
            limits = tuple(limit.halved() for limit in limits)
        self._app = app
        self._clock = clock
        self._faults = faults
        self._windows = Windows(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HTTP 429 with Retry-After, or pass the request on."""
        if not _is_graphql(scope):
            await self._app(scope, receive, send)
            return
        body = await whole_body(receive)
        ip = scope["client"][0] if scope.get("client") else ""
        answer = await run_in_threadpool(self._refusal, ip, operations(body))
        if answer is None:
            await self._app(scope, replayed(body), send)
        else:
            await answer(scope, receive, send)

    def _refusal(self, ip: str, endpoints: list[str]) -> JSONResponse | None:
        names = [endpoint.removeprefix(_GRAPHQL) for endpoint in endpoints]
        excess = self._windows.admit(ip, names, self._clock.seconds())
        if excess is None:
            return None
        for fault in self._faults.active(RateLimitAsError):
            if fault.is_meant_for(endpoints) and self._faults.claim(fault):
                return RateLimitAsError.refusal(str(excess))
        errors = {"errors": [{"message": str(excess)}]}
        return JSONResponse(errors, 429, {"retry-after": str(excess.retry_after)})


def _is_graphql(scope: Scope) -> bool:
    return (
        scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in ("/", "/graphql")
    )
