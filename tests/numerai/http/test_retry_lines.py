"""One cause of retries is one line, with a countdown now and then."""

from __future__ import annotations

import logging

from numebot_dagster.numerai.http import retry_lines
from numebot_dagster.numerai.http.retry_lines import RetryLines


def test_a_cause_is_said_once_and_then_every_half_minute(caplog, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(retry_lines.time, "monotonic", lambda: clock[0])
    caplog.set_level(logging.INFO)
    lines = RetryLines(logging.getLogger("any"))
    lines.answered()
    for second in range(0, 70, 5):
        clock[0] = float(second)
        lines.retried("Connection refused", 120.0 - second)
    lines.retried("status 503", 50.0)
    lines.answered()
    lines.answered()
    lines.retried("status 503", 40.0)
    clock[0] += 1000.0
    lines.retried("status 503", 30.0)
    assert caplog.messages == [
        "Connection refused; trying again for another 120 s",
        "Connection refused; still failing; trying for another 90 s",
        "Connection refused; still failing; trying for another 60 s",
        "status 503; trying again for another 50 s",
        "Numerai answers again",
        "status 503; trying again for another 40 s",
        "status 503; trying again for another 30 s",
    ]
