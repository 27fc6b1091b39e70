"""What reads, what may change something, and a UI through which nothing can be changed."""

from __future__ import annotations

import json

import pytest
import requests
from graphql import OperationType
from websockets.sync.client import connect

from numebot_dagster.web.read_only import holds_only
from tests.support.site import LIMITS, MUTATION, serving


def nested(depth):
    """Return a mutation beside a query that is too deep for the parser."""
    return "mutation A { x } query B " + "{ a " * depth + "}" * depth


@pytest.mark.parametrize(
    ("document", "reads"),
    [
        ("{ version }", True),
        ("query A { version } fragment F on Query { version }", True),
        ("mutation A { x }", False),
        ("query B { version } mutation A { x }", False),
        ("subscription A { x }", False),
        ("no document", False),
        ("", False),
        (7, False),
        (nested(50), False),
        (nested(5000), False),
        ("{ version }" + " " * 49_000, True),
        ("{ " + "a " * 400_000 + "}", False),
    ],
)
def test_what_is_no_readable_query_may_change_something(document, reads):
    assert holds_only(document, OperationType.QUERY) is reads


def test_several_operations_may_be_allowed():
    document = "query A { version } subscription B { x }"
    assert holds_only(document, OperationType.QUERY, OperationType.SUBSCRIPTION)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("site"), read_only=True) as url:
        yield url


def ask(url, query):
    return requests.post(f"{url}/graphql", json={"query": query}, timeout=30)


@pytest.mark.server
def test_a_query_is_answered_and_dagster_itself_allows_nothing_else(url):
    permissions = ask(url, "{ permissions { permission value } }").json()["data"]["permissions"]
    allowed = {entry["permission"] for entry in permissions if entry["value"]}
    assert len(permissions) > 10
    assert allowed == set()


@pytest.mark.server
@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"query": MUTATION}},
        {"json": {"query": "query A { version } " + MUTATION, "operationName": "A"}},
        {"data": MUTATION, "headers": {"Content-Type": "application/graphql"}},
        {"params": {"query": MUTATION}},
        {"json": {"query": "mutation { "}},
    ],
)
def test_no_mutation_is_executed(url, request_):
    answer = requests.post(f"{url}/graphql", timeout=30, **request_)
    assert answer.status_code == 403
    assert "for reading only" in answer.json()["errors"][0]["message"]
    assert ask(url, LIMITS).json()["data"]["instance"]["concurrencyLimits"] == []


@pytest.mark.server
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "report_asset_materialization/models/steady_1/submission",
        "report_asset_check/models/steady_1/submission",
        "report_asset_observation/models/steady_1/submission",
        "numebot/fleet.html",
        "",
    ],
)
def test_nothing_is_reported_or_uploaded(url, path, method):
    answer = requests.request(method, f"{url}/{path}", timeout=30, params={"partition": "1"})
    assert answer.status_code == 403
    assert "for reading only" in answer.text
    assets = ask(url, "{ assetsOrError { ... on AssetConnection { nodes { id } } } }").json()
    assert assets["data"]["assetsOrError"]["nodes"] == []


@pytest.mark.server
@pytest.mark.parametrize("document", [MUTATION, "mutation A { x } subscription B { y }", "{ x"])
def test_a_websocket_takes_subscriptions_only(url, document):
    address = f"{url.replace('http', 'ws')}/graphql"
    with connect(address, subprotocols=["graphql-ws"]) as socket:
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": document}}))
        answer = json.loads(socket.recv(30))
    assert answer["type"] == "error"
    assert "for subscriptions only" in answer["payload"]["message"]
    assert ask(url, LIMITS).json()["data"]["instance"]["concurrencyLimits"] == []
