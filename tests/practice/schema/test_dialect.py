from __future__ import annotations

import ast
import inspect
import textwrap

import pytest
from graphql import GraphQLError, print_ast
from numerapi import base_api, cryptoapi, signalsapi
from numerapi import numerapi as classic

from numebot_dagster.practice.schema.dialect import admit


def queries_of(module: object) -> list[str]:
    """Return every GraphQL text in a module of numerapi, f-strings filled in."""
    queries = []
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))  # type: ignore[arg-type]
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [
                part.value if isinstance(part, ast.Constant) else "submission_upload_auth"
                for part in node.values
            ]
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if text.strip().startswith(("query", "mutation")) and "{" in text and ">>>" not in text:
            queries.append(textwrap.dedent(text))
    return queries


MODULES = (base_api, classic, signalsapi, cryptoapi)
QUERIES = sorted({query for module in MODULES for query in queries_of(module)})
# A field of a Signals query that the real service presumably refuses too.
UNKNOWN_TO_NUMERAI = "corr20dRep"


def test_numerapis_queries_were_found() -> None:
    assert len(QUERIES) == 46


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_numerapi_is_admitted(query: str) -> None:
    if UNKNOWN_TO_NUMERAI in query:
        with pytest.raises(GraphQLError, match=f"Cannot query field '{UNKNOWN_TO_NUMERAI}'"):
            admit(query)
    else:
        admit(query)


def test_half_of_them_only_as_deviations() -> None:
    refused = 0
    for query in QUERIES:
        try:
            admit(query, deviations=False)
        except GraphQLError:
            refused += 1
    assert refused == 23


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("{account {usernam}}", "Cannot query field 'usernam' on type 'Account'"),
        ("{listdatasets}", "Cannot query field 'listdatasets'"),
        ("{rounds {roundnumber}}", "Cannot query field 'roundnumber' on type 'Round'"),
        ("{model(model: 1) {id}}", "Unknown argument 'model'"),
        ("{submissionScores {value}}", "argument 'modelId' of type 'ID!' is required"),
        ("query($m: ID) {account {id}}", "Variable '$m' is never used"),
        ("query($n: bool!) {rounds(number: 1) {id}}", "Unknown type 'bool'"),
        ("{account {models}}", "must have a selection of subfields"),
        ("{account {id}", "Syntax Error"),
        ("query A {account {id}} query A {account {id}}", "only one operation named 'A'"),
    ],
)
def test_other_slips_are_refused(sent: str, message: str) -> None:
    with pytest.raises(GraphQLError, match=message.replace("$", r"\$").replace("(", r"\(")):
        admit(sent)


@pytest.mark.parametrize(
    ("sent", "means"),
    [
        ("{account {apiTokens {public_id}}}", "public_id: publicId"),
        ("{account {apiTokens {key: public_id}}}", "key: publicId"),
        ("{v2Leaderboard {return_13_weeks}}", "return_13_weeks: return13Weeks"),
        (
            "query($model_name: String!) {v3UserProfile(model_name: $model_name) {id}}",
            "v3UserProfile(modelName: $model_name)",
        ),
        ("query($i: String) {submissionDownloadAuth(id: $i) {url}}", "query ($i: ID!)"),
        ("query($i: String) {submissions(modelId: $i) {id}}", "query ($i: ID)"),
        ("query($i: String!) {model(modelId: $i) {id}}", "query ($i: ID!)"),
        ("query($n: String) {rounds(number: $n) {id}}", "query ($n: Int)"),
        ("query($u: ID) {computePickles(unassigned: $u) {id}}", "query ($u: Boolean)"),
        ("query($m: Int = 5) {submissionScores(modelId: $m) {day}}", "query ($m: ID = 5)"),
        (
            "query($i: Int!) {rounds(number: $i) {id} model(modelId: $i) {id}}",
            "query ($i: Int!, $i__copy1: ID!)",
        ),
        ("query($i: String) {stakeTransactions(modelIds: [$i]) {round}}", "query ($i: ID)"),
    ],
)
def test_deviations_become_what_the_schema_says(sent: str, means: str) -> None:
    written = print_ast(admit(sent))
    assert means in written.replace("\n", " ")
    with pytest.raises(GraphQLError):
        admit(sent, deviations=False)
