from __future__ import annotations

import json
import logging
import socket
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.numerai.errors import (
    NotAuthorised,
    NumeraiError,
    NumeraiUnavailable,
    QueryRefused,
    RoundNotOpen,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.error_translation import PassingFault
from numebot_dagster.numerai.http.transport import Transport
from tests.support.scripted_server import PUBLIC_ID, SECRET_KEY

Reply = dict  # what the scripted server answers; its fields are those of `Reply` in tests/support

GOOD = Reply(body=json.dumps({"data": {"rounds": [{"number": 7}]}}).encode())
HTML = Reply(body=b"<html>maintenance</html>", headers={"Content-Type": "text/html"})


def errors(*messages: str) -> Reply:
    payload = {"data": None, "errors": [{"message": message} for message in messages]}
    return Reply(body=json.dumps(payload).encode())


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=500),
        Reply(status=502, body=b"<html>bad gateway</html>"),
        Reply(status=503),
        Reply(status=429),
        HTML,
        Reply(body=b"[1, 2]"),
        Reply(body=b"{}"),
        Reply(body=b'{"data": null}'),
        Reply(body=GOOD["body"], cut_after=5),
        Reply(body=GOOD["body"], delay=3.0),
    ],
    ids=["500", "502", "503", "429", "html", "no object", "empty", "null", "cut", "slow"],
)
def test_a_passing_fault_is_tried_again(server, make_settings, fault):
    server.replies = [fault, GOOD]
    settings = make_settings(server.url, numebot_read_timeout=2.0, numebot_retry_deadline=20.0)
    data = Transport(settings).query("query { rounds { number } }")
    assert data == {"rounds": [{"number": 7}]}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (Reply(status=400, body=b"bad syntax"), QueryRefused, "status 400: bad syntax"),
        (Reply(status=404), QueryRefused, "status 404"),
        (Reply(status=401), NotAuthorised, "status 401"),
        (Reply(status=403), NotAuthorised, "numebot doctor"),
        (Reply(status=301, headers={"Location": "/other"}), QueryRefused, "status 301"),
        (errors("Current round not open for submissions"), RoundNotOpen, "not open"),
        (errors("You must be authenticated to do that"), NotAuthorised, "authenticated"),
        (errors("Insufficient permission for web3_staking"), NotAuthorised, "web3_staking"),
        (errors("Not authorized"), NotAuthorised, "Not authorized"),
        (errors("unauthorized"), NotAuthorised, "unauthorized"),
        (errors("Invalid API token"), NotAuthorised, "numebot doctor"),
        (errors("Your session is invalid or has expired."), NotAuthorised, "session"),
        (errors("Your API key has been revoked"), NotAuthorised, "revoked"),
        (errors("first", "Cannot query field 'x'"), QueryRefused, "first; Cannot query field 'x'"),
        (Reply(body=b'{"errors": {"detail": "Bad Request"}}'), QueryRefused, "Bad Request"),
        (Reply(body=b'{"errors": "odd"}'), QueryRefused, "odd"),
        (Reply(body=b'{"data": []}'), UnexpectedAnswer, "no data"),
    ],
)
def test_a_lasting_fault_is_not_tried_again(server, make_settings, reply, error, text):
    server.replies = [reply]
    with pytest.raises(error) as caught:
        Transport(make_settings(server.url)).query("query { x }")
    assert type(caught.value) is error
    assert text in str(caught.value)
    assert len(server.requests) == 1


def test_a_server_that_stays_down_is_given_up_at_the_deadline(server, make_settings):
    server.replies = [Reply(status=500)]
    started = time.monotonic()
    with pytest.raises(NumeraiUnavailable, match="status 500"):
        Transport(make_settings(server.url, numebot_retry_deadline=1.0)).query("query { x }")
    assert 0.8 < time.monotonic() - started < 1.6
    assert 3 <= len(server.requests) < 30


@pytest.mark.server
def test_a_refused_port_is_tried_until_the_deadline(make_settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(NumeraiUnavailable, match="connection failed"):
            Transport(make_settings(url, numebot_retry_deadline=0.6)).query("query { x }")
        assert 0.5 < time.monotonic() - started < 1.2


def test_each_retry_is_told_with_its_reason_and_what_is_left(server, make_settings, caplog):
    server.replies = [Reply(status=503), HTML, GOOD]
    Transport(make_settings(server.url, numebot_retry_deadline=100.0)).query("query { rounds }")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0] == f"{server.url}/ answered with status 503; trying again for another 100 s"
    assert (
        "with a JSON object: '<html>maintenance</html>'; trying again for another 100 s" in lines[1]
    )


@pytest.mark.parametrize(
    ("reply", "answered"), [(Reply(status=503), True), (HTML, True), (Reply(delay=1.0), False)]
)
def test_a_strange_answer_is_told_from_none(server, make_settings, reply, answered):
    server.replies = [reply]
    with pytest.raises(PassingFault) as caught:
        Transport(make_settings(server.url, numebot_retry_deadline=0.2)).query("query { x }")
    assert caught.value.answered is answered


def test_credentials_can_be_asked_for_without_the_network(server, make_settings):
    unset = make_settings(server.url, numerai_public_id=None, numerai_secret_key=None)
    with pytest.raises(NotAuthorised, match="set NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY"):
        Transport(unset).require_credentials()
    Transport(make_settings(server.url)).require_credentials()
    assert server.requests == []


def test_an_answer_that_drips_ends_at_the_deadline(server, make_settings):
    server.replies = [Reply(body=GOOD["body"], drip=0.1)]
    started = time.monotonic()
    with pytest.raises(NumeraiUnavailable, match="too slowly"):
        Transport(make_settings(server.url, numebot_retry_deadline=1.0)).query("query { x }")
    assert time.monotonic() - started < 2.0


def test_retry_after_is_honoured(server, make_settings):
    server.replies = [Reply(status=429, headers={"Retry-After": "1"}), GOOD]
    Transport(make_settings(server.url)).query("query { x }")
    first, second = (request.at for request in server.requests)
    assert 1.0 <= second - first < 1.8


def test_retry_after_is_capped_by_the_deadline(server, make_settings):
    server.replies = [Reply(status=503, headers={"Retry-After": "3600"}), GOOD]
    started = time.monotonic()
    Transport(make_settings(server.url, numebot_retry_deadline=1.0)).query("query { x }")
    assert 0.8 < time.monotonic() - started < 1.5


@pytest.mark.parametrize(("reply", "tries"), [(Reply(status=500), 1), (Reply(status=429), 2)])
def test_what_must_not_be_done_twice_is_repeated_only_if_it_was_not_done(
    server, make_settings, reply, tries
):
    server.replies = [reply, Reply(status=400)]
    with pytest.raises(NumeraiError):
        Transport(make_settings(server.url)).query("mutation { x }", repeatable=False)
    assert len(server.requests) == tries


def test_credentials_go_only_where_they_are_asked_for(server, make_settings, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.replies = [GOOD]
    transport = Transport(make_settings(server.url))
    transport.query("query { x }")
    transport.query("query { x }", authorised=True)
    transport.put(f"{server.url}/upload?signature=1", b"id,prediction\n")
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, f"Token {PUBLIC_ID}${SECRET_KEY}", None]
    assert server.requests[2].body == b"id,prediction\n"


def test_without_credentials_nothing_is_sent(server, make_settings):
    settings = make_settings(server.url, numerai_public_id=None, numerai_secret_key=None)
    with pytest.raises(NotAuthorised, match="NUMERAI_SECRET_KEY"):
        Transport(settings).query("query { x }", authorised=True)
    assert server.requests == []


ECHO = f"Token {PUBLIC_ID}${SECRET_KEY} is not valid, see ?X-Amz-Signature=abc"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=400, body=ECHO.encode()),
        Reply(status=401, body=ECHO.encode()),
        Reply(status=500, body=ECHO.encode()),
        errors(ECHO),
        Reply(body=ECHO.encode()),
        Reply(body=json.dumps({"data": None, "token": ECHO}).encode()),
        Reply(body=GOOD["body"], delay=1.0),
        Reply(body=GOOD["body"], cut_after=3),
    ],
)
def test_no_error_and_no_log_shows_the_secret(server, make_settings, caplog, reply):
    caplog.set_level(logging.DEBUG)
    server.replies = [reply]
    settings = make_settings(server.url, numebot_retry_deadline=0.5, numebot_read_timeout=0.2)
    with pytest.raises(NumeraiError) as caught:
        Transport(settings).query("query { x }", {"a": 1}, authorised=True)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for text in (shown, caplog.text):
        assert SECRET_KEY not in text
        assert PUBLIC_ID not in text
    assert "Signature" not in str(caught.value)
    assert "requests.exceptions" not in shown  # whose exceptions hold the request


@pytest.mark.parametrize("reply", [Reply(status=400), Reply(status=500), errors("no"), HTML])
def test_not_even_the_variables_of_our_frames_show_the_secret(server, make_settings, reply):
    server.replies = [reply]
    settings = make_settings(server.url, numebot_retry_deadline=0.2)
    with pytest.raises(NumeraiError) as caught:
        Transport(settings).query("query { x }", authorised=True)
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(caught.value.__traceback__), capture_locals=True
    )
    values = [value for frame in frames for value in (frame.locals or {}).values()]
    assert any("query { x }" in value for value in values)
    assert not [value for value in values if SECRET_KEY in value]


@pytest.mark.server
def test_a_failed_upload_does_not_show_its_signature(make_settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        transport = Transport(make_settings(url, numebot_retry_deadline=0.3))
        with pytest.raises(NumeraiUnavailable) as caught:
            transport.put(f"{url}/p.csv?X-Amz-Signature=abc", b"")
    assert "Signature" not in str(caught.value)
    assert "p.csv" in str(caught.value)


def test_the_clock_is_numerais(server, make_settings):
    server.date = "Mon, 01 Jun 2026 12:00:00 GMT"
    server.replies = [GOOD]
    transport = Transport(make_settings(server.url))
    assert transport.skew is None
    assert abs(transport.now() - datetime.now(UTC)) < timedelta(seconds=1)
    transport.query("query { x }")
    expected = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert timedelta(0) <= transport.now() - expected < timedelta(seconds=1)
    assert transport.skew is not None
    assert abs(transport.skew - (expected - datetime.now(UTC))) < timedelta(seconds=1)


def test_head_falls_back_to_one_byte(server, make_settings):
    def answer(request):
        if request.method == "HEAD":
            return Reply(status=403)
        assert request.headers["range"] == "bytes=0-0"
        return Reply(
            status=206, body=b"P", headers={"Content-Range": "bytes 0-0/1234", "ETag": '"e"'}
        )

    server.answer = answer
    headers = Transport(make_settings(server.url)).headers(f"{server.url}/f")
    assert (headers["Content-Range"], headers["ETag"]) == ("bytes 0-0/1234", '"e"')


LOG_IN = "log in to the network, or check NUMERAI_API_URL"


@pytest.mark.parametrize(
    ("status", "target", "place"),
    [
        (302, "http://user:word@hotel.example/a?token=1#b", "http://hotel.example/a"),
        (307, "/log-in?next=1", "{url}/log-in"),
        (301, "https://numer.example/", "https://numer.example/"),
    ],
)
def test_a_redirection_says_where_it_leads(server, make_settings, status, target, place):
    server.replies = [Reply(status=status, headers={"Location": target})]
    with pytest.raises(NumeraiError) as caught:
        Transport(make_settings(server.url, numebot_retry_deadline=0.2)).query("query { x }")
    text = f"status {status}, a redirection to {place.format(url=server.url)}: {LOG_IN}"
    assert text in str(caught.value)
    assert isinstance(caught.value, NumeraiUnavailable) is (status != 301)


FILE = Reply(body=b"id,prediction\n")


@pytest.mark.parametrize("method", ["get", "headers"])
@pytest.mark.parametrize(
    ("end", "error", "text"),
    [
        (HTML, NumeraiUnavailable, LOG_IN),
        (Reply(status=403), NumeraiUnavailable, LOG_IN),
        (Reply(status=404), NumeraiUnavailable, LOG_IN),
        (Reply(status=302, headers={"Location": "/f"}), NumeraiUnavailable, "without end"),
        (Reply(status=410), QueryRefused, "410"),
        (FILE, None, ""),
    ],
)
def test_a_redirection_to_no_file_is_waited_out(server, make_settings, method, end, error, text):
    """To another place of the storage it is followed."""
    first = Reply(status=302, headers={"Location": "/there?token=1"})
    server.answer = lambda request: first if request.path.startswith("/f") else end
    transport = Transport(make_settings(server.url, numebot_retry_deadline=0.8))
    if error is None:
        assert getattr(transport, method)(f"{server.url}/f?signature=1")
        return
    with pytest.raises(error, match=text) as caught:
        getattr(transport, method)(f"{server.url}/f?signature=1")
    assert "token" not in str(caught.value)


@pytest.mark.parametrize("page", [HTML, Reply(headers={"Content-Type": "TEXT/HTML; charset=x"})])
def test_a_page_is_no_file(server, make_settings, page):
    server.replies = [page, FILE]
    assert Transport(make_settings(server.url)).get(f"{server.url}/f") == FILE["body"]


def test_a_put_is_repeated_as_a_whole_and_a_refusal_is_not(server, make_settings):
    server.replies = [Reply(status=503), Reply(status=204), Reply(status=403, body=b"expired")]
    transport = Transport(make_settings(server.url))
    transport.put(f"{server.url}/p.csv", b"content")
    assert [request.body for request in server.requests] == [b"content", b"content"]
    with pytest.raises(NotAuthorised, match="expired"):
        transport.put(f"{server.url}/p.csv", b"content")
    assert len(server.requests) == 3


def raw_server(behave):
    """Return a server below HTTP: `behave` is given each connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=behave, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def drip_the_head(connection):
    with suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)


def read_slowly(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with suppress(OSError):
        while connection.recv(1024):
            time.sleep(0.05)


@pytest.mark.server
@pytest.mark.parametrize("behave", [drip_the_head, read_slowly])
def test_no_trickle_outlives_the_deadline(make_settings, behave):
    """Each byte comes within the read time-out, but together they never end."""
    listening, url = raw_server(behave)
    with listening:
        transport = Transport(make_settings(url, numebot_retry_deadline=60.0))
        started = time.monotonic()
        with pytest.raises(NumeraiUnavailable, match="the upload may take 1 s"):
            transport.within(Deadline.after(1.0, "the upload")).put(f"{url}/f", b"x" * 50_000_000)
        assert time.monotonic() - started < 4
