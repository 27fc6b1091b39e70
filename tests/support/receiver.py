"""Where alerts arrive: an HTTP server on loopback that keeps what was posted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """Where alerts arrive: an HTTP server on loopback.

    Attributes:
        url: for `NUMEBOT_NOTIFY_URLS`.
        hanging_url: the same, but never answered while a test lasts.
        status: what it answers with.
        messages: what was posted, as it was parsed from JSON.
        gets: the paths that were fetched.
    """

    url: str = ""
    hanging_url: str = ""
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """Of all messages, in their order."""
        return [message["title"] for message in self.messages]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Take alerts and heartbeats."""
    received, over = Receiver(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/hang"):
                over.wait(10)
            else:
                received.messages.append(json.loads(body))
            self.answer()

        def do_GET(self) -> None:
            received.gets.append(self.path)
            self.answer()

        def answer(self) -> None:
            with suppress(BrokenPipeError):
                self.send_response(received.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"json://127.0.0.1:{server.server_port}/"
        received.hanging_url = f"{received.url}hang/"
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield received
        over.set()
        server.shutdown()
