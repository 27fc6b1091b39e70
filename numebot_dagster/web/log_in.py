"""Ask for the password of the UI before anything is served."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from pydantic import SecretStr
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from numebot_dagster.reporting.embed import BOARD
from numebot_dagster.web.pages import page
from numebot_dagster.web.sessions import LIFETIME, Sessions
from numebot_dagster.web.throttle import Throttle

LOG_IN = f"{BOARD}/log-in"
LOG_OUT = f"{BOARD}/log-out"

_LONGEST_FORM = 4096
# A path of this server. `//host` and `/\host` lead to another one.
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_FOREIGN = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True)
class _Refusal:
    """Why an attempt to log in has failed."""

    status: HTTPStatus
    text: str
    headers: dict[str, str] = field(default_factory=dict)


_WRONG = _Refusal(
    HTTPStatus.UNAUTHORIZED,
    "This is not the password.",
    {"WWW-Authenticate": 'Bearer realm="Numebot"'},  # for Basic, browsers would ask by themselves
)
_MISSING = f"Log in first: open {LOG_IN} in a browser, or send `Authorization: Bearer PASSWORD`.\n"
_CLOSED: Message = {"type": "websocket.close", "code": 1008, "reason": "log in first"}


class LogIn:
    """ASGI middleware that serves who has logged in, or sends the password with each request.

    Args:
        app: the application behind it.
        password: what opens it.
        port: of the server, because servers on other ports of a host share its cookies.
    """

    def __init__(self, app: ASGIApp, password: SecretStr, port: int) -> None:
        self._app = app
        self._password = _digest(password.get_secret_value())
        self._cookie = f"numebot_session_{port}"
        self._sessions = Sessions()
        self._throttle = Throttle()
        self._pages = {LOG_IN: self._log_in, LOG_OUT: self._log_out}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or ask for the password."""
        is_http = scope["type"] == "http"
        if not is_http and scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        response: Response | None
        if is_http and scope["path"] in self._pages:
            response = await self._pages[scope["path"]](Request(scope, receive))
        else:
            response = self._refusal(HTTPConnection(scope))
        if response is None:
            await self._app(scope, receive, send if is_http else self._while_open(scope, send))
        elif is_http:
            await response(scope, receive, send)
        else:
            await send(_CLOSED)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        """Return the answer to a request that is not served, if it is not."""
        if self._has_session(connection):
            return None
        password = _password_in(connection.headers.get("authorization", ""))
        if password is not None:
            refusal = self._check(connection, password)
            if refusal is None:
                return None
            return PlainTextResponse(f"{refusal.text}\n", refusal.status, refusal.headers)
        if _is_navigation(connection):
            return RedirectResponse(
                f"{LOG_IN}?{urlencode({'next': _address_of(connection)})}", HTTPStatus.SEE_OTHER
            )
        return PlainTextResponse(_MISSING, _WRONG.status, _WRONG.headers)

    async def _log_in(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._open_session(request)
        destination = _own_path(request.query_params.get("next", ""))
        if self._has_session(request):
            return RedirectResponse(destination, HTTPStatus.SEE_OTHER)
        # A link on another site comes without the cookie; a page of ours loaded again has it.
        reload = request.headers.get("sec-fetch-site") in _FOREIGN
        return page("log_in", title="Log in", next=destination, reload=reload)

    async def _open_session(self, request: Request) -> Response:
        try:
            form = await _form(request)
        except ClientDisconnect:  # before it had sent a password, so that nothing was guessed
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        destination = _own_path(form.get("next", ""))
        refusal = self._check(request, form.get("password"))
        if refusal is not None:
            return page(
                "log_in",
                refusal.status,
                refusal.headers,
                title="Log in",
                next=destination,
                message=refusal.text,
            )
        # A script that asks all the time must not forgive others behind the same proxy.
        self._throttle.forgive(_client(request))
        response = RedirectResponse(destination, HTTPStatus.SEE_OTHER)
        response.set_cookie(
            self._cookie,
            self._sessions.begin(),
            max_age=LIFETIME,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def _log_out(self, request: Request) -> Response:
        if request.method != "POST":
            return page("log_out", title="Log out")
        self._sessions.end(request.cookies.get(self._cookie, ""))
        response = RedirectResponse(LOG_IN, HTTPStatus.SEE_OTHER)
        response.delete_cookie(self._cookie, httponly=True, samesite="strict")
        return response

    def _has_session(self, connection: HTTPConnection) -> bool:
        return self._sessions.is_open(connection.cookies.get(self._cookie, ""))

    def _while_open(self, scope: Scope, send: Send) -> Send:
        """Return what sends through a WebSocket, and closes it once its session is over."""
        connection = HTTPConnection(scope)
        is_closed = False

        async def send_while_open(message: Message) -> None:
            nonlocal is_closed
            if is_closed:
                return
            if message["type"] == "websocket.send" and not self._has_session(connection):
                message = _CLOSED
            is_closed = message["type"] == "websocket.close"
            await send(message)

        return send_while_open if self._has_session(connection) else send

    def _check(self, connection: HTTPConnection, password: str | None) -> _Refusal | None:
        """Return why an attempt with a password is refused, if it is."""
        address = _client(connection)
        pause = self._throttle.pause(address)
        if pause:
            text = f"Too many attempts: try again in {pause} s."
            return _Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, {"Retry-After": str(pause)})
        if password is not None and hmac.compare_digest(_digest(password), self._password):
            self._throttle.recognize(address)
            return None
        self._throttle.failed(address)
        logging.getLogger("dagster").warning("A log-in to the UI from %s failed", address)
        return _WRONG


def _digest(password: str) -> bytes:
    """Return what is compared in place of a password, whose length would show.

    Spaces around it do not count, because headers do not keep them.
    """
    return hashlib.sha256(password.strip().encode()).digest()


def _password_in(authorization: str) -> str | None:
    """Return the password of an `Authorization` header, if it is Bearer.

    Any other is not meant for this server: a proxy that asks for a password itself may pass it on.
    """
    scheme, _, value = authorization.encode("latin-1").decode(errors="replace").partition(" ")
    return value if scheme.lower() == "bearer" else None


def _client(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _is_navigation(connection: HTTPConnection) -> bool:
    reads = connection.scope["type"] == "http" and connection.scope["method"] in ("GET", "HEAD")
    return reads and "text/html" in connection.headers.get("accept", "")


def _address_of(connection: HTTPConnection) -> str:
    """Return path and query as they were asked for, percent-encoded."""
    path, query = connection.scope["raw_path"], connection.scope["query_string"]
    return str((path + (b"?" + query if query else b"")).decode("latin-1"))


def _own_path(text: str) -> str:
    """Return a path of this server as it is, and the UI's first page for any other text."""
    return text if _OWN_PATH.fullmatch(text) else "/"


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; none of one that is too long to be ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            return {}
    fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}
