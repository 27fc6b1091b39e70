"""Long work says that it goes on, and is silent when it is over."""

from __future__ import annotations

import logging
import re
import time

from numebot_dagster.operations import patience


def test_it_is_told_that_work_goes_on_until_it_ends(caplog, monkeypatch):
    monkeypatch.setattr(patience, "SECONDS_BETWEEN_LINES", 0.02)
    caplog.set_level(logging.INFO)
    with patience.told(logging.getLogger("any"), "a: scoring 3 eras"):
        time.sleep(0.2)
    first, *others = caplog.messages
    assert first == "a: scoring 3 eras"
    assert len(others) >= 2
    assert all(re.fullmatch(r"a: scoring 3 eras: \d+ s so far", one) for one in others)
    time.sleep(0.1)
    assert caplog.messages == [first, *others]
