"""The log-in of the UI: nothing is served without it, whatever is asked for and however."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from numebot_dagster.web.log_in import LogIn, _own_path, _password_in
from tests.support.site import LIMITS, MUTATION, serving

pytestmark = pytest.mark.server

PASSWORD = "correct horse: bättery"
PAGE = "/numebot/log-in"
FORGED = "/report_asset_materialization/models/steady_1/submission"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "board").mkdir()
    (folder / "board" / "index.html").write_text("the board")
    return folder


@pytest.fixture(scope="module")
def url(folder):
    with serving(folder, password=SecretStr(PASSWORD)) as url:
        yield url


@pytest.fixture
def untried_url(folder):
    """Return a server on which nobody has tried anything."""
    with serving(folder, password=SecretStr(PASSWORD)) as url:
        yield url


def log_in(url, password=PASSWORD, **form):
    form = {"password": password, **form}
    return requests.post(url + PAGE, data=form, timeout=30, allow_redirects=False)


def session(url):
    """Return a client that has logged in."""
    client = requests.Session()
    client.cookies.update(log_in(url).cookies)
    return client


def encoded(text):
    return base64.b64encode(text.encode()).decode()


REQUESTS = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("OPTIONS", "/graphql"),
    ("GET", "/assets/performance/overview"),
    ("GET", "/server_info"),
    ("GET", f"/graphql?query={LIMITS}"),
    ("POST", "/graphql"),
    ("POST", FORGED),
    ("POST", "/report_asset_check/a"),
    ("POST", "/report_asset_observation/a"),
    ("GET", "/numebot"),
    ("GET", "/numebot/"),
    ("GET", "/numebot/index.html"),
    ("GET", "/favicon.ico"),
    ("GET", "/vendor/graphiql/graphiql.min.css"),
    ("GET", "/logs/a/b/compute_logs/c/out"),
    ("GET", "/download_debug/a"),
    ("GET", "/notebook?path=a.ipynb"),
    ("GET", f"{PAGE}/"),
    ("GET", f"/{PAGE}"),
    ("GET", f"{PAGE}/../index.html"),
    ("POST", f"{PAGE}%2f..%2f..%2fgraphql"),
]


def test_nothing_is_served_without_the_password(url):
    headers = [
        {},
        {"Cookie": "numebot_session=x"},
        {"Cookie": f"numebot_session_{urlsplit(url).port}=a.9999999999.b"},
        {"X-Forwarded-For": "127.0.0.1", "X-Original-URL": PAGE, "X-Rewrite-URL": PAGE},
    ]
    for method, path in REQUESTS:
        for more in headers:
            body = {"query": MUTATION} if method == "POST" else None
            answer = requests.request(method, url + path, json=body, headers=more, timeout=30)
            assert answer.status_code == 401, (method, path)
            assert "Dagster" not in answer.text
            assert "the board" not in answer.text
    for more in headers:
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"{url.replace('http', 'ws')}/graphql", additional_headers=more)
    assert session(url).post(f"{url}/graphql", json={"query": LIMITS}, timeout=30).json() == {
        "data": {"instance": {"concurrencyLimits": []}}
    }


def test_a_session_opens_everything_until_it_is_ended(url):
    opened = log_in(url, next="/assets?x=1")
    assert (opened.status_code, opened.headers["Location"]) == (303, "/assets?x=1")
    cookie = opened.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=604800"):
        assert attribute in cookie
    assert "Secure" not in cookie
    client = requests.Session()
    client.cookies.update(opened.cookies)
    assert client.get(f"{url}/numebot/", timeout=30).text == "the board"
    assert client.post(f"{url}/graphql", json={"query": LIMITS}, timeout=30).ok
    assert client.post(f"{url}/report_asset_materialization/a", timeout=30).ok
    address = f"{url.replace('http', 'ws')}/graphql"
    value = f"{opened.cookies.keys()[0]}={opened.cookies.values()[0]}"
    with connect(address, additional_headers={"Cookie": value}, subprotocols=["graphql-ws"]):
        pass

    assert client.get(f"{url}/numebot/log-out", timeout=30).ok  # asks first
    assert client.get(f"{url}/numebot/", timeout=30).ok
    ended = client.post(f"{url}/numebot/log-out", timeout=30, allow_redirects=False)
    assert ended.headers["Location"] == PAGE
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    stolen = {"Cookie": value}
    assert requests.get(f"{url}/numebot/", headers=stolen, timeout=30).status_code == 401


def test_a_page_is_redirected_to_the_log_in_and_back(url):
    page = requests.get(f"{url}/runs/a%20b?x=1&y=%2F", headers={"Accept": "text/html"}, timeout=30)
    assert page.status_code == 200
    [destination] = parse_qs(urlsplit(page.url).query)["next"]
    assert destination == "/runs/a%20b?x=1&y=%2F"
    assert 'value="/runs/a%20b?x=1&amp;y=%2F"' in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    again = session(url).get(
        url + PAGE, params={"next": "/runs"}, timeout=30, allow_redirects=False
    )
    assert again.headers["Location"] == "/runs"


@pytest.mark.parametrize(
    ("destination", "is_own"),
    [
        ("/", True),
        ("/assets/a%20b?x=/#y", True),
        ("//attacker.example", False),
        ("/\\attacker.example", False),
        ("\\\\attacker.example", False),
        ("/\t/attacker.example", False),
        ("/\n/attacker.example", False),
        ("https://attacker.example/", False),
        ("javascript:alert(1)", False),
        ("attacker.example", False),
        ("@attacker.example", False),
        ("/é", False),
        ("/a\r\nSet-Cookie: x=1", False),
        ("", False),
    ],
)
def test_the_log_in_leads_to_no_other_site(destination, is_own):
    assert _own_path(destination) == (destination if is_own else "/")


def test_a_forged_destination_is_not_followed(url):
    for destination in ("//attacker.example", "/\\attacker.example", "https://attacker.example"):
        assert log_in(url, next=destination).headers["Location"] == "/"
        page = requests.get(url + PAGE, params={"next": destination}, timeout=30)
        assert "attacker.example" not in page.text
    scripted = requests.get(url + PAGE, params={"next": '/"><script>alert(1)</script>'}, timeout=30)
    assert "<script>" not in scripted.text


def test_a_wrong_password_opens_nothing_and_is_slowed_down(untried_url, caplog):
    url = untried_url
    caplog.set_level(logging.DEBUG)
    for wrong in ("", "x", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper()):
        refused = log_in(url, wrong)
        assert refused.status_code == 401
        assert "This is not the password" in refused.text
        assert "Set-Cookie" not in refused.headers
    throttled = log_in(url)  # even the right one, so that guessing by machine is slow
    assert throttled.status_code == 429
    assert int(throttled.headers["Retry-After"]) == 1
    assert "try again in 1 s" in throttled.text
    script = requests.get(url, headers={"Authorization": f"Bearer {PASSWORD[:3]}"}, timeout=30)
    assert (script.status_code, script.headers["Retry-After"]) == (429, "1")
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert said.count("A log-in to the UI from 127.0.0.1 failed") == 5
    assert PASSWORD[:7] not in said


def test_the_addresses_of_this_machine_are_slowed_down_as_one(untried_url):
    statuses = [
        requests.post(
            untried_url + PAGE,
            data={"password": "wrong"},
            headers={"X-Forwarded-For": f"127.0.{number}.{number}"},
            timeout=30,
        ).status_code
        for number in range(7)
    ]
    assert statuses == [401] * 5 + [429] * 2


def test_the_password_of_a_proxy_is_not_taken_for_ours(untried_url):
    of_proxy = {"Authorization": f"Basic {encoded('owner:of the proxy')}", "Accept": "text/html"}
    for _ in range(6):
        page = requests.get(untried_url, headers=of_proxy, timeout=30)
        assert (page.status_code, urlsplit(page.url).path) == (200, PAGE)
    assert log_in(untried_url).status_code == 303


def test_a_form_that_breaks_off_is_no_attempt():
    guarded = LogIn(None, SecretStr(PASSWORD), 3000)
    scope = {"type": "http", "method": "POST", "path": PAGE, "headers": [], "client": ("a", 1)}
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    for _ in range(6):
        asyncio.run(guarded(scope, receive, send))
    assert {message.get("status", 400) for message in sent} == {400}
    assert guarded._throttle.pause("a") == 0


def test_spaces_around_a_password_do_not_count(folder):
    with serving(folder, password=SecretStr(f" {PASSWORD} ")) as url:
        headers = {"Authorization": f"Bearer  {PASSWORD} ".encode()}
        assert requests.get(f"{url}/numebot/", headers=headers, timeout=30).text == "the board"
        assert log_in(url, f" {PASSWORD} ").status_code == log_in(url).status_code == 303


def test_a_websocket_ends_with_its_session(url):
    client = session(url)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    address = f"{url.replace('http', 'ws')}/graphql"
    headers = {"Cookie": cookie}
    with connect(address, additional_headers=headers, subprotocols=["graphql-ws"]) as socket:
        socket.send('{"type": "connection_init"}')
        assert json.loads(socket.recv(30)) == {"type": "connection_ack"}
        client.post(f"{url}/numebot/log-out", timeout=30)
        socket.send('{"type": "connection_init"}')
        with pytest.raises(ConnectionClosedError, match=r"1008.*log in first"):
            socket.recv(30)


def test_a_script_with_the_password_forgives_nobody(untried_url):
    right = {"Authorization": f"Bearer {PASSWORD}".encode()}
    for _ in range(5):
        assert log_in(untried_url, "wrong").status_code == 401
        last = requests.get(f"{untried_url}/numebot/", headers=right, timeout=30)
    assert last.status_code == 429
    assert log_in(untried_url, "wrong").status_code == 429


@pytest.mark.parametrize(
    ("authorization", "password"),
    [
        (f"Bearer {PASSWORD}", PASSWORD),
        (f"bearer {PASSWORD}", PASSWORD),
        ("Bearer", ""),
        (f"Basic {encoded(f'anyone:{PASSWORD}')}", None),
        (f"Digest {PASSWORD}", None),
        ("", None),
    ],
)
def test_the_password_in_a_header(authorization, password):
    assert _password_in(authorization.encode().decode("latin-1")) == password


def test_a_script_sends_the_password_with_each_request(url):
    headers = {"Authorization": f"Bearer {PASSWORD}".encode()}
    body = {"query": LIMITS}
    answer = requests.post(f"{url}/graphql", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    for wrong in ("Bearer wrong", f"Basic {encoded('anyone:wrong')}", "Negotiate x"):
        headers = {"Authorization": wrong}
        answer = requests.post(f"{url}/graphql", json=body, headers=headers, timeout=30)
        assert answer.status_code == 401
    assert log_in(url).status_code == 303


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"password=" + b"x" * 5000, {}),
        (b"\xff\xfe&=&password", {}),
        (b"", {}),
        (f"password={PASSWORD}".encode(), {"Origin": "http://attacker.example"}),
    ],
)
def test_odd_forms_are_refused(url, body, headers):
    answer = requests.post(url + PAGE, data=body, headers=headers, timeout=30)
    assert answer.status_code in (401, 403)
    assert "Set-Cookie" not in answer.headers


def test_a_proxy_with_tls_gets_a_cookie_for_tls_only(url):
    opened = requests.post(
        url + PAGE,
        data={"password": PASSWORD},
        headers={"X-Forwarded-Proto": "https"},
        timeout=30,
        allow_redirects=False,
    )
    assert "Secure" in opened.headers["Set-Cookie"]
