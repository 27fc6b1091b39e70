"""The pauses after wrong passwords."""

from __future__ import annotations

import pytest

from numebot_dagster.web.throttle import (
    BY_ADDRESS,
    IN_ALL,
    MOST_RECOGNIZED,
    SECONDS_REMEMBERED,
    Throttle,
)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(clock):
    return Throttle(clock)


def fail(throttle, times, address="192.0.2.1"):
    for _ in range(times):
        throttle.failed(address)


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (14, 512), (15, 900), (99, 900)]
)
def test_the_pause_grows_with_each_failure(throttle, failures, pause):
    fail(throttle, failures, "127.0.0.1")
    assert throttle.pause("127.0.0.1") == pause


def test_a_pause_ends_and_what_is_long_ago_is_forgotten(throttle, clock):
    fail(throttle, BY_ADDRESS.free + 3)
    clock.now = 7.5
    assert throttle.pause("192.0.2.1") == 1
    clock.now = 8
    assert throttle.pause("192.0.2.1") == 0
    clock.now = 8 + SECONDS_REMEMBERED + 1
    fail(throttle, 1)
    assert throttle.pause("192.0.2.1") == 0
    assert len(throttle._by_source) == 1


def test_the_right_password_forgets_the_wrong_ones(throttle):
    fail(throttle, BY_ADDRESS.free)
    assert throttle.pause("192.0.2.1")
    throttle.forgive("192.0.2.1")
    assert throttle.pause("192.0.2.1") == 0


def test_many_addresses_are_slowed_down_together_but_not_the_owner(throttle):
    for number in range(IN_ALL.free + 20):
        throttle.failed(f"198.51.100.{number}")
    assert throttle.pause("203.0.113.1") == IN_ALL.longest
    assert throttle.pause("127.0.0.1") == 0
    assert throttle.pause("::1") == 0
    throttle.recognize("203.0.113.1")
    assert throttle.pause("203.0.113.1") == 0
    fail(throttle, BY_ADDRESS.free, "203.0.113.1")
    assert throttle.pause("203.0.113.1") == 1  # for its own failures only


def test_the_addresses_that_came_in_last_are_recognized(throttle):
    fail(throttle, IN_ALL.free, "198.51.100.1")
    throttle.recognize("192.0.2.1")
    for number in range(MOST_RECOGNIZED - 1):
        throttle.recognize(f"2001:db8:0:{number:x}::1")
    throttle.recognize("192.0.2.1")
    throttle.recognize("203.0.113.1")
    assert throttle.pause("192.0.2.1") == throttle.pause("203.0.113.1") == 0
    assert throttle.pause("2001:db8::1") == 1
    assert len(throttle._recognized) == MOST_RECOGNIZED


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("127.0.0.1", "127.1.2.3", True),
        ("127.1.2.3", "::1", True),
        ("::ffff:127.1.2.3", "127.0.0.1", True),
        ("", "", True),
        ("", "192.0.2.1", False),
    ],
)
def test_what_counts_as_one_address(throttle, first, second, is_same):
    fail(throttle, BY_ADDRESS.free, first)
    assert (throttle.pause(second) > 0) is is_same
