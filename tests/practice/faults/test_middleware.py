"""The control API of faults, and the faults that no query of a client shows, over HTTP."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.faults.kinds import KINDS
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.rules.clock import Refused, Round
from numebot_dagster.practice.server import PracticeServer
from tests.support.receiver import Receiver

ROUNDS = "graphql:rounds"


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


@pytest.mark.heavy
def test_the_control_api(practice: PracticeServer) -> None:
    assert practice.faults() == []
    number = practice.add_fault("status", where=ROUNDS, times=1, values={"status": 503})
    assert ask(practice, "{listDatasets}").status_code == 200
    assert ask(practice, "{rounds {number}}").status_code == 503
    practice.stop()
    practice.start()
    [row] = practice.faults()
    assert (row["id"], row["struck"], row["over"]) == (number, 1, True)
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


@pytest.mark.server
def test_a_trigger_that_comes_twice(practice: PracticeServer, receiver: Receiver) -> None:
    practice.advance("next-close")  # so that no opening calls the webhook
    [model] = ask(practice, "{account {models {id}}}").json()["data"]["account"]["models"]
    set_hook = (
        "mutation($m: String, $u: String) "
        "{setSubmissionWebhook(modelId: $m, newSubmissionWebhook: $u)}"
    )
    ask(practice, set_hook, m=model["id"], u=receiver.address).raise_for_status()
    trigger = "mutation($m: String!) {triggerModelWebhook(modelId: $m)}"
    practice.add_fault("duplicate-trigger", times=1)
    try:
        answers = [ask(practice, trigger, m=model["id"]).json() for _ in range(2)]
    finally:
        practice.remove_faults()
    first, second = (answer["data"]["triggerModelWebhook"] for answer in answers)
    called = [message["triggerId"] for message in receiver.messages]
    assert called == [first, first, second]


# --- what strikes where -----------------------------------------------------------------------


@contextmanager
def fault(practice: PracticeServer, kind: str, **more: Any) -> Iterator[Callable[[], int]]:
    """Let something go wrong inside, and yield what counts how often it struck."""
    number = practice.add_fault(kind, **more)

    def times() -> int:
        return {row["id"]: row["struck"] for row in practice.faults()}[number]

    try:
        yield times
    finally:
        practice.remove_faults(number)


# What strikes no endpoint of GraphQL.
ELSEWHERE = (
    "invalid-later", "deadline-moved", "duplicate-trigger", "truncated-upload", "lost-upload",
    "late-data", "changing-data", "stale-etag", "ignore-range", "target-switched",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_breaks_what_it_does_not_strike(practice: PracticeServer, kind: str) -> None:
    link = ask(practice, '{dataset(filename: "v5.3/live.parquet")}').json()["data"]["dataset"]
    if kind in ELSEWHERE:
        with pytest.raises(Refused, match=r"strikes|has no where"):
            practice.add_fault(kind, where="graphql:rounds")
    if kind == "deadline-moved":
        return
    values = {"seconds": 0.01} if "seconds" in KINDS[kind].defaults() else {}
    with fault(practice, kind, where="*", values=values):
        for send in (
            lambda: ask(practice, "{rounds {number}}"),
            lambda: requests.head(link, timeout=30),
            lambda: requests.get(link, timeout=30),
            lambda: requests.get(f"{practice.url}/datasets/x/y", timeout=30),
        ):
            try:
                status = send().status_code
            except requests.RequestException:
                assert kind in ("cut", "changing-data", "redirect")
            else:
                assert (status == 500) is (kind == "status"), status
    assert ask(practice, "{rounds {number}}").status_code == 200


# kind, values, a request in which there is nothing to be changed, one in which there is.
CHANGING: list[tuple[str, dict[str, Any], str, str]] = [
    ("null", {"field": "Round.closeTime"}, "{rounds {number}}", "{rounds {closeTime}}"),
    ("field-removed", {"field": "Round.closeTime"}, "{rounds {number}}", "{rounds {closeTime}}"),
    (
        "unknown-status",
        {},
        "{rounds {number}}",
        "{account {models {latestSubmissions(latestNRounds: 1) {status}}}}",
    ),
    ("unknown-score", {}, "{rounds {number}}", "{rounds {roundScoreConfigs {displayName}}}"),
    ("two-payouts", {}, "{rounds {number}}", "{rounds {roundScoreConfigs {displayName}}}"),
    ("zero-amounts", {}, "{rounds {number}}", "{v2Leaderboard(limit: 500) {nmrStaked}}"),
    (
        "scope-withdrawn",
        {"scope": "upload_submission"},
        "{account {id}}",
        '{submissionUploadAuth(filename: "p.csv", tournament: 8) {url}}',
    ),
    ("scope-withdrawn", {}, "{account {id}}", "{apiTokenInfo {scopes}}"),
    ("too-large", {"bytes": 200}, "{listDatasets(round: 1)}", "{rounds {openTime closeTime}}"),
]


@pytest.mark.parametrize(("kind", "values", "other", "query"), CHANGING)
def test_only_what_was_changed_is_counted(
    practice: PracticeServer, kind: str, values: dict[str, Any], other: str, query: str
) -> None:
    submit(practice)
    before = [ask(practice, text).text for text in (other, query)]
    with fault(practice, kind, where="graphql:*", values=values, times=1) as struck_so_far:
        assert ask(practice, other).text == before[0]
        assert struck_so_far() == 0
        assert ask(practice, query).text != before[1]
        assert struck_so_far() == 1
        if "submissionUploadAuth" not in query:  # whose answer is never the same
            assert ask(practice, query).text == before[1]  # used up


def submit(practice: PracticeServer, name: str = "one", *, late: bool = False) -> str:
    """Submit a valid file for the newest round and return the submission's id."""
    models = ask(practice, "{account {models {id name}}}").json()["data"]["account"]["models"]
    [model] = [row["id"] for row in models if row["name"] == name]
    if practice.state()["open_round"] is None and not late:
        practice.advance("next-open")
    ids = Market().live_ids(Round(practice.state()["newest_round"]).opened)
    values = np.random.default_rng(1).uniform(size=len(ids))
    content = pd.DataFrame({"id": ids, "prediction": values}).to_csv(index=False)
    target = ask(
        practice,
        'query($m: ID) {submissionUploadAuth(filename: "p.csv", tournament: 8, modelId: $m) '
        "{filename url}}",
        m=model,
    ).json()["data"]["submissionUploadAuth"]
    requests.put(target["url"], content, timeout=30).raise_for_status()
    answer = ask(
        practice,
        "mutation($f: String!, $m: ID) {createSubmission(filename: $f, tournament: 8, modelId: $m) "
        "{id}}",
        f=target["filename"],
        m=model,
    ).json()
    return str(answer["data"]["createSubmission"]["id"])


def statuses(practice: PracticeServer) -> dict[str, str]:
    return {row["id"]: row["status"] for row in practice.state()["submissions"]}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder = tmp_path_factory.mktemp("pair")
    with PracticeServer(folder, Plan(models=("one", "two"))) as server:
        server.advance("next-open")
        yield server


@pytest.mark.heavy
def test_what_turns_invalid_is_chosen(pair: PracticeServer) -> None:
    with fault(pair, "invalid-later", where="submission:two") as times:
        first, second, last = submit(pair, "one"), submit(pair, "two"), submit(pair, "one")
        by_id = statuses(pair)
        assert [by_id[key] for key in (first, second, last)] == ["replaced", "invalid", "on-time"]
        assert times() == 1
    with fault(pair, "invalid-later", probability=0.0) as times:
        mine = submit(pair, "one")
        assert (statuses(pair)[mine], times()) == ("on-time", 0)
    with fault(pair, "invalid-later", times=20, probability=0.5, seed=4) as times:
        mine = [submit(pair, "one") for _ in range(8)]
        invalid = [key for key in mine if statuses(pair)[key] == "invalid"]
        assert statuses(pair) == statuses(pair)  # drawn once for each
        assert 0 < len(invalid) < len(mine)
        assert times() == len(invalid)


@pytest.mark.parametrize(
    ("where", "probability", "is_late"),
    [("download:*live*", 1, True), ("*", 1, True), ("download:v5.3/train.parquet", 1, False),
     ("download:*live*", 0, False)],
)  # fmt: skip
def test_the_pipeline_says_what_the_live_file_is(
    pair: PracticeServer, where: str, probability: float, is_late: bool
) -> None:
    with fault(pair, "late-data", where=where, probability=probability):
        answer = ask(pair, '{pipelineStatus(tournament: "classic") {dataReadyAt}}').json()
    assert (answer["data"]["pipelineStatus"]["dataReadyAt"] is None) is is_late


def test_what_is_late_is_the_present_rounds_file(pair: PracticeServer) -> None:
    def digest(number: int | None) -> str:
        query = 'query($n: Int) {dataset(filename: "v5.3/live.parquet", round: $n)}'
        link = ask(pair, query, n=number).json()["data"]["dataset"]
        return hashlib.sha256(requests.get(link, timeout=30).content).hexdigest()

    pair.advance("next-open")
    newest = pair.state()["open_round"]
    before, now = digest(newest - 1), digest(None)
    assert before != now
    with fault(pair, "late-data") as times:
        assert digest(newest - 1) == before
        assert times() == 0
        assert (digest(None), digest(newest)) == (before, before)
        assert times() == 2


@pytest.mark.heavy
def test_a_hidden_submission_does_not_hide_the_one_before(pair: PracticeServer) -> None:
    pair.advance("next-open")
    first = submit(pair, "one")
    time.sleep(1.1)
    with fault(pair, "hidden-submission", values={"seconds": 1}):
        second = submit(pair, "one")
        query = (
            "{account {models {name latestSubmissions(latestNRounds: 1) {id status} "
            "submissions {id selected}}}}"
        )

        def shown() -> tuple[list[dict[str, Any]], dict[str, bool]]:
            models = ask(pair, query).json()["data"]["account"]["models"]
            [mine] = [row for row in models if row["name"] == "one"]
            rows = {row["id"]: row["selected"] for row in mine["submissions"]}
            return mine["latestSubmissions"], {k: rows[k] for k in (first, second) if k in rows}

        assert shown() == ([{"id": first, "status": "on-time"}], {first: True})
        time.sleep(1.1)
        assert shown() == (
            [{"id": second, "status": "on-time"}],
            {first: False, second: True},
        )


def test_a_hidden_late_submission_is_not_queued_either(pair: PracticeServer) -> None:
    pair.advance("next-close")
    query = "{account {models {name latestSubmissions(latestNRounds: 1) {id roundNumber status}}}}"

    def shown() -> list[tuple[int, str]]:
        models = ask(pair, query).json()["data"]["account"]["models"]
        [mine] = [row for row in models if row["name"] == "two"]
        return [(row["roundNumber"], row["status"]) for row in mine["latestSubmissions"]]

    newest = pair.state()["newest_round"]
    before = shown()
    assert before == [(newest, "none")]
    with fault(pair, "hidden-submission", values={"seconds": 60}):
        submit(pair, "two", late=True)
        assert shown() == []  # one row was asked for, and the queued one is not seen
    assert shown() == [(newest + 1, "queued")]
