"""Numerai's published rate limits, as arithmetic and over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from numebot_dagster.practice.api.rate_limits import Enforcement, RateLimit, Windows, published
from numebot_dagster.practice.schema.endpoints import known_endpoints

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

TEN = RateLimit("listDatasets", "query", "ip", 10, 60_000, "")
FEW = RateLimit("createDiagnostics", "mutation", "ip", 2, 60_000, "")
ONE = RateLimit("increaseStake", "mutation", "ip", 1, 500, "")
ACCOUNT = RateLimit("createDiagnostics", "mutation", "account", 1, 60_000, "")


def test_the_published_table_is_whole() -> None:
    limits = {(limit.operation, limit.scope, limit.limit_count): limit for limit in published()}
    assert len(published()) == 150
    assert limits["listDatasets", "ip", 10].seconds == 60
    assert limits["createComputePickleUpload", "ip", 3].seconds == 1800
    assert limits["rounds", "ip", 250].operation_type == "query"
    operations = {limit.operation for limit in published()}
    roots = {name.removeprefix("graphql:") for name in known_endpoints() if "graphql:" in name}
    assert len(roots & operations) > 60


@pytest.mark.parametrize(
    ("calls", "refused"),
    [
        # calls: seconds, IP, operations; refused: the index of a call and its Retry-After
        ([(0, "a", "L" * 10), (59.5, "a", "L"), (60, "a", "L")], {1: 1}),
        ([(0, "a", "L" * 9), (1, "a", "L"), (2, "a", "LL"), (60.5, "a", "L")], {2: 58}),
        ([(0, "a", "L" * 10), (0, "b", "L"), (0, "a", "R")], {}),
        ([(0, "a", "L" * 11), (0, "a", "L" * 10)], {0: 60}),
        ([(0, "a", "CC"), (0, "a", "LC"), (1, "a", "L" * 10)], {1: 60}),  # none of a refused one
        ([(0, "a", "I"), (0.1, "a", "I"), (0.5, "a", "I")], {1: 1}),
    ],
)
def test_the_window_slides(calls: list[tuple[float, str, str]], refused: dict[int, int]) -> None:
    names = {"L": "listDatasets", "C": "createDiagnostics", "I": "increaseStake", "R": "rounds"}
    windows = Windows([TEN, FEW, ONE, ACCOUNT])
    answers = [windows.admit(ip, [names[c] for c in asked], at) for at, ip, asked in calls]
    assert {
        n: answer.retry_after for n, answer in enumerate(answers) if answer is not None
    } == refused


@pytest.mark.parametrize(
    ("limit", "rate"), [(TEN, 5 / 60), (FEW, 1 / 60), (ONE, 1), (published()[0], 2 / 60)]
)
def test_half_the_rate(limit: RateLimit, rate: float) -> None:
    halved = limit.halved()
    assert halved.limit_count / halved.seconds == rate


class _From(HTTPAdapter):
    """Sends requests from another address of the loopback network."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> Any:
        return super().init_poolmanager(*args, source_address=(self._address, 0), **more)


def can_send_from(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:  # macOS has 127.0.0.1 only
            return False
    return True


def test_limits_over_http(make_tournament: Callable[..., ServedTournament]) -> None:
    practice = make_tournament(rate_limits=Enforcement.HALF).controls
    url = practice.url

    def ask(query: str, session: Any = requests, path: str = "") -> requests.Response:
        return session.post(f"{url}{path}", json={"query": query}, timeout=60)

    shown = ask("{graphqlRateLimits {operation operationType scope limitCount intervalMs}}")
    rows = shown.json()["data"]["graphqlRateLimits"]
    assert {
        "operation": "listDatasets", "operationType": "query", "scope": "ip",
        "limitCount": 10, "intervalMs": 60_000,
    } in rows  # fmt: skip
    assert len(rows) == 150

    # Aliases, fragments and both paths count; HALF allows 5 of 10.
    assert ask("{a: listDatasets b: listDatasets ...{listDatasets}}").ok
    assert ask("query q {...f} fragment f on RootQueryType {listDatasets}", path="/graphql").ok
    assert ask("{listDatasets}").ok
    refused = ask("{rounds {number} listDatasets}")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["date"].startswith("Mon, 01 Jun 2026")
    text = refused.json()["errors"][0]["message"]
    assert text.startswith("Rate limit exceeded for listDatasets: 5 calls in 60 seconds")
    assert ask("{rounds {number}}").ok  # another operation
    assert [practice.state()["seed"] for _ in range(30)] == [0] * 30  # the controls are exempt

    practice.add_fault("rate-limit-as-error", where="graphql:listDatasets", times=1)
    answer = ask("{listDatasets}")
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    assert answer.json()["errors"][0]["message"].startswith("Rate limit exceeded")
    assert ask("{listDatasets}").status_code == 429  # the fault is used up

    if can_send_from("127.0.0.2"):
        with requests.Session() as other:
            other.mount("http://", _From("127.0.0.2"))
            assert ask("{listDatasets}", other).ok
    practice.advance(hours=0.02)  # 72 seconds
    assert ask("{listDatasets}").ok
