"""Make HTTP connections that can be cut at a deadline.

The time-outs of requests count from byte to byte, so a server that sends one byte now and then, in
its headers or in its body, or that reads an upload slowly, could hold a call for ever. Here another
thread shuts the socket down at the deadline, which ends whatever call waits for it.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from numebot_dagster.numerai.http.deadline import Deadline

LEAST_SECONDS = 0.25
_thread = threading.local()


class Cut:
    """Cuts the connection that this thread uses in a `with` block when the deadline comes.

    Attributes:
        done: whether that has happened.
    """

    def __init__(self, deadline: Deadline | None) -> None:
        self.done = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        if deadline is not None:
            # A try that began in time may end: on a busy machine an answer takes a moment.
            self._timer = threading.Timer(max(deadline.left, LEAST_SECONDS), self._cut)
            self._timer.daemon = True

    def __enter__(self) -> Self:
        _thread.cut = self
        if self._timer is not None:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _thread.cut = None
        if self._timer is not None:
            self._timer.cancel()

    def use(self, used: socket.socket | None) -> None:
        """Take note of the socket; it may have been connected only after the deadline."""
        with self._lock:
            self._socket = used
            if self.done:
                self._shut_down()

    def _cut(self) -> None:
        with self._lock:
            self.done = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it has ended by itself
                # Not the method of a TLS socket, which would also drop its state under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def new_session() -> requests.Session:
    """Return a session whose connections obey `Cut`."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def _note(used: socket.socket | None) -> None:
    cut = getattr(_thread, "cut", None)
    if cut is not None:
        cut.use(used)


class _Noting:
    """Connections that tell the `Cut` of their thread which socket they use."""

    sock: socket.socket | None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _note(self.sock)

    def request(self, *arguments: Any, **named: Any) -> None:
        _note(self.sock)  # of a connection that was kept open; a new one has none yet
        super().request(*arguments, **named)  # type: ignore[misc]


class _Http(_Noting, HTTPConnection):
    """Without TLS."""


class _Https(_Noting, HTTPSConnection):
    """With TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager
