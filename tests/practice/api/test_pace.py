"""A round every few minutes, by a clock that plays the calendar."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.rules.clock import Clock, Pace, Refused, Round, newest_opened
from numebot_dagster.practice.server import PracticeServer

# Round 1279 is that of Saturday 30 May 2026, 1280 that of Tuesday 2 June.
PACE = Pace(first=1279, began=1000.0, seconds=300.0)


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        (1000.0, "2026-05-30T12:00:00"),
        (1090.0, "2026-05-30T12:01:30"),  # as fast as the wall clock inside a window
        (1180.0, "2026-05-30T12:03:00"),
        (1240.0, "2026-06-01T00:01:30"),  # half of the rest of the way to Tuesday
        (1300.0, "2026-06-02T12:00:00"),
        (1600.0, "2026-06-03T12:00:00"),
        (1000.0 + 5 * 300, "2026-06-06T12:00:00"),
    ],
)
def test_the_pace(wall: float, instant: str) -> None:
    assert PACE.at(wall) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_the_pace_never_goes_back_and_every_window_is_three_fifths() -> None:
    instants = [PACE.at(1000.0 + second) for second in range(0, 3001, 7)]
    assert instants == sorted(instants)
    store = {"clock": "paced", "now": "", "pace": f"1279 {time.time() - 400!r} 300.0"}
    clock = Clock(store)
    assert clock.is_real
    now = newest_opened(clock.now())
    assert now.number == 1280
    assert clock.deadline(now) == now.open_time + timedelta(minutes=3)
    assert Clock({"clock": "still", "now": "2026-06-01T00:00:00+00:00"}).deadline(now) is None
    with pytest.raises(Refused, match="cannot be advanced"):
        clock.advance_to(datetime(2030, 1, 1, tzinfo=UTC))


@pytest.mark.process
def test_rounds_open_and_close_by_themselves(tmp_path: Path) -> None:
    plan = Plan(models=("one",), minutes_a_round=0.05)  # three seconds, of which 1.8 are open
    with PracticeServer(tmp_path, plan) as practice:
        seen: list[tuple[int, bool]] = []
        deadline = time.monotonic() + 30
        while len({number for number, is_open in seen if is_open}) < 2:
            assert time.monotonic() < deadline
            state = practice.state()
            seen.append((state["newest_round"], state["open_round"] is not None))
            time.sleep(0.05)
        first = Round(min(number for number, is_open in seen if is_open))
        assert (first.number, False) in seen  # it had closed before the next opened
        [shown] = [
            round_ for round_ in practice.state()["rounds"] if round_["number"] == first.number
        ]
        closes = datetime.fromisoformat(shown["close_staking_time"])
        assert closes - first.open_time == timedelta(seconds=1.8)
        with pytest.raises(Refused, match="cannot be advanced"):
            practice.advance("next-open")
