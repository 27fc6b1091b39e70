"""Every query of ours against Numerai's schema, by the rules of the GraphQL specification."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from graphql import (
    FieldNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)

import numebot_dagster
from numebot_dagster.numerai import money, queries
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS

SCHEMA_FILE = Path(numebot_dagster.__file__).parent / "practice" / "schema" / "schema.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SCHEMA_FILE.read_text(encoding="utf-8"))


EVERY = {**queries.ALL, **money.ALL}


@pytest.mark.parametrize("name", EVERY)
def test_a_query_is_valid_without_any_deviation(schema, name):
    assert validate(schema, parse(EVERY[name])) == []


def test_a_misspelt_field_would_be_noticed(schema):
    wrong = queries.FLEET.replace("roundNumber", "round_number")
    assert validate(schema, parse(wrong)) != []


@pytest.mark.parametrize("count", [1, 3, 50])
def test_the_query_for_many_submissions_is_valid(schema, count):
    text = queries.submission_states(count)
    assert validate(schema, parse(text)) == []
    assert text.count("submissions(") == count


def test_all_queries_of_the_modules_are_listed():
    texts = {
        value
        for module in (queries, money)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    assert texts == set(EVERY.values()) - {queries.submission_states(2)}


def test_the_fields_in_use_are_those_that_the_schema_sees_us_use(schema):
    used: dict[str, set[str]] = defaultdict(set)
    info = TypeInfo(schema)

    class Collect(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            if not node.name.value.startswith("__") and not info.get_parent_type().name.startswith(
                "__"
            ):
                used[info.get_parent_type().name].add(node.name.value)

    for text in queries.ALL.values():
        visit(parse(text), TypeInfoVisitor(info, Collect()))
    assert used == REQUIRED_FIELDS
    assert REQUIRED_FIELDS["LatestSubmission"] == {
        "filename",
        "id",
        "roundNumber",
        "status",
        "timestamp",
    }
