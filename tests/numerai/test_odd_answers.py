"""Answers of an odd or broken form: each ends in a value, or in an error that names the field.

The answers are made from the published schema, for whatever query the client sends.
"""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLList,
    GraphQLObjectType,
    OperationDefinitionNode,
    build_schema,
    get_named_type,
    get_nullable_type,
    parse,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numebot_dagster.numerai import diagnostics
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.numerai.errors import NumeraiError, UnexpectedAnswer
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.numerai.records import Model

SCHEMA = build_schema(
    resources.files("numebot_dagster.practice.schema").joinpath("schema.graphql").read_text(),
    assume_valid=True,
)
MODEL = Model("m", "1")
CALLS = {
    "open rounds": lambda client: client.open_rounds(),
    "rounds": lambda client: client.rounds(5),
    "round": lambda client: client.round(1405),
    "fleet": lambda client: client.fleet(),
    "upload": lambda client: client.authorise_upload("1", "f.csv"),
    "registration": lambda client: client.create_submission("1", "f.csv", seconds=0.5),
    "states": lambda client: client.submission_states(["a", "b"]),
    "download": lambda client: client.download_submission("a"),
    "file": lambda client: client.identify("v5.3/live.parquet"),
    "account": lambda client: client.enrichment.account(),
    "leaderboard": lambda client: client.enrichment.leaderboard(),
    "diagnostics upload": lambda client: diagnostics.upload(client.transport, "1", b""),
    "diagnostics": lambda client: diagnostics.wait(client.transport, "1", "a", seconds=0),
    "fields": lambda client: client.enrichment.schema_fields("Round"),
    "details": lambda client: client.enrichment.round_details(1405),
    "scores": lambda client: client.enrichment.scores(MODEL),
    "payouts": lambda client: client.enrichment.payouts(),
    "pipeline": lambda client: client.enrichment.pipeline_status(),
    "data files": lambda client: client.enrichment.newest_data_version(),
}
NUMBERS = (7, 1405, "1405", 1405.0, "1.405e3", 4.036e-4, "4.036320203754083e-4", "0E-18", "1,234.5")
TEXTS = ("a", "", "m [/x] \ud800", "x" * 500, "²", 7, "None", "2026-11-24T12:00:00Z")
TIMES = ("2026-11-24T12:00:00Z", "2026-11-24", "2026-11-24T12:00:00.123456789+01:00")
BROKEN = (
    5, -1, 10**30, "10" * 30, float("nan"), float("inf"), "NaN", "soon", True, [], {}, [[1]],
    {"a": {"b": []}}, "9999-12-31T23:59:59-23:00", 1.5, "1e999999",
)  # fmt: skip
SCALARS = {"Int": NUMBERS, "Float": NUMBERS, "Nmr": NUMBERS, "Boolean": (True, False, "true", 0, 1)}


class Answers:
    """Makes an answer to any query, the same one for the same seed."""

    def __init__(self, seed: int, broken: float) -> None:
        self.random, self.broken = random.Random(seed), broken
        self.fields: set[str] = set()

    def to(self, text: str) -> dict[str, Any]:
        [operation] = [
            node for node in parse(text).definitions if isinstance(node, OperationDefinitionNode)
        ]
        self.fields.update(re.findall(r"\w+", text))
        kind = SCHEMA.get_root_type(operation.operation)
        return {"data": self._object(kind, operation.selection_set)}

    def _object(self, kind: Any, selection: Any) -> dict[str, Any]:
        answer = {}
        for field in selection.selections:
            assert isinstance(field, FieldNode)
            name = re.sub(r"_(\w)", lambda match: match[1].upper(), field.name.value)
            definition = kind.fields.get(name) if isinstance(kind, GraphQLObjectType) else None
            key = field.alias.value if field.alias else field.name.value
            answer[key] = self._value(definition.type if definition else None, field.selection_set)
        return answer

    def _value(self, kind: Any, selection: Any) -> Any:
        draw = self.random.random()
        if draw < self.broken:
            return self.random.choice(BROKEN)
        if draw > 0.93:
            return None
        nullable = get_nullable_type(kind) if kind else None
        if isinstance(nullable, GraphQLList):
            count = self.random.randrange(4)
            return [self._value(nullable.of_type, selection) for _ in range(count)]
        if selection is not None:
            return self._object(get_named_type(kind) if kind else None, selection)
        name = get_named_type(kind).name if kind else "String"
        if name in ("Time", "NaiveDateTime", "Date", "DateTime"):
            return self.random.choice(TIMES)
        return self.random.choice(SCALARS.get(name, TEXTS))


@pytest.fixture
def ask(server, make_settings):
    """Call the client, whose every query is answered by the same maker of answers."""
    client = NumeraiClient(Transport(make_settings(server.url, numebot_retry_deadline=0.3)))

    def run(call, answers):
        def answer(request):
            query = json.loads(request.body)["query"] if request.method == "POST" else "{ x }"
            body = json.dumps(answers.to(query)).encode()
            return {
                "body": body,
                "headers": {"Content-Type": answers.random.choice(["x", "text/html"])},
            }

        server.answer = answer
        return call(client)

    return run


@pytest.mark.parametrize("name", CALLS)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), broken=st.sampled_from([0.0, 0.05, 0.3]))
def test_every_answer_ends_in_a_value_or_a_named_error(ask, name, seed, broken):
    answers = Answers(seed, broken)
    error = None
    try:
        ask(CALLS[name], answers)
    except NumeraiError as caught:  # anything else is a failure
        error = caught
    if isinstance(error, UnexpectedAnswer):
        assert any(field in str(error) for field in (*answers.fields, *WITHOUT_FIELD)), error


# What is missing as a whole, and what numerapi trips over by itself.
WITHOUT_FIELD = (
    "has no round 1405", "no data file v5.3/live.parquet", "no version such as v5.3",
    "has no diagnostics a", "what numerapi expects", "closing time for round", "has no data",
)  # fmt: skip


MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROUND = {"number": 1405, "openTime": MOMENT.isoformat(), "closeStakingTime": "2026-11-24T13:00:00Z"}


def reply(**data):
    return {"body": json.dumps({"data": data}).encode()}


@pytest.mark.parametrize("number", [1405, 1405.0, "1405", "1.405e3", "1,405", " 1405 "])
def test_what_the_hour_needs_is_read_in_any_notation(server, make_settings, number):
    client = NumeraiClient(Transport(make_settings(server.url)))
    server.replies = [reply(rounds=[{**ROUND, "number": number, "closeTime": "soon"}])]
    assert (client.round(1405).number, client.round(1405).close_time) == (1405, None)
    row = {"id": 7, "filename": "f", "roundNumber": number, "status": "on-time", "timestamp": "x"}
    slots = [
        {
            "id": "1",
            "name": "m",
            "tournament": "8.0",
            "latestSubmissions": [row, {"roundNumber": []}],
        },
        {"id": "2", "name": ["n"], "latestSubmissions": 5},
    ]
    server.replies = [reply(account={"models": slots})]
    fleet = client.fleet()
    assert list(fleet.models) == ["m"]
    assert fleet.submission_of("m", 1405).submission_id == "7"
    server.replies = [
        reply(s0=[{"id": "7", "selected": "true", "round": {"number": number}, "insertedAt": 5}])
    ]
    assert client.submission_states(["7"])["7"].selected is True
    assert client.submission_states(["7"])["7"].round_number == 1405


@pytest.mark.parametrize(
    ("data", "call", "text"),
    [
        ({"rounds": 5}, "round", "Numerai sent 5 as rounds instead of a list"),
        ({"rounds": [{**ROUND, "number": "many"}]}, "round", "sent 'many' as number instead of"),
        ({"rounds": [{**ROUND, "number": 10**30}]}, "round", "as number instead of a whole"),
        ({"rounds": [{**ROUND, "number": 1405.5}]}, "round", r"sent 1405\.5 as number instead of"),
        ({"rounds": [{**ROUND, "openTime": 5}]}, "round", "sent 5 as openTime instead of a time"),
        ({"account": {"models": 7}}, "fleet", "sent 7 as models instead of a list"),
        ({"account": {"models": "x"}}, "fleet", "sent 'x' as models instead of a list"),
        ({"submissionUploadAuth": {"filename": {}, "url": "u"}}, "upload", "sent dict as filename"),
        ({"s0": 5, "s1": []}, "states", "sent 5 as s0 instead of a list"),
        ({"dataset": ["a"]}, "file", "sent list as dataset instead of a text"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(server, make_settings, data, call, text):
    server.replies = [reply(**data)]
    with pytest.raises(UnexpectedAnswer, match=text):
        CALLS[call](NumeraiClient(Transport(make_settings(server.url))))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"data":' * 50_000, b'{"data": ' + b"9" * 5000 + b"}", b"\xff", b""]
)
def test_what_is_no_answer_is_a_passing_fault(server, make_settings, body):
    server.replies = [{"body": body}]
    with pytest.raises(NumeraiError, match="with a JSON object"):
        NumeraiClient(Transport(make_settings(server.url, numebot_retry_deadline=0.1))).fleet()


def test_an_error_of_any_form_is_quoted_as_it_is(server, make_settings):
    client = NumeraiClient(Transport(make_settings(server.url)))
    for errors in (
        "odd [/bold] text",
        [["odd [/bold] text"]],
        [{"message": {"a": "odd [/bold] text"}}],
    ):
        server.replies = [{"body": json.dumps({"errors": errors}).encode()}]
        with pytest.raises(NumeraiError, match=r"odd \[/bold\] text"):
            client.fleet()


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("1", 0.9, 2), ("1.0", 0.9, 2), ("-5", 0, 0.5), ("²", 0, 0.5), ("soon", 0, 0.5),
     ("inf", 0, 0.5), ("Fri, 31 Dec 9999 23:59:59 GMT", 1.5, 3), ("9" * 400, 1.5, 3),
     ("Mon, 01 Jun 2026 12:00:01 GMT", 0.9, 2), ("Mon, 01 Jun 2026 11:00:00 GMT", 0, 0.5)],
)  # fmt: skip
def test_retry_after_in_any_form(server, make_settings, header, least, most):
    server.date = "Mon, 01 Jun 2026 12:00:00 GMT"
    server.replies = [{"status": 503, "headers": {"Retry-After": header}}, reply(rounds=[])]
    NumeraiClient(Transport(make_settings(server.url, numebot_retry_deadline=2.5))).transport.query(
        "{ x }"
    )
    first, second = server.requests
    assert least <= second.at - first.at < most


def test_times_beyond_the_calendar_are_named(server, make_settings):
    times = ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "10000-01-01", "2026-13-01"]
    for time in times:
        server.replies = [reply(rounds=[{**ROUND, "openTime": time}])]
        with pytest.raises(UnexpectedAnswer, match="as openTime instead of a time"):
            NumeraiClient(Transport(make_settings(server.url))).round(1405)
