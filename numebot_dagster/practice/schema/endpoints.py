"""Name the endpoints of requests, as faults name where they strike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    is_introspection_type,
    is_non_null_type,
    parse,
    visit,
)

from numebot_dagster.practice.datasets.contents import DATA_FILES
from numebot_dagster.practice.schema.dialect import admit, root_name, schema

OPEN_DOMAINS = ("upload", "submission", "webhook")
"""Endpoints with names that arise while the tournament runs."""
_ROOTS = ("RootQueryType", "RootMutationType")
_INTROSPECTION = ("RootQueryType.__schema", "RootQueryType.__type")


def operations(body: bytes) -> list[str]:
    """Return an endpoint for each root field of a GraphQL request, as `graphql:account`."""
    try:
        request = json.loads(body)
        document, chosen = parse(request["query"]), request.get("operationName")
    except (GraphQLError, ValueError, TypeError, KeyError, RecursionError):
        return ["graphql:"]
    endpoints = [
        f"graphql:{root_name(name)}"
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        and chosen in (None, operation.name and operation.name.value)
        for name in _fields(operation.selection_set, _fragments(document))
    ]
    return endpoints or ["graphql:"]


def file_endpoint(path: str) -> str:
    """Return the endpoint of a request for a file, as `download:v5.3/live.parquet`."""
    kind, _, rest = path.lstrip("/").partition("/")
    key = rest.partition("/")[2]
    if kind == "datasets":
        return f"download:{key.split('/', 2)[-1]}"
    return f"{kind.removesuffix('s')}:{key}"


@cache
def known_endpoints() -> tuple[str, ...]:
    """Return all endpoints with fixed names: root fields and data files."""
    fields = [name.partition(".") for name in schema_fields()]
    roots = [field for parent, _, field in fields if parent in _ROOTS]
    return (
        "graphql:",
        *(f"graphql:{name}" for name in sorted(roots)),
        *(f"download:{version}/{name}" for version, names in DATA_FILES.items() for name in names),
    )


def is_asked_for(field: str, request: Any) -> bool:
    """Return whether the answer of a GraphQL request would change if a field were removed.

    Args:
        field: As `Round.closeTime`.
        request: The request's JSON. If the whole schema refuses it, nothing changes its answer.
    """
    try:
        document = admit(request["query"])
    except (GraphQLError, TypeError, KeyError, RecursionError):
        return False
    info = TypeInfo(schema())
    uses = _Uses(info)
    visit(document, TypeInfoVisitor(info, uses))
    return not uses.fields.isdisjoint({field, *_INTROSPECTION})


@cache
def schema_fields() -> dict[str, bool]:
    """Return all fields of Numerai's schema, and whether each may be null."""
    return {
        f"{name}.{field}": not is_non_null_type(definition.type)
        for name, object_type in schema().type_map.items()
        if isinstance(object_type, GraphQLObjectType) and not is_introspection_type(object_type)
        for field, definition in object_type.fields.items()
    }


def _fragments(document: DocumentNode) -> dict[str, SelectionSetNode]:
    return {
        definition.name.value: definition.selection_set
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }


def _fields(
    selected: SelectionSetNode, fragments: dict[str, SelectionSetNode], seen: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield the names of the fields of a selection, those of its fragments included."""
    for node in selected.selections:
        if isinstance(node, FieldNode):
            yield node.name.value
        elif not isinstance(node, FragmentSpreadNode):
            yield from _fields(node.selection_set, fragments, seen)  # type: ignore[attr-defined]
        elif (name := node.name.value) in fragments and name not in seen:
            yield from _fields(fragments[name], fragments, (*seen, name))


class _Uses(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.fields: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self._info.get_parent_type()
        if parent is not None:
            self.fields.add(f"{parent.name}.{node.name.value}")
