"""Numerai's limits: kept together by all processes, obeyed when Numerai says that it is enough."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from numebot_dagster.lake import locks
from numebot_dagster.numerai import queries
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.numerai.http import rate_limits
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.rate_limits import Budget, Limit, allowed
from numebot_dagster.numerai.http.root_fields import operations_of
from numebot_dagster.numerai.http.transport import Transport

GOOD = {"body": b'{"data": {"rounds": []}}'}
QUICKLY = Deadline.after(1e6)


@pytest.fixture
def limited(monkeypatch):
    """Return an operation of which Numerai allows ten calls a second."""
    monkeypatch.setitem(rate_limits.LIMITS, "rounds", Limit(10, 1.0))
    monkeypatch.setitem(rate_limits.LIMITS, "account", Limit(100, 1.0))


@pytest.fixture
def budget(limited, tmp_path):
    return Budget(tmp_path / "requests.json")


def seconds_for(budget, calls, name="rounds", **more):
    started = time.monotonic()
    for _ in range(calls):
        budget.take([name], QUICKLY, **more)
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        (queries.FLEET, ["account"]),
        (queries.ROUNDS, ["rounds"] * 3),
        (queries.ACCOUNT, ["apiTokenInfo", "account"]),
        (queries.submission_states(3), ["submissions"] * 3),
        (queries.CREATE_SUBMISSION, ["createSubmission"]),
        ('query { a: b(c: "{ d }") { e } # { f }\n g }', ["b", "g"]),
        ("{ one { two { three } } four }", ["one", "four"]),
    ],
)
def test_root_fields(text, operations):
    assert list(operations_of(text)) == operations


def test_every_operation_of_ours_has_a_limit():
    used = {name for text in queries.ALL.values() for name in operations_of(text)}
    assert used - {"__type"} <= set(rate_limits.LIMITS)


@pytest.mark.parametrize(
    ("limit", "share", "calls"),
    [(100, 0.8, 80), (100, 0.6, 60), (10, 0.6, 8), (5, 0.8, 4), (1, 0.8, 1)],
)
def test_a_part_is_left_to_others(limit, share, calls):
    assert allowed(Limit(limit, 60.0), share) == calls


def test_what_is_past_the_limit_waits_for_the_window(budget):
    assert seconds_for(budget, 8) < 0.5
    assert 0.4 < seconds_for(budget, 1) < 1.5
    assert seconds_for(budget, 30, "unknown") < 0.5


def test_a_round_is_not_starved_by_what_has_time(budget):
    hasty, patient = rate_limits.SHARE, rate_limits.SHARE_WITHOUT_DEADLINE
    assert seconds_for(budget, 60, "account", share=patient) < 0.5
    assert seconds_for(budget, 20, "account", share=hasty) < 0.3
    assert seconds_for(budget, 1, "account", share=patient) > 0.1


def test_a_wait_that_is_too_long_is_an_error_at_once(budget, monkeypatch):
    monkeypatch.setitem(rate_limits.LIMITS, "rounds", Limit(10, 60.0))
    seconds_for(budget, 8)
    started = time.monotonic()
    with pytest.raises(NumeraiUnavailable, match="limit on rounds leaves no call for another 60 s"):
        budget.take(["rounds"], Deadline.after(5.0))
    assert time.monotonic() - started < 1


def test_a_wait_is_said(budget, monkeypatch, caplog):
    monkeypatch.setattr(rate_limits, "WORTH_SAYING", 0.1)
    caplog.set_level(logging.INFO)
    seconds_for(budget, 9, log=logging.getLogger("test"))
    [line] = [record.getMessage() for record in caplog.records]
    assert line == "rounds: waiting 1 s, to keep to Numerai's limit"


PROCESS = """
import sys, time
from pathlib import Path
from numebot_dagster.numerai.http import rate_limits
from numebot_dagster.numerai.http.deadline import Deadline
rate_limits.LIMITS["rounds"] = rate_limits.Limit(50, 600.0)
budget = rate_limits.Budget(Path(sys.argv[1]))
taken = 0
try:
    while True:
        budget.take(["rounds"], Deadline.after(5.0))
        taken += 1
except Exception as error:
    print(taken, error)
"""


@pytest.mark.process
def test_processes_share_one_window(tmp_path):
    arguments = [sys.executable, "-c", PROCESS, str(tmp_path / "requests.json")]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    texts = [process.communicate(timeout=60)[0] for process in running]
    assert sum(int(text.split()[0]) for text in texts) == 40
    assert all("limit on rounds" in text for text in texts)


def test_months_that_pass_at_numerai_free_the_window(budget, monkeypatch):
    monkeypatch.setitem(rate_limits.LIMITS, "rounds", Limit(10, 60.0))
    seconds_for(budget, 8, offset=1000.0)
    assert seconds_for(budget, 8, offset=1000.0 + 86_400) < 1
    with pytest.raises(NumeraiUnavailable):
        budget.take(["rounds"], Deadline.after(1.0), offset=1000.0 + 86_410)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff\xfe\x00", b'{"calls": {"rounds": 7}}', b"[" * 5000]
)
def test_a_damaged_file_costs_only_what_it_held(budget, tmp_path, content):
    (tmp_path / "requests.json").write_bytes(content)
    assert seconds_for(budget, 8) < 0.5
    assert 0.4 < seconds_for(budget, 1) < 1.5
    assert Counter(json.loads((tmp_path / "requests.json").read_text())["calls"].keys()) == {
        "rounds": 1
    }


def test_without_a_file_each_process_keeps_the_limit(limited, tmp_path):
    budget = Budget(tmp_path / "no folder" / "locks" / "requests.json")
    assert seconds_for(budget, 8) < 0.5
    assert 0.4 < seconds_for(budget, 1) < 1.5
    assert list(tmp_path.iterdir()) == []


def test_on_a_full_disk_each_process_keeps_the_limit(budget, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    budget.take(["rounds"], QUICKLY)
    for name in ("pwrite", "write", "ftruncate"):
        monkeypatch.setattr(os, name, full)
    assert seconds_for(budget, 7) < 0.5
    assert 0.4 < seconds_for(budget, 1) < 1.5
    with locks.exclusive(budget._path.with_name("lock")):
        pass


REFUSED = "Rate limit exceeded for rounds: 10 calls in 1 seconds; retry in 1 seconds"


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"body": json.dumps({"data": None, "errors": [{"message": REFUSED}]}).encode()},
    ],
    ids=["status", "error"],
)
def test_a_refusal_is_obeyed_by_all_processes(server, make_settings, tmp_path, reply):
    (tmp_path / "data").mkdir()
    settings = make_settings(server.url, numerai_data_folder=tmp_path / "data")
    server.replies = [reply, GOOD]
    assert Transport(settings).query("query { rounds }") == {"rounds": []}
    first, second = (request.at for request in server.requests)
    assert 0.9 < second - first < 2.5
    [path] = (tmp_path / "data" / "locks").iterdir()
    other = Budget(path)  # as another process has it
    server.replies = [{"status": 429, "headers": {"Retry-After": "99999999999"}}]
    with pytest.raises(NumeraiUnavailable):
        Transport(make_settings(server.url, numerai_data_folder=tmp_path / "data",
                                numebot_retry_deadline=0.3)).query("query { rounds }")  # fmt: skip
    with pytest.raises(NumeraiUnavailable, match=r"no call for another 1\d\d s"):
        other.take(["rounds"], Deadline.after(10.0))
    other.take(["account"], Deadline.after(1.0))
