"""Long work says that it goes on, and is silent when it is over."""

from __future__ import annotations

import logging
import re
import time

from numebot_dagster.operations import long_work


def test_it_is_told_that_work_goes_on_until_it_ends(caplog, monkeypatch):
    monkeypatch.setattr(long_work, "SECONDS_BETWEEN_LINES", 0.02)
    caplog.set_level(logging.INFO)
    with long_work.reported(logging.getLogger("any"), "a: scoring 3 eras"):
        time.sleep(0.2)
    first, *others = caplog.messages
    assert first == "a: scoring 3 eras"
    assert len(others) >= 2
    assert all(re.fullmatch(r"a: scoring 3 eras: \d+ s so far", line) for line in others)
    time.sleep(0.1)
    assert caplog.messages == [first, *others]


def test_it_is_said_how_far_work_is_unless_it_is_over_soon(caplog, monkeypatch):
    monkeypatch.setattr(long_work, "SECONDS_BETWEEN_LINES", 0.02)
    caplog.set_level(logging.INFO)
    with long_work.followed(logging.getLogger("any"), "Downloading a", lambda: "1 of 2 MB"):
        pass
    assert caplog.messages == []
    monkeypatch.setattr(long_work, "SECONDS_WITHOUT_A_LINE", 0.01)
    with long_work.followed(logging.getLogger("any"), "Downloading a", lambda: "1 of 2 MB"):
        time.sleep(0.2)
    assert len(caplog.messages) >= 2
    assert set(caplog.messages) == {"Downloading a: 1 of 2 MB"}


def test_it_is_told_how_many_are_done(caplog, monkeypatch):
    clock = iter([0.0, 1.0, 2.5, 2.5, 3.0, 5.0, 5.0])
    monkeypatch.setattr(long_work.time, "monotonic", lambda: next(clock))
    caplog.set_level(logging.INFO)
    assert list(long_work.each(logging.getLogger("any"), "Reading", "abcd")) == list("abcd")
    assert caplog.messages == ["Reading: 1 of 4", "Reading: 3 of 4"]
