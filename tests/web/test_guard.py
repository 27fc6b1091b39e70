"""The guard before the UI: whose requests it serves."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from numebot_dagster.web.addresses import url
from numebot_dagster.web.guard import Guard

OWN = "127.0.0.1:3000"


def is_served(
    bound="127.0.0.1", named=(), method="POST", kind="http", address="127.0.0.1", **headers
):
    """Return whether a request with these headers reaches the application."""
    reached = []

    async def app(scope, receive, send):
        reached.append(scope)

    async def ignore(_):
        pass

    lines = [
        (name.replace("_", "-").encode(), value.encode())
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    scope = {"type": kind, "method": method, "headers": lines, "server": (address, 3000)}
    asyncio.run(Guard(app, bound, named)(scope, None, ignore))
    return bool(reached)


@pytest.mark.parametrize("host", [OWN, "localhost:3000", "LOCALHOST", "[::1]:3000", "127.0.0.1"])
def test_its_own_names_are_served(host):
    assert is_served(host=host)


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "127.0.0.1.attacker.example:3000",
        "user@127.0.0.1",
        "127.0.0.1:no-number",
        "127.0.0.1/x",
        "0.0.0.0:3000",
        "",
        [],
        [OWN, "attacker.example"],
    ],
)
def test_no_other_host_is_served(host):
    assert not is_served(host=host, method="GET")
    assert not is_served(host=host, kind="websocket")


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({}, True),  # no browser
        ({"origin": f"http://{OWN}"}, True),
        ({"origin": f"http://{OWN}", "sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"origin": "http://attacker.example"}, False),
        ({"origin": "http://127.0.0.1:8000"}, False),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://[::1"}, False),
        ({"origin": "http://[not-an-address]"}, False),
        ({"origin": ""}, False),
        ({"origin": [f"http://{OWN}", "http://attacker.example"]}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"origin": f"http://{OWN}", "sec_fetch_site": "cross-site"}, False),
    ],
)
def test_what_changes_something_comes_from_its_own_pages(headers, served):
    for request in ({"method": "POST"}, {"method": "DELETE"}, {"kind": "websocket"}):
        assert is_served(host=OWN, **request, **headers) is served
    assert is_served(host=OWN, method="GET", **headers)


def test_names_of_a_server_that_is_reached_from_outside():
    reached = {"bound": "0.0.0.0", "address": "192.0.2.7"}
    assert is_served(**reached, host="192.0.2.7:3000", origin="http://192.0.2.7:3000")
    assert not is_served(**reached, host="bot.example")
    named = {**reached, "named": ["bot.example"]}
    assert is_served(**named, host="bot.example", origin="https://bot.example")
    assert is_served(**named, host=OWN, origin="https://bot.example")  # a proxy that hides the name
    assert not is_served(**named, host=OWN, origin="https://bot.example:8443")
    assert is_served(bound="192.0.2.7", host="192.0.2.7:3000")


@pytest.mark.parametrize(
    ("bound", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
        ("::1", "http://[::1]:3000"),
        ("0:0:0:0:0:0:0:0", "http://[::1]:3000"),
        ("2001:DB8:0::7", "http://[2001:DB8:0::7]:3000"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:3000"),
        ("localhost", "http://localhost:3000"),
        ("Bot.example", "http://Bot.example:3000"),
    ],
)
def test_the_address_that_is_shown_is_served(bound, shown):
    assert url(bound, 3000) == shown
    host = urlsplit(shown).netloc.lower()
    assert is_served(bound=bound, host=host, origin=f"http://{host}", address="192.0.2.1")


def test_an_ipv6_address_is_known_however_it_is_written():
    reached = {"bound": "::", "address": "2001:db8::7%eth0"}
    assert is_served(**reached, host="[2001:db8::7]:3000")
    assert is_served(**reached, host="[2001:DB8:0:0::7]:3000")
    assert not is_served(**reached, host="[2001:db8::8]:3000")
