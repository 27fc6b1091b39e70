"""Answer HTTP requests from a script: replies in order, slow, cut off or by a function."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PUBLIC_ID = "PUBLICIDOFTESTS"
SECRET_KEY = "SECRETKEYOFTESTS"


@dataclass
class Reply:
    """One answer; `cut_after` closes the connection after so many bytes, `drip` sends slowly."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut_after: int | None = None
    drip: float = 0.0


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class ScriptedServer:
    """Answers with the replies in order, the last one again and again, or by a function."""

    def __init__(self) -> None:
        self.replies: list[dict[str, Any]] = []
        self.answer: Callable[[Request], dict[str, Any]] = self._next
        self.date: str | None = None
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def reply_to(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            return Reply(**self.answer(request))

    def _next(self, request: Request) -> dict[str, Any]:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Ignore a client that goes away: many tests are about that."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, script: ScriptedServer, *arguments: Any) -> None:
        self.script = script
        super().__init__(*arguments)

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(
            self.command, self.path, headers, self.rfile.read(length), time.monotonic()
        )
        reply = self.script.reply_to(request)
        time.sleep(reply.delay)
        self._send_head(reply)
        if self.command != "HEAD":
            self._send_body(reply)

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()

    def _send_body(self, reply: Reply) -> None:
        body = reply.body if reply.cut_after is None else reply.body[: reply.cut_after]
        pieces = [body[i : i + 1] for i in range(len(body))] if reply.drip else [body]
        try:
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(reply.drip)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if reply.cut_after is not None:
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.script.date or super().date_time_string(timestamp)

    def log_message(self, *_: Any) -> None:
        pass


for _method in ("GET", "HEAD", "POST", "PUT"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)
