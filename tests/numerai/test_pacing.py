from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.numerai.pacing import ServerClock, TokenBucket, shared_bucket


def test_a_burst_is_free_and_then_the_rate_holds_over_all_threads():
    bucket = TokenBucket(rate=50, burst=5)
    started = time.monotonic()
    threads = [threading.Thread(target=lambda: [bucket.take() for _ in range(5)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.38 < time.monotonic() - started < 0.8  # (25 - 5) / 50 seconds


def test_tokens_come_back_but_never_more_than_the_burst():
    bucket = TokenBucket(rate=100, burst=2)
    bucket.take()
    bucket.take()
    time.sleep(0.1)
    started = time.monotonic()
    bucket.take()
    bucket.take()
    assert time.monotonic() - started < 0.005
    bucket.take()
    assert time.monotonic() - started > 0.005


def test_an_endpoint_has_one_bucket_in_the_process():
    assert shared_bucket("http://a", 1, 1) is shared_bucket("http://a", 1, 1)
    assert shared_bucket("http://a", 1, 1) is not shared_bucket("http://b", 1, 1)


@pytest.mark.parametrize("header", [None, "", "tomorrow"])
def test_a_date_that_is_none_leaves_the_clock_alone(header):
    clock = ServerClock()
    clock.observe(header)
    assert clock.skew is None


def test_a_local_clock_that_is_set_does_not_move_numerais_time():
    clock = ServerClock()
    clock.observe("Fri, 28 Aug 2026 12:00:00 GMT")
    first = clock.now()
    time.sleep(0.05)
    assert timedelta(seconds=0.04) < clock.now() - first < timedelta(seconds=0.5)
    assert first - datetime(2026, 8, 28, 12, tzinfo=UTC) < timedelta(seconds=1)
