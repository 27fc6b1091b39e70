from __future__ import annotations

import time

import pytest

from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.numerai.http import pacing
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.error_translation import PassingFault
from numebot_dagster.numerai.http.pacing import Patience


def failing(*_):
    raise PassingFault("in vain")


def test_retries_end_at_whichever_deadline_comes_first(monkeypatch):
    monkeypatch.setattr(pacing, "_FIRST_WAIT", 0.02)
    started = time.monotonic()
    with pytest.raises(PassingFault, match=r"in vain; the phase may take 0\.3 s"):
        Patience(60.0).persist(failing, until=Deadline.after(0.3, "the phase"))
    with pytest.raises(PassingFault, match=r"in vain$"):
        Patience(0.3).persist(failing, until=Deadline.after(60.0, "the phase"))
    assert time.monotonic() - started < 2


def test_what_comes_after_the_deadline_is_not_even_tried():
    tries = []
    with pytest.raises(NumeraiUnavailable, match="the phase may take 0 s"):
        Patience(60.0).persist(tries.append, until=Deadline.after(0.0, "the phase"))
    assert tries == []


def test_a_deadline_is_only_ever_brought_forward():
    near, far = Deadline.after(1.0, "near"), Deadline.after(9.0, "far")
    assert near.earlier(far) is far.earlier(near) is near.earlier(None) is near
    assert 0.9 < near.left <= 1.0
