"""Define the faults of the network and of whatever stands before the service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import Message

from numebot_dagster.practice.faults.exchange import HALF, Exchange
from numebot_dagster.practice.faults.fault import SECONDS, STATUS, Fault

LOG_IN = "/log-in"
_PIECES = 20
PAGE = "<html><body><h1>Please stand by</h1>We are checking your connection.</body></html>"


@dataclass(frozen=True)
class Latency(Fault):
    """The answer comes `seconds` late."""

    kind = "latency"
    ranges = SECONDS
    seconds: float = 2.0

    async def strike(self, exchange: Exchange) -> None:
        await asyncio.sleep(self.seconds)
        await exchange.forward()


@dataclass(frozen=True)
class Drip(Fault):
    """The body comes in 20 pieces, `seconds` apart."""

    kind = "drip"
    ranges = SECONDS
    seconds: float = 0.2

    async def strike(self, exchange: Exchange) -> None:
        async def slowly(message: Message) -> None:
            body = message.get("body", b"")
            if message["type"] != "http.response.body" or not body:
                await exchange.send(message)
                return
            size = max(len(body) // _PIECES, 1)
            for start in range(0, len(body), size):
                more = start + size < len(body) or message.get("more_body", False)
                piece = {**message, "body": body[start : start + size], "more_body": more}
                await exchange.send(piece)
                await asyncio.sleep(self.seconds)

        await exchange.forward(send=slowly)


@dataclass(frozen=True)
class Cut(Fault):
    """The work is done, but the connection is cut after `bytes` of the body (-1: half of it)."""

    kind = "cut"
    bytes: float = HALF

    async def strike(self, exchange: Exchange) -> None:
        await exchange.forward_cut(self.bytes)


@dataclass(frozen=True)
class Status(Fault):
    """HTTP `status` in the answer's place, with Retry-After when `retry_after` is not negative.

    With `acted` 1 the work is done first.
    """

    kind = "status"
    ranges = STATUS
    status: float = 500.0
    retry_after: float = -1.0
    acted: float = 0.0

    async def strike(self, exchange: Exchange) -> None:
        if self.acted:
            await exchange.answer()
        headers = {"retry-after": f"{self.retry_after:g}"} if self.retry_after >= 0 else {}
        status = int(self.status)
        text = f"{status}: a fault of the practice tournament"
        await exchange.respond(PlainTextResponse(text, status, headers))


@dataclass(frozen=True)
class TooLarge(Fault):
    """HTTP `status` in the place of answers of more than `bytes`."""

    kind = "too-large"
    where = "graphql:submissionScores"
    by_change = True
    ranges = STATUS
    bytes: float = 50_000.0
    status: float = 504.0

    async def strike(self, exchange: Exchange) -> None:
        start, body = await exchange.answer()
        if len(body) > self.bytes and await exchange.claim():
            await exchange.respond(PlainTextResponse("too large", int(self.status)))
        else:
            await exchange.send_answer(start, body)


@dataclass(frozen=True)
class Html(Fault):
    """A proxy's web page, with HTTP 200."""

    kind = "html"
    where = "graphql:*"

    async def strike(self, exchange: Exchange) -> None:
        await exchange.respond(HTMLResponse(PAGE))


@dataclass(frozen=True)
class Redirect(Fault):
    """HTTP 302 to the log-in page of a network, as in a hotel."""

    kind = "redirect"
    where = "graphql:*"

    async def strike(self, exchange: Exchange) -> None:
        await exchange.respond(RedirectResponse(LOG_IN, 302))


@dataclass(frozen=True)
class NotJson(Fault):
    """HTTP 200 and JSON that ends in the middle."""

    kind = "not-json"
    where = "graphql:*"
    only = "graphql:"

    async def strike(self, exchange: Exchange) -> None:
        start, body = await exchange.answer()
        await exchange.send_answer(start, body[: max(len(body) // 2, 1)])


@dataclass(frozen=True)
class EmptyAnswer(Fault):
    """HTTP 200 and an empty JSON object: neither data nor errors."""

    kind = "empty-answer"
    where = "graphql:*"
    only = "graphql:"

    async def strike(self, exchange: Exchange) -> None:
        await exchange.respond(JSONResponse({}))


@dataclass(frozen=True)
class ClockSkew(Fault):
    """The Date header is `seconds` ahead."""

    kind = "clock-skew"
    seconds: float = 900.0

    async def strike(self, exchange: Exchange) -> None:
        date = exchange.clock.now() + timedelta(seconds=self.seconds)
        await exchange.forward_with(date=format_datetime(date, usegmt=True))
