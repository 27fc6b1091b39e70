"""The book of faults: what is added, what strikes how often, and deadlines that move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.practice.faults.book import FaultBook
from numebot_dagster.practice.faults.fault import PlacedFault
from numebot_dagster.practice.faults.kinds import KINDS
from numebot_dagster.practice.rules.clock import Clock, Refused, Round
from numebot_dagster.practice.rules.deadlines import Deadlines
from numebot_dagster.practice.rules.state import State

ROUNDS = "graphql:rounds"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path)
    state.settings.update({"clock": "still", "now": "2026-06-02T12:00:01+00:00", "seed": "0"})
    yield state
    state.close()


def book_of(state: State) -> FaultBook:
    clock = Clock(state.settings)
    return FaultBook(state, clock, Deadlines(state, clock))


@pytest.fixture
def book(state: State) -> FaultBook:
    return book_of(state)


def struck(book: FaultBook, *endpoints: str) -> list[str]:
    return [fault.kind for fault in book.strike(endpoints)]


def test_where_and_how_often(book: FaultBook) -> None:
    book.add({"kind": "status", "where": "graphql:*", "times": 2})
    book.add({"kind": "cut", "where": "download:*live*"})
    assert struck(book, "download:v5.3/live.parquet") == ["cut"]
    assert struck(book, "graphql:account", ROUNDS) == ["status"]
    assert struck(book, "upload:p.csv") == []
    assert struck(book, ROUNDS) == ["status"]
    assert struck(book, ROUNDS) == []  # used up
    assert struck(book, "download:v5.3/live.parquet") == ["cut"]
    assert [(placed.seen, placed.struck) for placed in book.all()] == [(2, 2), (2, 2)]


def test_faults_survive_a_restart(state: State, book: FaultBook) -> None:
    book.add({"kind": "status", "times": 3, "values": {"status": 502}, "minutes": 5})
    struck(book, ROUNDS)
    again = book_of(state)
    assert again.all() == book.all()
    [placed] = again.all()
    assert (placed.struck, placed.fault.values["status"], placed.times) == (1, 502.0, 3)
    assert placed.until == datetime(2026, 6, 2, 12, 5, 1, tzinfo=UTC)


def test_a_fault_ends_by_the_tournaments_time(state: State, book: FaultBook) -> None:
    book.add({"kind": "html", "minutes": 5})
    assert struck(book, ROUNDS) == ["html"]
    Clock(state.settings).advance_to(datetime(2026, 6, 2, 12, 5, 1, tzinfo=UTC))
    assert struck(book, ROUNDS) == []


def test_probability_is_drawn_from_the_seed(book: FaultBook) -> None:
    def draws(seed: int) -> list[bool]:
        added = book.add({"kind": "status", "probability": 0.3, "seed": seed})
        results = [bool(struck(book, ROUNDS)) for _ in range(200)]
        book.remove(added.id)
        return results

    first = draws(1)
    assert draws(1) == first
    assert draws(2) != first
    assert 35 < sum(first) < 85


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_certain_faults_are_certain(seed: int, seen: int) -> None:
    html = KINDS["html"]()
    assert PlacedFault(html, "*", probability=1.0, seed=seed, seen=seen).draws()
    assert not PlacedFault(html, "*", probability=0.0, seed=seed, seen=seen).draws()


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"kind": "gremlins"}, "no fault 'gremlins'; choose one of latency"),
        ({}, "no fault None"),
        ({"kind": "cut", "values": {"seconds": 1}}, "seconds cannot be set for cut"),
        ({"kind": "cut", "values": {"bytes": "many"}}, "cut: could not convert"),
        ({"kind": "cut", "times": 0}, "strikes once at least"),
        ({"kind": "cut", "probability": 2}, "probability from 0 to 1"),
        ({"kind": "cut", "colour": "red"}, "has no colour"),
        ({"kind": "field-removed", "values": {"field": "Payout.nope"}}, "no field Payout.nope"),
        ({"kind": "field-removed", "values": {"field": "Round.*"}}, "no field Round"),
        ({"kind": "null", "values": {"field": "Nope.*"}}, "may be null matches Nope"),
        ({"kind": "null", "values": {"field": "Payout.payoutNmr "}}, "may be null matches"),
        ({"kind": "status", "values": {"status": 99}}, "status must be from 200 to 599, not 99"),
        ({"kind": "target-switched", "values": {"days": 30}}, "over 20 and 60 days only"),
        (
            {"kind": "latency", "values": {"seconds": "inf"}},
            "seconds must be finite, not inf",
        ),
        ({"kind": "latency", "values": {"seconds": -1}}, "seconds must be 0 or more, not -1"),
        ({"kind": "late-data", "where": "graphql:rounds"}, "strikes download:… only"),
        ({"kind": "invalid-later", "where": "graphql:*"}, "strikes submission:… only"),
        ({"kind": "html", "minutes": 1e300}, "html: "),
    ],
)
def test_what_is_no_fault_is_refused(book: FaultBook, asked: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        book.add(asked)
    assert book.all() == []


def test_removal(book: FaultBook) -> None:
    first = book.add({"kind": "html"})
    book.add({"kind": "cut"})
    assert book.remove(first.id) == 1
    assert [placed.kind for placed in book.all()] == ["cut"]
    with pytest.raises(Refused, match="there is no fault 1"):
        book.remove(first.id)
    assert book.remove() == 1
    assert book.all() == []


# --- deadlines --------------------------------------------------------------------------------

CLOSE = datetime(2026, 6, 2, 13, tzinfo=UTC)  # of round 1280


def closes(state: State, number: int) -> datetime:
    return Deadlines(state, Clock(state.settings)).round(number).close_staking_time


@pytest.mark.parametrize(
    ("now", "number", "closing"),
    [
        ("2026-06-02T12:30:00+00:00", 1280, "2026-06-02T12:50:00+00:00"),
        ("2026-06-02T13:00:00+00:00", 1281, "2026-06-03T12:50:00+00:00"),
    ],
)
def test_a_deadline_belongs_to_the_next_round_to_close(
    state: State, book: FaultBook, now: str, number: int, closing: str
) -> None:
    state.settings["now"] = now
    added = book.add({"kind": "deadline-moved", "values": {"minutes": -10}})
    assert added.fault.values["round"] == number
    assert closes(state, number) == datetime.fromisoformat(closing)
    assert closes(state, number + 1) == Round(number + 1).close_staking_time


def test_the_next_round_to_close_by_the_pace(state: State) -> None:
    """The window has closed by its pace, although not by the calendar."""
    began = time.time() - 200  # of 300 seconds, of which 180 were open
    state.settings.update({"clock": "paced", "pace": f"1280 {began!r} 300.0"})
    book = book_of(state)
    assert (
        book.add({"kind": "deadline-moved", "values": {"minutes": -1}}).fault.values["round"]
        == 1281
    )
    assert closes(state, 1281) == Round(1281).open_time + timedelta(minutes=2)
    assert closes(state, 1280) == Round(1280).open_time + timedelta(minutes=3)


def test_the_next_round_to_close_after_an_early_close(state: State, book: FaultBook) -> None:
    book.add({"kind": "deadline-moved", "values": {"minutes": -30}})
    state.settings["now"] = "2026-06-02T12:30:00+00:00"
    assert book.add({"kind": "deadline-moved"}).fault.values["round"] == 1281


@pytest.mark.parametrize(
    ("minutes", "cleared_at", "closing"),
    [
        (-10, "2026-06-02T12:30:00+00:00", "2026-06-02T13:00:00+00:00"),  # both lie ahead
        (-10, "2026-06-02T12:50:00+00:00", "2026-06-02T12:50:00+00:00"),  # it has closed
        (-10, "2026-06-09T12:50:00+00:00", "2026-06-02T12:50:00+00:00"),
        (90, "2026-06-02T12:30:00+00:00", "2026-06-02T13:00:00+00:00"),
        (90, "2026-06-02T13:30:00+00:00", "2026-06-02T14:30:00+00:00"),  # the old one has passed
        (-10_000, "2026-06-02T12:00:01+00:00", "2026-06-02T12:00:01+00:00"),  # closes now
    ],
)
def test_a_deadline_is_a_fact(
    state: State, book: FaultBook, minutes: float, cleared_at: str, closing: str
) -> None:
    book.add({"kind": "deadline-moved", "values": {"minutes": minutes}})
    state.settings["now"] = cleared_at
    assert book.remove() == 1
    assert closes(state, 1280) == datetime.fromisoformat(closing)
    assert Deadlines(state, Clock(state.settings)).of(1279) is None


def test_two_moves_of_one_deadline(state: State, book: FaultBook) -> None:
    first = book.add({"kind": "deadline-moved", "values": {"minutes": -10}})
    book.add({"kind": "deadline-moved", "values": {"minutes": -5}})
    assert closes(state, 1280) == CLOSE - timedelta(minutes=15)
    book.remove(first.id)
    assert closes(state, 1280) == CLOSE - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"probability": 0.5}, "has no probability"),
        ({"seed": 3, "where": "graphql:rounds"}, "has no where, seed"),
        ({"times": 2}, "has no times"),
        ({"minutes": 5}, "has no minutes; set minutes and round among its values"),
        ({"values": {"round": 1279}}, "round 1279 has closed"),
        ({"values": {"minutes": 10_000}}, "to Wed 03 Jun 12:00 UTC at the latest"),
        ({"values": {"minutes": "nan"}}, "minutes must be finite, not nan"),
    ],
)
def test_deadlines_that_cannot_be_moved(
    state: State, book: FaultBook, more: dict[str, Any], text: str
) -> None:
    with pytest.raises(Refused, match=text):
        book.add({"kind": "deadline-moved", **more})
    assert book.all() == []
    assert closes(state, 1280) == CLOSE


def test_a_claim_is_counted_while_the_fault_lasts(book: FaultBook) -> None:
    fault = book.add({"kind": "two-payouts", "times": 1})
    assert [placed.kind for placed in book.strike([ROUNDS])] == ["two-payouts"]
    [again] = book.strike([ROUNDS])  # nothing was changed, so it is not used up
    assert (book.claim(fault), book.claim(again)) == (True, False)
    assert [(placed.seen, placed.struck) for placed in book.all()] == [(2, 1)]
    assert book.strike([ROUNDS]) == []
    book.remove()
    assert not book.claim(fault)
