"""The web server without a password: everything works, and GET only reads."""

from __future__ import annotations

import json

import pytest
import requests
from websockets.sync.client import connect

from tests.support.site import LIMITS, MUTATION, serving

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("site")) as url:
        yield url


def test_dagster_and_the_board_are_served_beside_each_other(url):
    for path, text in (("/", "Dagster"), ("/assets/x", "Dagster"), ("/numebot/", "Numebot")):
        answer = requests.get(f"{url}{path}", timeout=30)
        assert answer.status_code == 200
        assert text in answer.text
        assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_a_mutation_is_refused_by_get_and_executed_by_post(url):
    limits = lambda: requests.get(f"{url}/graphql", {"query": LIMITS}, timeout=30).json()  # noqa: E731
    refused = requests.get(f"{url}/graphql", {"query": MUTATION}, timeout=30)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    assert "Nothing was changed" in refused.json()["errors"][0]["message"]
    assert limits()["data"]["instance"]["concurrencyLimits"] == []
    requests.post(f"{url}/graphql", json={"query": MUTATION}, timeout=30)
    assert limits()["data"]["instance"]["concurrencyLimits"] == [{"concurrencyKey": "KEY"}]


def test_a_subscription_is_answered(url):
    document = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'
    with connect(f"{url.replace('http', 'ws')}/graphql", subprotocols=["graphql-ws"]) as socket:
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": document}}))
        answer = json.loads(socket.recv(30))
    logs = answer["payload"]["data"]["pipelineRunLogs"]
    assert logs["__typename"] == "PipelineRunLogsSubscriptionFailure"


def test_an_asset_can_be_reported(url):
    path = "report_asset_materialization/a"
    assert requests.post(f"{url}/{path}", timeout=30).status_code == 200
