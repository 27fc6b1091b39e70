"""The book of faults, its control API, and the faults that no query of a client shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.practice.clock import Clock, Refused
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.fault_kinds import KINDS
from numebot_dagster.practice.faults import Fault, FaultBook
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.practice.state import State

ROUNDS = "graphql:rounds"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    held = State(tmp_path)
    held.settings.update({"clock": "still", "now": "2026-06-02T12:00:01+00:00", "seed": "0"})
    yield held
    held.close()


@pytest.fixture
def book(state: State) -> FaultBook:
    return FaultBook(state, Clock(state.settings))


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
    assert [(one.seen, one.struck) for one in book.all()] == [(2, 2), (2, 2)]


def test_faults_survive_a_restart(state: State, book: FaultBook) -> None:
    book.add({"kind": "status", "times": 3, "values": {"status": 502}, "minutes": 5})
    struck(book, ROUNDS)
    again = FaultBook(state, Clock(state.settings))
    assert again.all() == book.all()
    [held] = again.all()
    assert (held.struck, held.number("status"), held.times) == (1, 502.0, 3)
    assert held.until == datetime(2026, 6, 2, 12, 5, 1, tzinfo=UTC)


def test_a_fault_ends_by_the_tournaments_time(state: State, book: FaultBook) -> None:
    book.add({"kind": "html", "minutes": 5})
    assert struck(book, ROUNDS) == ["html"]
    Clock(state.settings).advance_to(datetime(2026, 6, 2, 12, 5, 1, tzinfo=UTC))
    assert struck(book, ROUNDS) == []


def test_probability_is_drawn_from_the_seed(book: FaultBook) -> None:
    def draws(seed: int) -> list[bool]:
        added = book.add({"kind": "status", "probability": 0.3, "seed": seed})
        found = [bool(struck(book, ROUNDS)) for _ in range(200)]
        book.remove(added.id)
        return found

    first = draws(1)
    assert draws(1) == first
    assert draws(2) != first
    assert 35 < sum(first) < 85


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_certain_faults_are_certain(seed: int, seen: int) -> None:
    values: dict[str, Any] = {"where": "*", "times": None, "seed": seed, "until": None}
    assert Fault("html", probability=1.0, values={}, seen=seen, **values).draws()
    assert not Fault("html", probability=0.0, values={}, seen=seen, **values).draws()


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
    assert [one.kind for one in book.all()] == ["cut"]
    with pytest.raises(Refused, match="there is no fault 1"):
        book.remove(first.id)
    assert book.remove() == 1
    assert book.all() == []


@pytest.mark.parametrize(
    ("now", "number"),
    [("2026-06-02T12:30:00+00:00", 1280), ("2026-06-02T13:00:00+00:00", 1281)],
)
def test_a_deadline_belongs_to_the_next_round_to_close(
    state: State, book: FaultBook, now: str, number: int
) -> None:
    state.settings["now"] = now
    book.add({"kind": "deadline-moved", "values": {"minutes": -10}})
    assert book.deadlines(number) == timedelta(minutes=-10)
    assert book.deadlines(number + 1) == timedelta()
    state.settings["now"] = "2026-06-05T00:00:00+00:00"
    assert book.deadlines(number) == timedelta(minutes=-10)


def test_every_kind_describes_itself() -> None:
    for name, kind in KINDS.items():
        assert name == kind.name
        assert kind.does.endswith(".")
        assert ":" in kind.where or kind.where in ("*", "rounds")


# --- over HTTP --------------------------------------------------------------------------------


class Hook:
    """A webhook that counts its calls."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder = tmp_path_factory.mktemp("faults")
    with PracticeServer(folder, Plan(models=("one",))) as server:
        server.advance("next-open")
        yield server


def ask(practice: PracticeServer, query: str, **variables: Any) -> requests.Response:
    key = practice.credentials
    return requests.post(
        practice.url,
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Token {key.public_id}${key.secret_key}"},
        timeout=30,
    )


def test_the_control_api(practice: PracticeServer) -> None:
    assert practice.faults() == []
    number = practice.add_fault("status", where=ROUNDS, times=1, values={"status": 503})
    assert ask(practice, "{listDatasets}").status_code == 200
    assert ask(practice, "{rounds {number}}").status_code == 503
    practice.stop()
    practice.start()
    [held] = practice.faults()
    assert (held["id"], held["struck"], held["over"]) == (number, 1, True)
    assert ask(practice, "{rounds {number}}").status_code == 200
    described = requests.get(f"{practice.url}/practice/faults/kinds", timeout=9).json()["kinds"]
    assert set(described) == set(KINDS)
    with pytest.raises(Refused, match="no fault 'x'"):
        practice.add_fault("x")
    assert requests.delete(f"{practice.url}/practice/faults/999", timeout=9).status_code == 400
    assert practice.remove_faults() == 1


def test_snake_case_is_the_same_endpoint(practice: PracticeServer) -> None:
    practice.add_fault("error", where="graphql:submissionUploadAuth", values={"message": "no"})
    try:
        query = 'query {submission_upload_auth(filename: "p.csv", tournament: 8) {url}}'
        assert ask(practice, query).json()["errors"][0]["message"] == "no"
        assert practice.faults()[0]["struck"] == 1
    finally:
        practice.remove_faults()


def test_introspection_shows_the_drift(practice: PracticeServer) -> None:
    practice.add_fault("field-removed", values={"field": "Round.closeTime"})
    try:
        answer = ask(practice, '{__type(name: "Round") {fields {name}}}').json()
    finally:
        practice.remove_faults()
    names = {field["name"] for field in answer["data"]["__type"]["fields"]}
    assert "closeStakingTime" in names
    assert "closeTime" not in names


def test_a_trigger_that_comes_twice(practice: PracticeServer) -> None:
    hook = Hook()
    practice.advance("next-close")  # so that no opening calls the webhook
    [model] = ask(practice, "{account {models {id}}}").json()["data"]["account"]["models"]
    set_hook = (
        "mutation($m: String, $u: String) "
        "{setSubmissionWebhook(modelId: $m, newSubmissionWebhook: $u)}"
    )
    ask(practice, set_hook, m=model["id"], u=hook.url).raise_for_status()
    trigger = "mutation($m: String!) {triggerModelWebhook(modelId: $m)}"
    practice.add_fault("duplicate-trigger", times=1)
    try:
        answers = [ask(practice, trigger, m=model["id"]).json() for _ in range(2)]
    finally:
        practice.remove_faults()
        hook.server.shutdown()
        hook.server.server_close()
    first, second = (answer["data"]["triggerModelWebhook"] for answer in answers)
    called = [json.loads(body)["triggerId"] for body in hook.bodies]
    assert called == [first, first, second]
