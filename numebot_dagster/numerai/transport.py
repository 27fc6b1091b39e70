"""HTTP to Numerai and its storage: bounded, patient with what passes, exact about what does not.

Everything that leaves this package for the network goes through one `Transport`.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from numebot_dagster.numerai.errors import NotAuthorised, NumeraiUnavailable
from numebot_dagster.numerai.faults import (
    QUOTED,
    PassingFault,
    address,
    graphql_data,
    status_fault,
    translated,
)
from numebot_dagster.numerai.pacing import Patience, ServerClock, shared_bucket

if TYPE_CHECKING:
    import requests
    from pydantic import SecretStr

    from numebot_dagster.settings import Settings

_CHUNK = 1 << 18
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_PLAIN = {"Accept-Encoding": "identity"}  # so that lengths and ranges are those of the object
_SIGNATURE = re.compile(r"\?[^\s'\")>]+")


class Transport:
    """The only way to the network. Safe to share between threads."""

    def __init__(self, settings: Settings, log: logging.Logger | None = None) -> None:
        self.endpoint = settings.numerai_api_url.rstrip("/")
        self.log = log or logging.getLogger(__name__)
        self.patience = Patience(settings.numebot_retry_deadline, self._tell_retry)
        self.clock = ServerClock()
        self._settings = settings
        self._local = threading.local()
        self._bucket = shared_bucket(
            self.endpoint, settings.numebot_requests_per_second, settings.numebot_request_burst
        )

    def now(self) -> datetime:
        """Numerai's time, aware UTC."""
        return self.clock.now()

    @property
    def skew(self) -> timedelta | None:
        """How far Numerai's clock is ahead of ours; unknown before its first answer."""
        return self.clock.skew

    def query(
        self,
        text: str,
        variables: Mapping[str, Any] | None = None,
        *,
        authorised: bool = False,
        repeatable: bool = True,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Sends a GraphQL operation and gives its `data`.

        Args:
            text: the operation.
            variables: its variables.
            authorised: whether the credentials are sent.
            repeatable: whether doing it twice is harmless.
            seconds: the most that it may take, where that is less than the usual deadline.

        Raises:
            NumeraiUnavailable: no usable answer until the deadline.
            NotAuthorised: credentials are missing, refused or lack a scope.
            RoundNotOpen: Numerai says that the round is not open.
            QueryRefused: Numerai refused the operation for another reason.
            UnexpectedAnswer: an answer without data.
        """
        body = json.dumps({"query": text, "variables": dict(variables or {})}).encode()
        auth = self._token() if authorised else None

        def attempt(seconds: float) -> dict[str, Any]:
            with self._answer(
                "POST", self.endpoint, seconds, headers=_JSON, data=body, auth=auth
            ) as answer:
                self.clock.observe(answer.headers.get("Date"))
                self._refuse_bad_status(answer)
                return graphql_data(_whole(answer, seconds), self.endpoint, self.scrub)

        limit = self.patience.deadline if seconds is None else seconds
        patience = replace(self.patience, deadline=min(self.patience.deadline, limit))
        return patience.persist(attempt, repeatable=repeatable)

    def put(self, url: str, content: bytes) -> None:
        """Writes `content` to a signed URL, as a whole and again after a passing fault.

        Raises:
            NumeraiUnavailable: no answer until the deadline.
            QueryRefused, NotAuthorised: the storage answered with another status than 2xx.
        """

        def attempt(seconds: float) -> None:
            with self._answer("PUT", url, seconds, data=content) as answer:
                self._refuse_bad_status(answer)

        self.patience.persist(attempt)

    def get(self, url: str) -> bytes:
        """The whole content behind a signed URL; for what fits into memory and one deadline."""

        def attempt(seconds: float) -> bytes:
            with self.stream(url, seconds=seconds) as answer:
                return _whole(answer, seconds)

        return self.patience.persist(attempt)

    def headers(self, url: str) -> Mapping[str, str]:
        """What the storage says of an object, without fetching it.

        A URL may be signed for GET alone; then one byte is fetched, and the size is the one
        behind the slash of `Content-Range`.
        """

        def attempt(seconds: float) -> Mapping[str, str]:
            with self._answer("HEAD", url, seconds, headers=_PLAIN) as answer:
                if answer.status_code not in (403, 405, 501):
                    self._refuse_bad_status(answer)
                    return answer.headers
            with self.stream(url, {"Range": "bytes=0-0"}, seconds=seconds) as answer:
                return answer.headers

        return self.patience.persist(attempt)

    @contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str] | None = None, *, seconds: float | None = None
    ) -> Iterator[requests.Response]:
        """One GET, not repeated, whose body is still to be read with `chunks`.

        Status 416 (no such range) is left to the caller.
        """
        limit = self.patience.deadline if seconds is None else seconds
        with self._answer("GET", url, limit, headers={**_PLAIN, **(headers or {})}) as answer:
            if answer.status_code != 416:
                self._refuse_bad_status(answer)
            yield answer

    def scrub(self, text: str) -> str:
        """A text without our credentials and without the signatures of URLs."""
        for one in (self._settings.numerai_secret_key, self._settings.numerai_public_id):
            if one is not None and one.get_secret_value():
                text = text.replace(one.get_secret_value(), "***")
        return _SIGNATURE.sub("?…", text)

    def require_credentials(self) -> None:
        """Looks whether there are credentials to send at all, without sending them.

        Raises:
            NotAuthorised: none are set; the text says where to put them.
        """
        self._token()

    def _tell_retry(self, fault: NumeraiUnavailable, left: float) -> None:
        self.log.warning("%s; trying again, %.0f s left", fault, left)

    def _token(self) -> _Token:
        public, secret = self._settings.numerai_public_id, self._settings.numerai_secret_key
        if public is None or secret is None:
            raise NotAuthorised(
                "this needs credentials: set NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY "
                "in the environment or in .env"
            )
        return _Token(public, secret)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            import requests

            session = requests.Session()
            session.headers["User-Agent"] = "numebot-dagster"
            # With an `auth` of our own, no .netrc is read and sent in its place.
            session.auth = lambda request: request
            self._local.session = session
        found: requests.Session = self._local.session
        return found

    @contextmanager
    def _answer(
        self, method: str, url: str, seconds: float, **arguments: Any
    ) -> Iterator[requests.Response]:
        """One request within the limits; every fault of the network becomes an error of ours."""
        self._bucket.take()
        timeout = (
            min(self._settings.numebot_connect_timeout, seconds),
            min(self._settings.numebot_read_timeout, seconds),
        )
        follow = method in ("GET", "HEAD")
        with (
            translated(url, self.scrub),
            self._session().request(
                method, url, timeout=timeout, stream=True, allow_redirects=follow, **arguments
            ) as answer,
        ):
            yield answer

    def _refuse_bad_status(self, answer: requests.Response) -> None:
        def body() -> str:
            return self.scrub(_whole(answer, 5.0).decode(errors="replace"))[:QUOTED]

        fault = status_fault(answer.url, answer.status_code, answer.headers, body)
        if fault is not None:
            raise fault


class _Token:
    """Puts the credentials into a request; shows them nowhere else."""

    def __init__(self, public: SecretStr, secret: SecretStr) -> None:
        self._public, self._secret = public, secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = f"{self._public.get_secret_value()}${self._secret.get_secret_value()}"
        request.headers["Authorization"] = f"Token {token}"
        return request


def chunks(answer: requests.Response) -> Iterator[bytes]:
    """The body as it arrives: each piece waits no longer than the read timeout."""
    while piece := answer.raw.read1(_CHUNK, decode_content=True):
        yield piece


def _whole(answer: requests.Response, seconds: float) -> bytes:
    """The whole body, if it comes within `seconds`, however slowly the server drips it."""
    started, body = time.monotonic(), bytearray()
    for piece in chunks(answer):
        body += piece
        if time.monotonic() - started > seconds:
            raise PassingFault(f"{address(answer.url)} answered too slowly")
    return bytes(body)
