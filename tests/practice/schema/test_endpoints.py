"""The endpoints that a request is for, in the words of faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from numebot_dagster.practice.schema.endpoints import is_asked_for, operations


@pytest.mark.parametrize(
    ("query", "endpoints"),
    [
        ("{rounds {number} account {id}}", ["graphql:rounds", "graphql:account"]),
        ("{... on RootQueryType {account {id}}}", ["graphql:account"]),
        ("{... {account {id}}}", ["graphql:account"]),
        (
            "query {...a listDatasets} fragment a on RootQueryType {...b account {id}} "
            "fragment b on RootQueryType {rounds {number} ...a}",
            ["graphql:rounds", "graphql:account", "graphql:listDatasets"],
        ),
        ("{...nowhere}", ["graphql:"]),
        ("{", ["graphql:"]),
    ],
)
def test_fragments_do_not_escape(query: str, endpoints: list[str]) -> None:
    assert operations(json.dumps({"query": query}).encode()) == endpoints


@pytest.mark.parametrize(
    ("query", "is_changed"),
    [
        ("{rounds {number closeTime}}", True),
        ("query {...a} fragment a on RootQueryType {rounds {closeTime}}", True),
        ("{rounds {number}}", False),
        ('{__type(name: "Round") {fields {name}}}', True),
        ("{rounds {nope closeTime}}", False),  # refused as it is
        (3, False),
    ],
)
def test_who_asks_for_a_removed_field(query: Any, is_changed: bool) -> None:
    assert is_asked_for("Round.closeTime", {"query": query}) is is_changed
