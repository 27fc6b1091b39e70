"""Faults of the network, of proxies and of file storage: done around the application.

Each kind is one function of the shape of an ASGI application with the fault before it and the rest
of the application after it, so that several can strike one request.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, parse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from numebot_dagster.practice.clock import Clock, Round, round_on
from numebot_dagster.practice.dialect import root_name
from numebot_dagster.practice.fault_kinds import HALF
from numebot_dagster.practice.faults import Fault, FaultBook
from numebot_dagster.practice.files import Library, Snapshot

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
            body = await _whole(receive)
            endpoints = _operations(body)
            receive = _replayed(body)
        else:
            endpoints = _file(scope["path"])
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
        await app(self._instead(scope, _before), receive, send)

    async def _change(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        before = partial(app, self._instead(scope, _before))
        if scope["method"] == "HEAD":
            await before(receive, send)
        else:
            await _cut_after(HALF, lambda cut: before(receive, cut), send)

    async def _switch_target(
        self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        days = int(fault.number("days"))
        await app(self._instead(scope, lambda one: replace(one, alias=days)), receive, send)

    def _instead(self, scope: Scope, change: Callable[[Snapshot], Snapshot]) -> Scope:
        """Returns the request for another snapshot of the file that is asked for."""
        _, kind, token, key = scope["path"].split("/", 3)
        if kind != "datasets" or not self._library.admits(f"{kind}/{key}", token):
            return scope
        other = change(Snapshot.of_key(key)).key
        path = f"/{kind}/{self._library.sign(f'{kind}/{other}')}/{other}"
        return {**scope, "path": path, "raw_path": path.encode()}


Strike = Callable[[Fault, ASGIApp, Scope, Receive, Send], Awaitable[None]]


def _is_control(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/practice/")


def _operations(body: bytes) -> list[str]:
    """Returns an endpoint for each root field of a GraphQL request."""
    try:
        document = parse(json.loads(body)["query"])
    except (GraphQLError, ValueError, TypeError, KeyError):
        return ["graphql:"]
    return [
        f"graphql:{root_name(node.name.value)}"
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for node in operation.selection_set.selections
        if isinstance(node, FieldNode)
    ]


def _file(path: str) -> list[str]:
    """Returns the endpoint of a request for a file, as ``download:v5.3/live.parquet``."""
    kind, _, rest = path.lstrip("/").partition("/")
    key = rest.partition("/")[2]
    if kind == "datasets":
        return [f"download:{key.split('/', 2)[-1]}"]
    return [f"{kind.removesuffix('s')}:{key}"]


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


async def _too_large(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    start, body = await _answer(app, scope, receive)
    if len(body) > fault.number("bytes"):
        await PlainTextResponse("too large", int(fault.number("status")))(scope, receive, send)
    else:
        await _send_whole(start, body, send)


async def _html(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await HTMLResponse(_PAGE)(scope, receive, send)


async def _not_json(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    start, body = await _answer(app, scope, receive)
    await _send_whole(start, body[: max(len(body) // 2, 1)], send)


async def _error(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    errors = {"data": None, "errors": [{"message": fault.text("message")}]}
    await JSONResponse(errors)(scope, receive, send)


async def _zero_amounts(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    start, body = await _answer(app, scope, receive)
    await _send_whole(start, _ZERO.sub(b'"0E-18"', body), send)


async def _ignore_range(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    await app(_without_header(scope, b"range"), receive, send)


async def _stale_etag(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    tag = f'"{_file(scope["path"])[0]}"'
    if Headers(scope=scope).get("if-range") == tag:
        scope = _without_header(scope, b"if-range")
    await app(scope, receive, _with_headers(send, etag=tag))


async def _truncated_upload(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    body = await _whole(receive)
    kept = fault.number("bytes")
    await app(scope, _replayed(body[: len(body) // 2 if kept < 0 else int(kept)]), send)


_STRIKES: dict[str, Strike] = {
    "latency": _latency,
    "drip": _drip,
    "cut": _cut,
    "status": _status,
    "too-large": _too_large,
    "html": _html,
    "not-json": _not_json,
    "error": _error,
    "not-open": _error,
    "zero-amounts": _zero_amounts,
    "ignore-range": _ignore_range,
    "stale-etag": _stale_etag,
    "truncated-upload": _truncated_upload,
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


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes) -> Receive:
    """Returns what gives an application a body that was read already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Lets the application answer, and returns the start and the body of the answer."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _send_whole(start: Message, body: bytes, send: Send) -> None:
    await _with_headers(send, **{"content-length": str(len(body))})(start)
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
