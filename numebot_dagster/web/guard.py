"""Refuse requests of other web pages to the Dagster UI: foreign host names and origins.

Dagster's web server answers every request. A web page that the user happens to visit could start
runs through it: by a form, by a script that needs no answer, by a WebSocket, or under a host name
of the attacker's own that resolves to this machine. Browsers send the origin of each request, which
sets these apart from the UI itself. Other programs (curl, GraphQL clients) send no origin and are
served.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from numebot_dagster.web.addresses import EVERY_ADDRESS, LOOPBACK_NAMES, canonical
from numebot_dagster.web.read_only import READING

HOSTS_SETTING = "NUMEBOT_UI_HOSTS"

# What a browser sends with a request that the page itself, or its user, has made.
_OWN_SITE = frozenset({"same-origin", "none"})


class Guard:
    """ASGI middleware that answers the UI's own pages only.

    Args:
        app: the application behind it.
        bound: the address that the server is bound to.
        named: further host names of the server, with the port where it is not the usual one.
    """

    def __init__(self, app: ASGIApp, bound: str, named: Iterable[str] = ()) -> None:
        self._app = app
        self._named = frozenset(name.lower() for name in named)
        names = {host for name in self._named if (host := _name_of(name))}
        self._names = LOOPBACK_NAMES | ({canonical(bound)} - EVERY_ADDRESS) | names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _kept_apart(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            answer = PlainTextResponse(refusal + "\n", HTTPStatus.FORBIDDEN)
            await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, if it is."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own_host(hosts[0], scope):
            return (
                "Refused: this host name is not one of the Dagster UI. Open the address that "
                f"`numebot up` prints, or set {HOSTS_SETTING} to the name."
            )
        reads = scope["type"] == "http" and scope["method"] in READING
        if reads or self._is_own_origin(headers, hosts[0]):
            return None
        return "Refused: the request comes from another web page. Nothing was changed."

    def _is_own_host(self, host: str, scope: Scope) -> bool:
        """Whether a `Host` header names this server: by a name, or by the address it came to."""
        name = _name_of(host)
        address, *_ = scope.get("server") or ("",)
        return name is not None and (name in self._names or name == canonical(address))

    def _is_own_origin(self, headers: Headers, host: str) -> bool:
        """Whether a request comes from the UI's own pages, or from no page at all."""
        sites = headers.getlist("sec-fetch-site")
        origins = [_place_of(origin) for origin in headers.getlist("origin")]
        return _OWN_SITE.issuperset(sites) and all(
            origin == host.lower() or origin in self._named for origin in origins
        )


def _name_of(host: str) -> str | None:
    """Return the host name of `name:port`, or nothing for any other text."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for what is no number
    except ValueError:
        return None
    if parts.hostname is None or parts.netloc != host or parts.username is not None:
        return None
    return canonical(parts.hostname)


def _place_of(origin: str) -> str | None:
    """Return `name:port` of an origin, or nothing for any other text."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _kept_apart(send: Send) -> Send:
    """Forbid other pages to show the UI in a frame, where clicks would count, or its pictures."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
        await send(message)

    return send_with_headers
