"""Parse Numerai's schema, and validate queries by it.

The service accepts queries that the rules of GraphQL refuse. They are rewritten to the letter of
the schema (see `leniency`) before they are validated, so that every other mistake (a misspelt
field, a missing argument) is refused.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from graphql import (
    DefinitionNode,
    DocumentNode,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    build_ast_schema,
    parse,
    validate,
)

from numebot_dagster.practice.schema.leniency import changed, same_name, to_the_letter


@cache
def schema(removed: frozenset[str] = frozenset()) -> GraphQLSchema:
    """Return Numerai's schema, with scalars written as the service writes them."""
    document = _without(_document(), removed) if removed else _document()
    built = build_ast_schema(document, assume_valid_sdl=True)  # the file is ours, and tested
    writers = {"Time": _write_time, "Date": _write_date, "Nmr": _write_nmr, "Usd": _write_usd}
    for name, write in writers.items():
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.serialize = write  # type: ignore[method-assign]
    return built


@cache
def _document() -> DocumentNode:
    source = resources.files(__package__).joinpath("schema.graphql").read_text(encoding="utf-8")
    return parse(source, no_location=True)


def schema_fields(type_name: str) -> list[str]:
    """Return the names of the fields of an object type."""
    object_type = schema().type_map[type_name]
    assert isinstance(object_type, GraphQLObjectType)
    return list(object_type.fields)


def root_name(name: str) -> str:
    """Return the schema's name of a root field, however a client spells it."""
    return same_name(name, _root_fields())


@cache
def _root_fields() -> tuple[str, ...]:
    return tuple(schema_fields("RootQueryType") + schema_fields("RootMutationType"))


@lru_cache(maxsize=128)  # clients send the same queries again and again
def admit(
    text: str, *, deviations: bool = True, removed: frozenset[str] = frozenset()
) -> DocumentNode:
    """Parse and validate a query, and return it to the letter of the schema.

    Raises:
        GraphQLError: The query is not GraphQL, or the schema has no such query.
    """
    document = parse(text)
    if deviations:
        document = to_the_letter(document, schema())
    errors = validate(schema(removed), document)
    if errors:
        raise errors[0]
    return document


def _without(document: DocumentNode, removed: frozenset[str]) -> DocumentNode:
    """Return a schema without some fields of its object types."""

    def rest(node: DefinitionNode) -> DefinitionNode:
        if not isinstance(node, ObjectTypeDefinitionNode):
            return node
        fields = [
            field
            for field in node.fields or ()
            if f"{node.name.value}.{field.name.value}" not in removed
        ]
        fewer: DefinitionNode = changed(node, fields=tuple(fields))
        return fewer

    fewer: DocumentNode = changed(document, definitions=tuple(map(rest, document.definitions)))
    return fewer


def _write_time(value: Any) -> str:
    """Return an instant with its zone, as `2026-06-02T12:00:00Z`."""
    if not isinstance(value, datetime):
        return str(value)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_date(value: Any) -> str:
    return value.date().isoformat() if isinstance(value, datetime) else date.isoformat(value)


def _write_nmr(value: Any) -> str:
    return f"{Decimal(value):.18f}"


def _write_usd(value: Any) -> str:
    return f"{Decimal(value):.2f}"
