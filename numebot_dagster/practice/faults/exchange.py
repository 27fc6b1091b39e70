"""Give faults one HTTP request on its way to the application and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from numebot_dagster.practice.datasets.files import Library
from numebot_dagster.practice.rules.clock import Clock

HALF = -1.0


class _CutOff(Exception):
    """The connection is to be cut now."""


@dataclass(frozen=True)
class Exchange:
    """A request that a fault strikes, with the rest of the application behind it.

    Attributes:
        app: The application, or the next fault in front of it.
        scope: The request; see the ASGI specification for this and the next two.
        claim: Counts that the fault changed something; false when it may not any more.
    """

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    library: Library
    clock: Clock
    claim: Callable[[], Awaitable[bool]]

    async def forward(
        self,
        *,
        scope: Scope | None = None,
        receive: Receive | None = None,
        send: Send | None = None,
    ) -> None:
        """Let the application answer, with these in place of the request's own."""
        await self.app(scope or self.scope, receive or self.receive, send or self.send)

    async def forward_with(self, *, scope: Scope | None = None, **headers: str) -> None:
        """Let the application answer, with these headers set in its answer."""
        await self.forward(scope=scope, send=_with_headers(self.send, headers))

    async def forward_cut(self, count: float, *, scope: Scope | None = None) -> None:
        """Let the application answer, and cut the connection after `count` bytes of the body.

        The server closes what is left unfinished.
        """
        left = count

        async def cut(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                length = int(Headers(raw=message["headers"]).get("content-length", "0"))
                left = length // 2 if count < 0 else count
                await self.send(message)
                return
            body = message.get("body", b"")
            if len(body) <= left and message.get("more_body", False):
                left -= len(body)
                await self.send(message)
                return
            await self.send({**message, "body": body[: int(left)], "more_body": True})
            raise _CutOff

        try:
            await self.forward(scope=scope, send=cut)
        except _CutOff:
            return

    async def answer(self) -> tuple[Message, bytes]:
        """Let the application answer, and return the start and the body instead of sending them."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.forward(send=keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def send_answer(self, start: Message, body: bytes) -> None:
        """Send an answer that was taken from the application, with another body."""
        # The answer to HEAD has no body, but the length of the file.
        length = {"content-length": str(len(body))} if body else {}
        await _with_headers(self.send, length)(start)
        await self.send({"type": "http.response.body", "body": body})

    async def respond(self, response: Response) -> None:
        """Answer in the application's place."""
        await response(self.scope, self.receive, self.send)

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        return Headers(scope=self.scope).get(name)

    def without_header(self, name: bytes) -> Scope:
        """Return the request without one of its headers."""
        headers = [(key, value) for key, value in self.scope["headers"] if key != name]
        return {**self.scope, "headers": headers}


async def whole_body(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes) -> Receive:
    """Return what gives an application a body that was read already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return changed
