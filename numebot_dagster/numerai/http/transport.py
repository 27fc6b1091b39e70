"""Send every request to Numerai and its storage, within deadlines, and retry passing faults.

Everything that leaves this package for the network goes through one `Transport`.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from numebot_dagster.lake.layout import Lake
from numebot_dagster.numerai.errors import NotAuthorised, NumeraiUnavailable
from numebot_dagster.numerai.http import rate_limits
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.error_translation import (
    QUOTED,
    PassingFault,
    file_fault,
    graphql_data,
    status_fault,
    too_slow,
    translated,
)
from numebot_dagster.numerai.http.pacing import Patience
from numebot_dagster.numerai.http.retry_lines import RetryLines
from numebot_dagster.numerai.http.root_fields import operations_of
from numebot_dagster.numerai.http.server_clock import ServerClock

if TYPE_CHECKING:
    import requests
    from pydantic import SecretStr

    from numebot_dagster.settings import Settings

_T = TypeVar("_T")
_CHUNK = 1 << 18
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_PLAIN = {"Accept-Encoding": "identity"}  # so that lengths and ranges are those of the object
_USER_OF_PROXY = re.compile(r"[^\s/@'\"(]+:[^\s/@'\"(]*@(?=\S)")
_SIGNATURE = re.compile(r"\?[^\s'\")>]+")


class Transport:
    """The only way to the network. Safe to share between threads."""

    def __init__(self, settings: Settings, log: logging.Logger | None = None) -> None:
        self.endpoint = settings.numerai_api_url.rstrip("/")
        self.log = log or logging.getLogger(__name__)
        self._lines = RetryLines(self.log)
        self.patience = Patience(settings.numebot_retry_deadline)
        self.clock = ServerClock()
        self.until: Deadline | None = None
        self._settings = settings
        self._local = threading.local()
        requests_file = Lake(settings.numerai_data_folder).requests_file(self.endpoint)
        self._budget = rate_limits.shared_budget(requests_file)

    def within(self, deadline: Deadline) -> Transport:
        """Return this transport with every call, all retries included, ended by a deadline."""
        bounded = copy.copy(self)
        bounded.until = deadline.earlier(self.until)
        return bounded

    def persist(self, attempt: Callable[[Deadline], _T], *, repeatable: bool = True) -> _T:
        """Call `attempt` until it succeeds; see `Patience.persist`."""
        retries: list[float] = []

        def tell(fault: NumeraiUnavailable, left: float) -> None:
            retries.append(left)
            self._lines.retried(str(fault), left)

        patience = replace(self.patience, on_retry=tell)
        result = patience.persist(attempt, until=self.until, repeatable=repeatable)
        if retries:  # an answer to another question says nothing of what was tried again
            self._lines.answered()
        return result

    def now(self) -> datetime:
        """Return Numerai's time, aware UTC."""
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
    ) -> dict[str, Any]:
        """Send a GraphQL operation and return its `data`.

        Raises:
            NumeraiUnavailable: no usable answer until the deadline.
            NotAuthorised: credentials are missing, refused or lack a scope.
            RoundNotOpen: Numerai says that the round is not open.
            QueryRefused: Numerai refused the operation for another reason.
            UnexpectedAnswer: an answer without data.
        """
        body = json.dumps({"query": text, "variables": dict(variables or {})}).encode()
        auth = self._token() if authorised else None
        operations = operations_of(text)

        def attempt(deadline: Deadline) -> dict[str, Any]:
            self._take(operations, deadline)
            try:
                return self._post(body, auth, deadline)
            except PassingFault as fault:
                if fault.throttled:
                    self._budget.close(operations, fault.retry_after)
                raise

        return self.persist(attempt, repeatable=repeatable)

    def _post(self, body: bytes, auth: _Token | None, deadline: Deadline) -> dict[str, Any]:
        with self._answer(
            "POST", self.endpoint, deadline, headers=_JSON, data=body, auth=auth
        ) as answer:
            self.clock.observe(answer.headers.get("Date"))
            self._refuse_bad_status(answer)
            return graphql_data(_whole(answer), self.endpoint, self.scrub)

    def put(self, url: str, content: bytes) -> None:
        """Write `content` to a signed URL, as a whole and again after a passing fault.

        Raises:
            NumeraiUnavailable: no answer until the deadline.
            QueryRefused, NotAuthorised: the storage answered with another status than 2xx.
        """

        def attempt(deadline: Deadline) -> None:
            with self._answer("PUT", url, deadline, data=content) as answer:
                self._refuse_bad_status(answer)

        self.persist(attempt)

    def get(self, url: str) -> bytes:
        """Return the content behind a signed URL; for what fits into memory and one deadline."""

        def attempt(deadline: Deadline) -> bytes:
            with self.stream(url, deadline=deadline) as answer:
                return _whole(answer)

        return self.persist(attempt)

    def headers(self, url: str) -> Mapping[str, str]:
        """Return what the storage says of an object, without fetching it.

        A URL may be signed for GET alone; then one byte is fetched, and the size is the one
        behind the slash of `Content-Range`.
        """

        def attempt(deadline: Deadline) -> Mapping[str, str]:
            with self._answer("HEAD", url, deadline, headers=_PLAIN) as answer:
                if answer.status_code not in (403, 405, 501):
                    self._require_file(answer)
                    return answer.headers
            with self.stream(url, {"Range": "bytes=0-0"}, deadline=deadline) as answer:
                return answer.headers

        return self.persist(attempt)

    @contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str] | None = None, *, deadline: Deadline | None
    ) -> Iterator[requests.Response]:
        """Open one GET, not repeated, whose body is still to be read with `chunks`.

        Status 416 (no such range) is left to the caller, and so is the body of an answer without a
        deadline, which may take hours.
        """
        with self._answer("GET", url, deadline, headers={**_PLAIN, **(headers or {})}) as answer:
            if answer.status_code != 416:
                self._require_file(answer)
            yield answer

    def scrub(self, text: str) -> str:
        """Return a text without credentials, ours or a proxy's, and without signatures of URLs."""
        for secret in (self._settings.numerai_secret_key, self._settings.numerai_public_id):
            if secret is not None and secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), "***")
        return _USER_OF_PROXY.sub("", _SIGNATURE.sub("?…", text))

    def require_credentials(self) -> None:
        """Check that there are credentials to send, without sending them."""
        self._token()

    def _take(self, operations: Sequence[str], deadline: Deadline) -> None:
        """Wait until Numerai's limits allow the call; what has a deadline is a round's."""
        hurried = self.until is not None
        self._budget.take(
            operations,
            deadline,
            share=rate_limits.SHARE if hurried else rate_limits.SHARE_WITHOUT_DEADLINE,
            offset=self.clock.offset,
            log=self.log,
        )

    def _token(self) -> _Token:
        public, secret = self._settings.numerai_public_id, self._settings.numerai_secret_key
        if public is None or secret is None:
            raise NotAuthorised(f"this needs a key, and none is set: {self._settings.key_remedy}")
        return _Token(public, secret)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            from numebot_dagster.numerai.http.connections import new_session

            self._local.session = new_session()
            self._local.session.headers["User-Agent"] = "numebot-dagster"
            # With an `auth` of our own, no .netrc is read and sent in its place.
            self._local.session.auth = lambda request: request
        session: requests.Session = self._local.session
        return session

    @contextmanager
    def _answer(
        self, method: str, url: str, deadline: Deadline | None, **arguments: Any
    ) -> Iterator[requests.Response]:
        """Make one request within the limits; every fault of the network becomes our error."""
        from numebot_dagster.numerai.http.connections import LEAST_SECONDS, Cut

        seconds = self.patience.deadline if deadline is None else deadline.left
        seconds = max(seconds, LEAST_SECONDS)
        timeout = (
            min(self._settings.numebot_connect_timeout, seconds),
            min(self._settings.numebot_read_timeout, seconds),
        )
        follow = method in ("GET", "HEAD")
        cut, begun = Cut(deadline), False
        with (
            translated(url, self.scrub, lambda: too_slow(url, begun=begun) if cut.done else None),
            cut,
            self._session().request(
                method, url, timeout=timeout, stream=True, allow_redirects=follow, **arguments
            ) as answer,
        ):
            begun = True
            yield answer
            if cut.done:  # which may have looked like the end of the body
                raise too_slow(url)

    def _require_file(self, answer: requests.Response) -> None:
        fault = file_fault(answer, self.scrub)
        if fault is not None:
            raise fault
        self._refuse_bad_status(answer)

    def _refuse_bad_status(self, answer: requests.Response) -> None:
        def body() -> str:
            return self.scrub(_whole(answer, Deadline.after(5.0)).decode(errors="replace"))[:QUOTED]

        fault = status_fault(answer.url, answer.status_code, answer.headers, body, self.scrub)
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
    """Yield the body as it arrives: each piece waits no longer than the read timeout."""
    while piece := answer.raw.read1(_CHUNK, decode_content=True):
        yield piece


def _whole(answer: requests.Response, deadline: Deadline | None = None) -> bytes:
    """Return the whole body; with a deadline, only if it comes in time however slowly it drips."""
    body = bytearray()
    for piece in chunks(answer):
        body += piece
        if deadline is not None and deadline.has_passed:
            raise too_slow(answer.url)
    return bytes(body)
