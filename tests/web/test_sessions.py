"""Sessions of the UI: who has logged in, until when."""

from __future__ import annotations

import pytest

from numebot_dagster.web.sessions import LIFETIME, Sessions


@pytest.fixture
def clock():
    moments = [1000.0]
    clock = lambda: moments[0]  # noqa: E731
    clock.set = lambda seconds: moments.__setitem__(0, seconds)
    return clock


def test_a_session_lasts_until_it_expires(clock):
    sessions = Sessions(clock)
    cookie = sessions.begin()
    clock.set(1000 + LIFETIME - 1)
    assert sessions.is_open(cookie)
    clock.set(1000 + LIFETIME)
    assert not sessions.is_open(cookie)


def test_a_session_that_was_ended_is_over_and_no_other(clock):
    sessions = Sessions(clock)
    first, second = sessions.begin(), sessions.begin()
    sessions.end(first)
    assert not sessions.is_open(first)
    assert sessions.is_open(second)


def test_no_cookie_can_be_made_or_changed(clock):
    sessions = Sessions(clock)
    name, expiry, signature = sessions.begin().split(".")
    forged = [
        "",
        ".",
        "..",
        "é.9999999.0",
        f"{name}.{int(expiry) + 1}.{signature}",
        f"other.{expiry}.{signature}",
        f"{name}.{expiry}.{signature[:-1]}",
        f"{name}.{expiry}.",
        f"{name}.{expiry}",
        Sessions(clock).begin(),  # of another start
    ]
    for cookie in forged:
        assert not sessions.is_open(cookie)
        sessions.end(cookie)
    assert sessions.is_open(f"{name}.{expiry}.{signature}")
