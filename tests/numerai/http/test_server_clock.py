"""Numerai's time: one wrong `Date`, or a clock of ours that is wrong, leads nobody astray."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.numerai.http import server_clock
from numebot_dagster.numerai.http.server_clock import ServerClock
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.numerai.records import Round

HOUR = timedelta(hours=1)
SOON = timedelta(seconds=5)


def header(moment):
    return format_datetime(moment, usegmt=True)


def local():
    return datetime.now(UTC)


def open_around(moment):
    return Round(1, moment - HOUR / 2, moment + HOUR / 2)


@pytest.mark.parametrize(
    "text",
    [None, "", "tomorrow", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
     "Mon, 01 Jun 2026 12:00:00 +99999999", "Mon, 99 Jun 2026 12:00:00 GMT", "²"],
)  # fmt: skip
def test_a_date_that_is_none_leaves_the_clock_alone(text):
    clock = ServerClock()
    clock.observe(text)
    assert (clock.skew, clock.asks) == (None, False)


def test_a_local_clock_that_is_set_does_not_move_numerais_time():
    clock = ServerClock()
    clock.observe("Fri, 28 Aug 2026 12:00:00 GMT")
    first = clock.now()
    time.sleep(0.05)
    assert timedelta(seconds=0.04) < clock.now() - first < timedelta(seconds=0.5)
    assert first - datetime(2026, 8, 28, 12, tzinfo=UTC) < timedelta(seconds=1)


@pytest.mark.parametrize("off", [-2 * HOUR, 2 * HOUR])
def test_a_date_outside_the_open_round_is_not_believed(off, caplog):
    """A proxy with a wrong clock: the round that is open says so."""
    clock = ServerClock()
    clock.observe(header(local() + off))
    assert clock.asks
    clock.judge([open_around(local())])
    for _ in range(3):  # nor is it asked for again
        assert (clock.asks, abs(clock.now() - local()) < SOON) == (False, True)
        clock.observe(header(local() + off))
    clock.observe(header(local()))
    assert abs(clock.now() - local()) < SOON
    assert "lies in none of the rounds that it calls open" in caplog.text


@pytest.mark.parametrize("off", [-2 * HOUR, 2 * HOUR, timedelta(days=-300)])
def test_a_wrong_local_clock_gives_way(off):
    """The same difference, but the open round agrees with Numerai's answers."""
    clock = ServerClock()
    clock.observe(header(local() + off))
    clock.judge([open_around(local() + off)])
    assert abs(clock.now() - (local() + off)) < SOON
    clock.observe(header(local() + off + HOUR))  # one answer passes a proxy with a wrong clock
    clock.judge([open_around(local() + off)])
    assert abs(clock.now() - (local() + off)) < SOON


def test_a_slow_local_clock_does_not_open_a_round_again():
    """Numerai's list may lag behind, and still call open what its own clock has closed."""
    clock, real = ServerClock(), local() + HOUR / 2
    clock.observe(header(real))
    clock.judge([Round(1, real - HOUR, real - timedelta(minutes=10))])
    assert abs(clock.now() - real) < SOON


def test_a_question_that_nobody_answers_decides_nothing(server, make_settings, monkeypatch):
    open_round = (
        f'{{"data": {{"rounds": [{{"number": 7, "openTime": "{local() - HOUR / 2}", '
        f'"closeStakingTime": "{local() + HOUR / 2}"}}]}}}}'
    )
    fleet = {"body": b'{"data": {"account": {"models": []}}}'}
    # The question's own retries end with it, so that a later call is the next one.
    server.replies = [fleet, {"status": 400}, {"body": open_round.encode()}]
    server.date = header(local() + 2 * HOUR)
    client = NumeraiClient(Transport(make_settings(server.url)))
    client.fleet()
    client.now()
    client.now()  # which does not ask at once again
    assert len(server.requests) == 2
    monkeypatch.setattr(server_clock, "DOUBT_PAUSE", 0.0)
    client.transport.clock.was_not_answered()
    assert abs(client.now() - local()) < SOON


def test_without_an_open_round_the_date_is_believed():
    """As when a practice tournament is moved by months."""
    clock = ServerClock()
    for days in (10, 100, 50):
        clock.observe(header(local() + timedelta(days=days)))
        clock.judge([])
        assert abs(clock.now() - local() - timedelta(days=days)) < SOON


def test_the_client_asks_for_the_open_round_when_in_doubt(server, make_settings):
    open_round = (
        '{"data": {"account": {"models": []}, "rounds": [{"number": 7, '
        f'"openTime": "{(local() - HOUR / 2).isoformat()}", '
        f'"closeStakingTime": "{(local() + HOUR / 2).isoformat()}"}}]}}}}'
    )
    server.replies = [{"body": open_round.encode()}]
    server.date = header(local() + 2 * HOUR)
    client = NumeraiClient(Transport(make_settings(server.url)))
    client.fleet()
    assert abs(client.now() - local()) < SOON
    client.fleet()
    assert abs(client.now() - local()) < SOON
    assert len(server.requests) == 3  # one question for the clock's sake
