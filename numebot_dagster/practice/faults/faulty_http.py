"""Faults of the network, of proxies and of file storage: done around the application.

Each kind is one function of the shape of an ASGI application with the fault before it and the rest
of the application after it, so that several can strike one request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from numebot_dagster.practice.datasets.files import Library, Snapshot
from numebot_dagster.practice.faults.asgi import replayed, whole_body
from numebot_dagster.practice.faults.faults import Fault, FaultBook
from numebot_dagster.practice.faults.kinds import HALF
from numebot_dagster.practice.rules.clock import Clock, Round, newest_opened, round_on
from numebot_dagster.practice.schema.endpoints import file_endpoint, operations

STRUCK = "numebot.faults"
_PIECES = 20
_ZERO = re.compile(rb'"-?0\.0{18}"')
_PAGE = "<html><body><h1>Please stand by</h1>We are checking your connection.</body></html>"


class FaultyHttp:
    """Lets faults strike the requests of an application; the controls are never struck."""

    def __init__(self, app: ASGIApp, book: FaultBook, library: Library, clock: Clock) -> None:
        self._app = app
        self._book = book
        self._library = library
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request through the faults that strike it."""
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
        for fault in reversed(struck):
            strike = _STRIKES.get(fault.kind) or self._own(fault.kind)
            if strike is not None:
                app = partial(strike, fault, app)
        await app(scope, receive, send)

    # --- kinds that need to know the tournament -----------------------------------------------

    def _own(self, kind: str) -> Strike | None:
        strikes: dict[str, Strike] = {
            "clock-skew": self._skew,
            "late-data": self._late,
            "changing-data": self._change,
            "target-switched": self._switch_target,
            "too-large": self._too_large,
            "zero-amounts": self._zero_amounts,
            "ignore-range": self._ignore_range,
        }
        return strikes.get(kind)

    async def _skew(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        told = self._clock.now() + timedelta(seconds=fault.number("seconds"))
        await app(scope, receive, _with_headers(send, date=format_datetime(told, usegmt=True)))

    async def _late(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if self._is_current(scope) and await self._claims(fault):
            scope = self._instead(scope, _before)
        await app(scope, receive, send)

    async def _change(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if not (self._is_current(scope) and await self._claims(fault)):
            await app(scope, receive, send)
            return
        before = partial(app, self._instead(scope, _before))
        if scope["method"] == "HEAD":
            await before(receive, send)
        else:
            await _cut_after(HALF, lambda cut: before(receive, cut), send)

    async def _claims(self, fault: Fault) -> bool:
        return await run_in_threadpool(self._book.claim, fault)

    def _is_current(self, scope: Scope) -> bool:
        """Returns whether a file of the newest round is asked for, and not an older snapshot."""
        asked = self._asked(scope)
        return asked is not None and asked.opened == newest_opened(self._clock.now()).opened

    def _asked(self, scope: Scope) -> Snapshot | None:
        """Returns the file that a valid link asks for."""
        kind, _, rest = scope["path"].removeprefix("/").partition("/")
        token, _, key = rest.partition("/")
        return Snapshot.of_key(key) if self._library.admits(f"{kind}/{key}", token) else None

    async def _switch_target(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        days = int(fault.number("days"))
        await app(self._instead(scope, lambda one: replace(one, alias=days)), receive, send)

    async def _too_large(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        start, body = await _answer(app, scope, receive)
        if len(body) > fault.number("bytes") and await self._claims(fault):
            status = int(fault.number("status"))
            await PlainTextResponse("too large", status)(scope, receive, send)
        else:
            await _send_whole(start, body, send)

    async def _zero_amounts(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        start, body = await _answer(app, scope, receive)
        if _ZERO.search(body) and await self._claims(fault):
            body = _ZERO.sub(b'"0E-18"', body)
        await _send_whole(start, body, send)

    async def _ignore_range(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if "range" in Headers(scope=scope) and await self._claims(fault):
            scope = _without_header(scope, b"range")
        await app(scope, receive, send)

    def _instead(self, scope: Scope, change: Callable[[Snapshot], Snapshot]) -> Scope:
        """Returns the request for another snapshot of the file that is asked for."""
        asked = self._asked(scope)
        if asked is None:
            return scope
        other = change(asked).key
        path = f"/datasets/{self._library.sign(f'datasets/{other}')}/{other}"
        return {**scope, "path": path, "raw_path": path.encode()}


Strike = Callable[[Fault, ASGIApp, Scope, Receive, Send], Awaitable[None]]


def _is_control(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/practice/")


def _before(snapshot: Snapshot) -> Snapshot:
    """Returns a file as it was a round ago, or a week ago if it changes weekly."""
    opened = round_on(snapshot.opened)
    assert opened is not None
    week = timedelta(days=7)
    return replace(snapshot, today=snapshot.today - week, opened=Round(opened.number - 1).opened)


# --- kinds ------------------------------------------------------------------------------------


async def _latency(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(fault.number("seconds"))
    await app(scope, receive, send)


async def _drip(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def slowly(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            await send(message)
            return
        size = max(len(body) // _PIECES, 1)
        for start in range(0, len(body), size):
            more = start + size < len(body) or message.get("more_body", False)
            await send({**message, "body": body[start : start + size], "more_body": more})
            await asyncio.sleep(fault.number("seconds"))

    await app(scope, receive, slowly)


async def _cut(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await _cut_after(fault.number("bytes"), lambda cut: app(scope, receive, cut), send)


async def _status(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.number("acted"):
        await _answer(app, scope, receive)
    wait = fault.number("retry_after")
    headers = {"retry-after": f"{wait:g}"} if wait >= 0 else {}
    status = int(fault.number("status"))
    text = f"{status}: a fault of the practice tournament"
    await PlainTextResponse(text, status, headers)(scope, receive, send)


async def _html(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await HTMLResponse(_PAGE)(scope, receive, send)


async def _not_json(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    start, body = await _answer(app, scope, receive)
    await _send_whole(start, body[: max(len(body) // 2, 1)], send)


async def _error(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    errors = {"data": None, "errors": [{"message": fault.text("message")}]}
    await JSONResponse(errors)(scope, receive, send)


async def _stale_etag(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    tag = f'"{file_endpoint(scope["path"])}"'
    if Headers(scope=scope).get("if-range") == tag:
        scope = _without_header(scope, b"if-range")
    await app(scope, receive, _with_headers(send, etag=tag))


async def _truncated_upload(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    body = await whole_body(receive)
    kept = fault.number("bytes")
    await app(scope, replayed(body[: len(body) // 2 if kept < 0 else int(kept)]), send)


async def _lost_upload(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    await whole_body(receive)
    await PlainTextResponse("")(scope, receive, send)


_STRIKES: dict[str, Strike] = {
    "latency": _latency,
    "drip": _drip,
    "cut": _cut,
    "status": _status,
    "html": _html,
    "not-json": _not_json,
    "error": _error,
    "not-open": _error,
    "stale-etag": _stale_etag,
    "truncated-upload": _truncated_upload,
    "lost-upload": _lost_upload,
}


# --- ASGI -------------------------------------------------------------------------------------


class _CutOff(Exception):
    """The connection is to be cut now."""


async def _cut_after(count: float, run: Callable[[Send], Awaitable[None]], send: Send) -> None:
    """Sends ``count`` bytes of the body at the most; the server closes what is left unfinished."""
    left = count

    async def cut(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            length = int(Headers(raw=message["headers"]).get("content-length", "0"))
            left = length // 2 if count < 0 else count
            await send(message)
            return
        body = message.get("body", b"")
        if len(body) <= left and message.get("more_body", False):
            left -= len(body)
            await send(message)
            return
        await send({**message, "body": body[: int(left)], "more_body": True})
        raise _CutOff

    try:
        await run(cut)
    except _CutOff:
        return


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Lets the application answer, and returns the start and the body of the answer."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _send_whole(start: Message, body: bytes, send: Send) -> None:
    length = {"content-length": str(len(body))} if body else {}  # a HEAD tells that of the file
    await _with_headers(send, **length)(start)
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send, **headers: str) -> Send:
    """Returns what sends on, with these headers set in the answer."""

    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return changed


def _without_header(scope: Scope, name: bytes) -> Scope:
    kept: list[Any] = [(key, value) for key, value in scope["headers"] if key != name]
    return {**scope, "headers": kept}
