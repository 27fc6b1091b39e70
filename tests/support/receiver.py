"""Receive alerts and webhooks: an HTTP server on loopback that keeps what was posted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """An HTTP server on loopback, and what arrived at it.

    Attributes:
        address: of a webhook.
        url: the same for `NUMEBOT_NOTIFY_URLS`.
        hanging_url: the same, but never answered while a test lasts.
        status: what it answers with where nothing reacts.
        messages: what was posted, as it was parsed from JSON.
        gets: the paths that were fetched.
    """

    address: str = ""
    url: str = ""
    hanging_url: str = ""
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """The titles of all messages, in their order."""
        return [message["title"] for message in self.messages]


@contextmanager
def receiving(react: Callable[[dict[str, Any]], int] | None = None) -> Iterator[Receiver]:
    """Take alerts, heartbeats and webhooks.

    Args:
        react: called with each message before it is answered; returns the status of the answer.
    """
    received, over = Receiver(), threading.Event()

    def take(message: dict[str, Any]) -> int:
        received.messages.append(message)
        return received.status if react is None else react(message)

    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(received, take, over)) as server:
        received.address = f"http://127.0.0.1:{server.server_port}/hook"
        received.url = f"json://127.0.0.1:{server.server_port}/"
        received.hanging_url = f"{received.url}hang/"
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield received
        over.set()
        server.shutdown()


def _handler(
    received: Receiver, take: Callable[[dict[str, Any]], int], over: threading.Event
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = received.status
            if self.path.startswith("/hang"):
                over.wait(10)
            else:
                status = take(json.loads(body))
            self.answer(status)

        def do_GET(self) -> None:
            received.gets.append(self.path)
            self.answer(received.status)

        def answer(self, status: int) -> None:
            with suppress(BrokenPipeError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
