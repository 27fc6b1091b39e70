"""Translate what the network and the server answer into the errors of `errors.py`.

The libraries' own exceptions carry the request with its Authorization header and signed URLs, so
they are never chained, and every foreign text passes through a `scrub`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from numebot_dagster.numerai.errors import (
    NotAuthorised,
    NumeraiError,
    NumeraiUnavailable,
    QueryRefused,
    RoundNotOpen,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.parsing import parse_http_time

if TYPE_CHECKING:
    import requests

# Too many requests; and a redirection for now, by which a network asks its user to log in.
_PASSING = (302, 303, 307, 429)
QUOTED = 300  # characters of a foreign text that an error repeats
Scrub = Callable[[str], str]

_NOT_AUTHORISED = re.compile(
    r"(un|not.{0,20})authori[sz]ed|authenticat|permission|forbidden|credential|scope|log(ged)? in"
    r"|(invalid|expired|revoked|unknown|bad|wrong).{0,12}(token|key)"
    r"|(token|key|session).{0,20}(invalid|expired|revoked|unknown)",
    re.IGNORECASE,
)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SECONDS = re.compile(r"\s*[0-9]+(\.[0-9]+)?\s*", re.ASCII)
_OBJECT = re.compile(r"^\w+\(host=[^)]*\): ")  # the connection that it went wrong in
_END_OF_REPR = re.compile(r"""['"]\)+$""")  # of an error that another one names
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
_UNKNOWN_FIELD = re.compile(r"cannot query field", re.IGNORECASE)
_THROTTLED = re.compile(r"rate.?limit|too many requests|throttled", re.IGNORECASE)
_RETRY_IN = re.compile(r"(?:retry|try again) (?:in|after) ([0-9]{1,6})\b", re.IGNORECASE)
_NOT_OPEN = re.compile(r"not (currently )?open|round (is |was )?closed", re.IGNORECASE)
_NO_ANSWER = "did not answer in time"
_LOG_IN = "log in to the network, or check NUMERAI_API_URL"
_CHECK_CREDENTIALS = "check the credentials and their scopes: numebot doctor"


class PassingFault(NumeraiUnavailable):
    """A fault that may be gone at the next try.

    Attributes:
        retry_after: seconds that the server asked to wait.
        arrived: whether the request may have been acted upon.
        answered: whether anything came back, though it was not what Numerai answers.
        throttled: whether the call was refused for being one too many.
    """

    def __init__(
        self,
        text: str,
        *,
        retry_after: float | None = None,
        arrived: bool = True,
        answered: bool = False,
        throttled: bool = False,
    ) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.arrived = arrived
        self.answered = answered
        self.throttled = throttled

    def explained(self, reason: str) -> PassingFault:
        """Return the same fault with the reason why it was not tried again."""
        fault = copy.copy(self)
        fault.args = (f"{self}; {reason}",)
        return fault


@contextmanager
def translated(url: str, scrub: Scrub, cut: Callable[[], PassingFault | None]) -> Iterator[None]:
    """Turn every exception of requests and urllib3 inside the block into one of ours."""
    import requests
    import urllib3

    try:
        yield
    except requests.exceptions.ConnectTimeout:
        fault: NumeraiError = PassingFault(
            f"{_where(url)} could not be reached in time", arrived=False
        )
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        fault = PassingFault(f"{_where(url)} {_NO_ANSWER}")
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    ) as error:
        text = f"{_where(url)}: the connection failed: {scrub(_reason(error))[:QUOTED]}"
        ours = cut()
        if ours is not None:
            fault = ours
        elif "CERTIFICATE_VERIFY_FAILED" in str(error):
            fault = NumeraiUnavailable(
                f"{text}; check the clock and the certificates of this machine"
            )
        else:
            fault = PassingFault(text, arrived=not _never_sent(error))
    except requests.exceptions.TooManyRedirects:
        fault = PassingFault(f"{_where(url)} is redirected without end: {_LOG_IN}", answered=True)
    except requests.exceptions.RequestException as error:
        fault = QueryRefused(f"{_where(url)}: {type(error).__name__}: {scrub(str(error))[:QUOTED]}")
    else:
        return
    raise fault from None


def _where(url: str) -> str:
    """Return an address, and the proxy that it is asked through, which may be what is wrong."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return address(url)
    # Whose user and password are nobody's business; it may be no address at all.
    return f"{address(url)} through the proxy {proxy.rpartition('@')[2]}"


def status_fault(
    url: str, status: int, headers: Mapping[str, str], body: Callable[[], str], scrub: Scrub
) -> NumeraiError | None:
    """Return the error that a status means, or None for 2xx; read `body` for a refusal only."""
    if 200 <= status < 300:
        return None
    text = f"{address(url)} answered with status {status}"
    target = headers.get("Location") if status < 400 else None
    if target:
        place = scrub(address(urljoin(url, target)))[:QUOTED]
        text = f"{text}, a redirection to {place}: {_LOG_IN}"
    if status in _PASSING or status >= 500:
        wait = _retry_after(headers)
        throttled = status == 429
        return PassingFault(
            text, retry_after=wait, arrived=not throttled, answered=True, throttled=throttled
        )
    if not target:
        text = f"{text}: {body()}".rstrip(":. \n")
    if status in (401, 403):
        return NotAuthorised(f"{text}; {_CHECK_CREDENTIALS}")
    return QueryRefused(text)


def file_fault(answer: requests.Response, scrub: Scrub) -> PassingFault | None:
    """Return the fault of an answer in the place of a file by a network that wants a log-in.

    It is a web page, or a refusal at the end of a redirection.
    """
    is_page = answer.ok and "html" in answer.headers.get("Content-Type", "").lower()
    is_refusal = answer.history and answer.status_code in (400, 401, 403, 404, 405)
    if not is_page and not is_refusal:
        return None
    first, *redirected = [*answer.history, answer]
    by = f", redirected to {scrub(address(answer.url))[:QUOTED]}," if redirected else ""
    text = f"{address(first.url)}{by} answered with a web page in the place of a file"
    return PassingFault(f"{text}: {_LOG_IN}", answered=True)


def graphql_data(body: bytes, endpoint: str, scrub: Scrub) -> dict[str, Any]:
    """Return the `data` of a GraphQL answer.

    Raises:
        NumeraiUnavailable: the answer is no JSON or empty, as when a proxy answers in the server's
            place, or the call was one too many.
        NotAuthorised, RoundNotOpen, QueryRefused: by the text of its `errors`.
        UnexpectedAnswer: its data are no object.
    """
    answer = _json_object(body, endpoint, scrub)
    if answer.get("errors"):
        raise _refusal(scrub(_messages(answer["errors"])))
    if answer.get("data") is None:
        text = f"{endpoint} answered with neither data nor errors"
        raise PassingFault(text, answered=True)
    if not isinstance(answer["data"], dict):
        raise UnexpectedAnswer(f"the answer of {endpoint} has no data")
    data: dict[str, Any] = answer["data"]
    return data


def too_slow(url: str, *, begun: bool = True) -> PassingFault:
    """Return the fault of an answer that did not end, or not even begin, in time."""
    return PassingFault(f"{_where(url)} {'answered too slowly' if begun else _NO_ANSWER}")


def address(url: str) -> str:
    """Return a URL without its query, which may be a signature, and its fragment."""
    return re.split("[?#]", url, maxsplit=1)[0]


def _json_object(body: bytes, endpoint: str, scrub: Scrub) -> dict[str, Any]:
    try:
        answer = json.loads(body)
        if _SURROGATE.search(body):
            answer = _without_surrogates(answer)
    except (ValueError, RecursionError):  # no JSON, or nested too deeply to be an answer
        answer = None
    if not isinstance(answer, dict):
        start = scrub(body[:60].decode(errors="replace"))
        text = f"{endpoint} did not answer with a JSON object: {start!r}"
        raise PassingFault(text, answered=True)
    return answer


def _without_surrogates(value: Any) -> Any:
    """Replace every half of a surrogate pair: no file and no terminal accepts one."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(value[key]) for key in value}
    return value


def _refusal(text: str) -> NumeraiError:
    if _UNKNOWN_FIELD.search(text):  # whatever the field is called, as `scopes`
        return QueryRefused(f"Numerai answered: {text}")
    if _THROTTLED.search(text):
        wait = _RETRY_IN.search(text)
        return PassingFault(
            f"Numerai answered: {text}",
            retry_after=float(wait[1]) if wait else None,
            arrived=False,
            answered=True,
            throttled=True,
        )
    if _NOT_OPEN.search(text):
        return RoundNotOpen(f"Numerai answered: {text}")
    if _NOT_AUTHORISED.search(text):
        return NotAuthorised(f"Numerai answered: {text.rstrip('.')}; {_CHECK_CREDENTIALS}")
    return QueryRefused(f"Numerai answered: {text}")


def _messages(errors: Any) -> str:
    """Return the texts of an `errors` payload: a list of objects, or one object with `detail`."""
    entries = errors if isinstance(errors, list) else [errors]
    return "; ".join(map(_message, entries))[:QUOTED]


def _message(entry: Any) -> str:
    if isinstance(entry, dict):
        entry = entry.get("message") or entry.get("detail") or entry
    return str(entry)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After`, a number or a date; anything else counts as absent.

    A date is compared with the server's own `Date`, since the clock here may be wrong.
    """
    header = headers.get("Retry-After") or ""
    if _SECONDS.fullmatch(header):
        return float(header)
    moment = parse_http_time(header)
    if moment is None:
        return None
    now = parse_http_time(headers.get("Date")) or datetime.now(UTC)
    return max((moment - now).total_seconds(), 0.0)


def _reason(error: Exception) -> str:
    """Return what went wrong, without the pool and the object that it went wrong in."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    text = str(cause or error)
    text = text.rpartition("Failed to establish a new connection: ")[2] or text
    return _OBJECT.sub("", _ERRNO.sub("", _END_OF_REPR.sub("", text)))


def _never_sent(error: Exception) -> bool:
    """Return whether no connection was made at all, so that the server cannot have acted."""
    import urllib3

    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(cause, urllib3.exceptions.NewConnectionError)
