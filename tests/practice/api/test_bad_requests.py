"""Whatever is asked: without a fault the answer is data or errors in the API's shape, never 500."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    Undefined,
    is_required_argument,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numebot_dagster.practice.api.graphql import RESOLVERS
from numebot_dagster.practice.schema.dialect import schema
from numebot_dagster.practice.schema.endpoints import operations

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL = "example_model"
SCOPES = ("upload_submission", "download_submission", "read_submission_info", "read_user_info",
          "web3_staking")  # fmt: skip


@pytest.fixture(scope="module")
def tournament(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    """Return a staked submission with a few scores."""
    tournament = make_tournament(stakes={MODEL: "2.5"})
    tournament.controls.advance("next-open")
    given = tournament.authorise(MODEL)
    content = tournament.predictions(1280, 0).to_csv(index=False).encode()
    requests.put(given["url"], data=content, timeout=10).raise_for_status()
    assert "errors" not in tournament.create(MODEL, given["filename"])
    tournament.controls.advance(days=6)
    return tournament


@pytest.fixture(scope="module")
def token(tournament: ServedTournament) -> str:
    key = tournament.controls.add_key("all", *SCOPES)
    return f"Token {key.public_id}${key.secret_key}"


@pytest.fixture(scope="module")
def model_id(tournament: ServedTournament) -> str:
    return tournament.model_id(MODEL)


def answered(tournament: ServedTournament, token: str, body: bytes) -> dict[str, Any]:
    """Send any bytes and return the answer, which must have the API's shape."""
    headers = {"Authorization": token, "Content-Type": "application/json"}
    answer = requests.post(tournament.controls.url, data=body, headers=headers, timeout=60)
    assert answer.status_code in (200, 400), answer.text
    reply = answer.json()
    assert set(reply) in ({"data"}, {"data", "errors"}, {"errors"})
    assert all(error["message"] for error in reply.get("errors", ["none"]) if error != "none")
    return reply


# --- what was once wrong --------------------------------------------------------------------------

TWO = "query A {tournaments {name}} query B($n: Int) {rounds(number: $n) {number}}"


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({"query": "{tournaments {name}}", "variables": [1]}, "variables must be a JSON object"),
        ({"query": "{tournaments {name}}", "variables": []}, "variables must be a JSON object"),
        ({"query": "{tournaments {name}}", "variables": "x"}, "variables must be a JSON object"),
        ({"query": "{tournaments {name}}", "operationName": 7}, "operationName must be a string"),
        ({"query": TWO}, "Must provide operation name"),
        ({"query": TWO, "operationName": "C"}, "Unknown operation named 'C'"),
        ({"query": "fragment F on Round {number}"}, "Fragment 'F' is never used"),
        ({"query": "{tournaments {name}}", "variables": {"x": "\ud800"}}, "not JSON"),
        ({"query": "{tournaments {name}}", "variables": {"x": float("nan")}}, "not JSON"),
        ({"query": "{a" * 2000}, "nested too deeply"),
    ],
)
def test_requests_are_refused(
    tournament: ServedTournament, token: str, request_body: Any, message: str
) -> None:
    reply = answered(tournament, token, json.dumps(request_body).encode())
    assert message in reply["errors"][0]["message"]


def test_json_that_is_nested_too_deeply_is_refused(
    tournament: ServedTournament, token: str
) -> None:
    assert "not JSON" in answered(tournament, token, b"[" * 100_000)["errors"][0]["message"]


def test_one_of_several_operations_is_chosen_by_name(
    tournament: ServedTournament, token: str
) -> None:
    body = {"query": TWO, "operationName": "B", "variables": {"n": 1280}}
    reply = answered(tournament, token, json.dumps(body).encode())
    assert reply == {"data": {"rounds": [{"number": 1280}]}}
    body["operationName"] = "A"
    names = [
        tournament["name"]
        for tournament in answered(tournament, token, json.dumps(body).encode())["data"][
            "tournaments"
        ]
    ]
    assert names == ["numerai", "signals", "crypto"]


@pytest.mark.parametrize(
    ("chosen", "endpoints"),
    [
        ("A", ["graphql:tournaments"]),
        ("B", ["graphql:rounds"]),
        (None, ["graphql:tournaments", "graphql:rounds"]),
        ("C", ["graphql:"]),
    ],
)
def test_faults_strike_the_chosen_operation(chosen: str | None, endpoints: list[str]) -> None:
    body = {"query": TWO, "operationName": chosen}
    assert operations(json.dumps(body).encode()) == endpoints


@pytest.mark.parametrize(
    "url", ["http://[", "http://", "https://:80/x", "http:/x", "ftp://a/", "x"]
)
def test_addresses_that_nobody_can_call_are_no_webhooks(
    tournament: ServedTournament, token: str, url: str
) -> None:
    query = """mutation($m: String, $u: String) {
        setSubmissionWebhook(modelId: $m, newSubmissionWebhook: $u)}"""
    message = tournament.refusal(query, token, {"m": tournament.model_id(MODEL), "u": url})
    assert message == f"{url} is not the address of a webhook"


@pytest.mark.parametrize(
    "name",
    ["x" * 260 + ".csv", "é" * 260, "a." + "b" * 300, "nul\0byte.csv", "line\nbreak.csv", "", ".."],
)
def test_files_of_any_name_can_be_put(tournament: ServedTournament, token: str, name: str) -> None:
    query = (
        "query($f: String!, $m: ID) {submissionUploadAuth(filename: $f, tournament: 8, "
        "modelId: $m) {filename url}}"
    )
    given = tournament.post(query, token, {"f": name, "m": tournament.model_id(MODEL)})
    auth = given["data"]["submissionUploadAuth"]
    answer = requests.put(auth["url"], data=b"id,prediction\n", timeout=10)
    assert answer.status_code == 200
    assert (tournament.folder / "uploads" / auth["filename"]).read_bytes() == b"id,prediction\n"


@pytest.mark.parametrize(
    "asked",
    [
        "{rounds(limit: -1) {number}}",
        "{v2Leaderboard(limit: -1) {rank}}",
        "{v2Leaderboard(offset: -2) {rank}}",
        "{accountLeaderboard(offset: -2) {rank}}",
        '{submissionScores(modelId: "MODEL", lastNRounds: -1) {day}}',
        '{v2RoundModelPerformances(modelId: "MODEL", lastNRounds: -1) {roundNumber}}',
        '{v2RoundModelPerformances(modelId: "MODEL", scoredWithinLastNDays: -1) {roundNumber}}',
        "{account {models {latestSubmissions(latestNRounds: -1) {status}}}}",
        "{account {walletTxns(limit: -1) {amount}}}",
    ],
)
def test_numbers_below_zero_are_refused(
    tournament: ServedTournament, token: str, asked: str
) -> None:
    query = asked.replace("MODEL", tournament.model_id(MODEL))
    assert "must not be negative" in tournament.refusal(query, token)


def test_a_span_longer_than_the_calendar_is_all(tournament: ServedTournament) -> None:
    query = (
        f'{{v2RoundModelPerformances(modelId: "{tournament.model_id(MODEL)}", '
        "scoredWithinLastNDays: 2147483647) {roundNumber}}"
    )
    rounds = tournament.post(query)["data"]["v2RoundModelPerformances"]
    assert [round_["roundNumber"] for round_ in rounds] == [1280, 1279]


# --- anything -------------------------------------------------------------------------------------


def named(kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return kind


TEXTS = [
    "",
    "practice",
    MODEL,
    "v5.3/live.parquet",
    "asc",
    "rank",
    "http://[",
    "1280",
    "p.csv",
    "\0",
]
LITERALS: dict[str, st.SearchStrategy[str]] = {
    "Int": st.sampled_from([-(2**31), -1, 0, 1, 8, 11, 20, 1280, 20260601, 2**31 - 1]).map(str),
    "Boolean": st.sampled_from(["true", "false"]),
    "Float": st.sampled_from(["-1e308", "0.0", "1"]),
    "ID": st.sampled_from(["IDENTIFIER", '""', '"x"', "7"]),
}
ANY_TEXT = st.one_of(st.sampled_from(TEXTS), st.text(max_size=8)).map(
    lambda text: json.dumps(text.encode("utf-8", "replace").decode())
)


def literals(kind: Any) -> st.SearchStrategy[str]:
    """Return values of a type as they stand in a query; often odd ones."""
    if isinstance(kind, GraphQLNonNull):
        return literals(kind.of_type)
    if isinstance(kind, GraphQLList):
        return st.lists(literals(kind.of_type), max_size=2).map(lambda v: f"[{', '.join(v)}]")
    inner = named(kind)
    if isinstance(inner, GraphQLEnumType):
        return st.sampled_from(list(inner.values))
    return LITERALS.get(inner.name, ANY_TEXT)


@st.composite
def calls(draw: st.DrawFn, name: str, field: GraphQLField, depth: int = 2) -> str:
    """Return a field with any arguments and some fields of its own; those with arguments first."""
    given = [
        f"{key}: {draw(literals(argument.type))}"
        for key, argument in field.args.items()
        if isinstance(argument.type, GraphQLNonNull) or draw(st.booleans())
    ]
    asked = f"{name}({', '.join(given)})" if given else name
    inner = named(field.type)
    if not isinstance(inner, GraphQLObjectType):
        return asked
    parts = [
        (key, part)
        for key, part in inner.fields.items()
        if depth and (part.args or not isinstance(named(part.type), GraphQLScalarType))
    ]
    chosen = draw(st.lists(st.sampled_from(parts), max_size=2, unique_by=str)) if parts else []
    below = [draw(calls(key, part, depth - 1)) for key, part in chosen]
    plain = [key for key, part in inner.fields.items() if not part.args
             and isinstance(named(part.type), GraphQLScalarType | GraphQLEnumType)]  # fmt: skip
    return f"{asked} {{__typename {' '.join([*plain[:9], *below])}}}"


def roots(kind: GraphQLObjectType | None, operation: str) -> list[tuple[str, str, GraphQLField]]:
    assert kind is not None
    return [(operation, name, field) for name, field in kind.fields.items()]


ROOTS = [*roots(schema().query_type, "query"), *roots(schema().mutation_type, "mutation")]


@st.composite
def queries(draw: st.DrawFn) -> str:
    operation, name, field = draw(st.sampled_from(ROOTS))
    return f"{operation} {{{draw(calls(name, field))}}}"


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


ANSWERED = [(name, field, RESOLVERS[name]) for _, name, field in ROOTS if name in RESOLVERS]


@pytest.mark.parametrize(("name", "field", "method"), ANSWERED, ids=[name for name, *_ in ANSWERED])
def test_every_answer_takes_the_arguments_of_the_schema(
    name: str, field: GraphQLField, method: Callable[..., Any]
) -> None:
    signature = inspect.signature(method)
    required = {key for key, argument in field.args.items() if is_required_argument(argument)}
    defaults = {
        key for key, argument in field.args.items() if argument.default_value is not Undefined
    }
    for names in (set(field.args), required | defaults):
        signature.bind(None, **{snake(key): None for key in names})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.one_of(
    st.binary(max_size=40),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"query": st.one_of(st.text(), queries(), JSON)},
        optional={"variables": JSON, "operationName": JSON},
    ).map(lambda value: json.dumps(value).encode()),
)
often = settings(
    max_examples=120, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@often
@given(body=BODIES)
def test_no_body_is_an_internal_error(
    tournament: ServedTournament, token: str, body: bytes
) -> None:
    answered(tournament, token, body)


@often
@given(query=queries())
def test_no_query_is_an_internal_error(
    tournament: ServedTournament, token: str, model_id: str, query: str
) -> None:
    text = query.replace("IDENTIFIER", json.dumps(model_id))
    answered(tournament, token, json.dumps({"query": text}).encode())
