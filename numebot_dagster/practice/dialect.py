"""Numerai's schema, and the few ways in which released clients deviate from it.

The service takes queries that the rules of GraphQL refuse; numerapi 3.1.1 sends some. Exactly those
are rewritten here into what the schema says, before the query is validated, so that every other
slip (a misspelt field, a missing argument) fails as it should.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    NameNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    build_ast_schema,
    parse,
    parse_type,
    print_ast,
    validate,
    visit,
)

# (a) snake_case for camelCase: fields are answered under the name as asked.
_FIELD_NAMES = {
    "public_id": "publicId",
    "submission_upload_auth": "submissionUploadAuth",
    "create_submission": "createSubmission",
    "return_1_day": "return1Day",
    "return_13_weeks": "return13Weeks",
    "return_52_weeks": "return52Weeks",
}
_ARGUMENT_NAMES = {"model_name": "modelName"}

# (b) a variable of a type that the argument does not have: field, argument -> declared types.
_VARIABLE_TYPES: dict[tuple[str, str], set[str]] = {
    ("setUserBio", "modelId"): {"String"},
    ("setUserLink", "modelId"): {"String"},
    ("diagnosticsUploadAuth", "modelId"): {"String"},
    ("createDiagnostics", "modelId"): {"String"},
    ("diagnostics", "modelId"): {"String!"},
    ("diagnostics", "id"): {"String"},
    ("submissionUploadAuth", "modelId"): {"String"},
    ("submissionUploadSignalsAuth", "modelId"): {"String"},
    ("createSubmission", "modelId"): {"String"},
    ("createSubmission", "triggerId"): {"String"},
    ("createSignalsSubmission", "modelId"): {"String"},
    ("createSignalsSubmission", "triggerId"): {"String"},
    ("v2ChangeStake", "modelId"): {"String"},
    ("computePickleUploadAuth", "modelId"): {"String"},
    ("createComputePickleUpload", "modelId"): {"String"},
    ("createComputePickleUpload", "dataVersionId"): {"String"},
    ("createComputePickleUpload", "dockerImageId"): {"String"},
    ("submissions", "modelId"): {"String"},
    ("model", "modelId"): {"String", "String!"},
    ("v2RoundModelPerformances", "modelId"): {"String!"},
    ("submissionDownloadAuth", "id"): {"String"},
    ("releaseStake", "modelId"): {"String"},
    # (c) a type that does not exist, and a missing exclamation mark.
    ("releaseStake", "drain"): {"bool!"},
    ("releaseStake", "amount"): {"String"},
}


@cache
def schema(removed: frozenset[str] = frozenset()) -> GraphQLSchema:
    """Returns Numerai's schema, its scalars written as the service writes them.

    Args:
        removed: Fields that it shall lack, as ``Round.closeTime``.
    """
    source = resources.files(__package__).joinpath("schema.graphql").read_text(encoding="utf-8")
    document = parse(source)
    if removed:
        document = visit(document, _Removal(removed))
    built = build_ast_schema(document)
    writers = {"Time": _write_time, "Date": _write_date, "Nmr": _write_nmr, "Usd": _write_usd}
    for name, write in writers.items():
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.serialize = write  # type: ignore[method-assign]
    return built


def schema_fields(type_name: str) -> list[str]:
    """Returns the names of the fields of an object type."""
    found = schema().type_map[type_name]
    assert isinstance(found, GraphQLObjectType)
    return list(found.fields)


def root_name(name: str) -> str:
    """Returns the schema's name of a root field, however a released client spells it."""
    return _FIELD_NAMES.get(name, name)


def admit(
    text: str, *, deviations: bool = True, removed: frozenset[str] = frozenset()
) -> DocumentNode:
    """Parses and validates a query.

    Args:
        text: The query as the client sent it.
        deviations: Whether the known deviations of released clients are let through.
        removed: Fields that the schema shall lack.

    Returns:
        The query to the letter of the schema.

    Raises:
        GraphQLError: The query is not GraphQL, or the schema has no such query.
    """
    document = parse(text)
    if deviations:
        document = _to_the_letter(document)
    errors = validate(schema(removed), document)
    if errors:
        raise errors[0]
    return document


def _to_the_letter(document: DocumentNode) -> DocumentNode:
    """Rewrites the known deviations into what the schema says."""
    named: DocumentNode = visit(document, _Names())
    info = TypeInfo(schema())
    uses = _Uses(info)
    visit(named, TypeInfoVisitor(info, uses))
    retyped: DocumentNode = visit(named, _Types(uses.wanted))
    return retyped


class _Removal(Visitor):
    """Takes fields out of the types of a schema."""

    def __init__(self, removed: frozenset[str]) -> None:
        super().__init__()
        self._removed = removed

    def enter_object_type_definition(
        self, node: ObjectTypeDefinitionNode, *_: Any
    ) -> ObjectTypeDefinitionNode:
        def stays(field: FieldDefinitionNode) -> bool:
            return f"{node.name.value}.{field.name.value}" not in self._removed

        changed: ObjectTypeDefinitionNode = _changed(
            node, fields=tuple(filter(stays, node.fields or ()))
        )
        return changed


class _Names(Visitor):
    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        right = _FIELD_NAMES.get(node.name.value)
        if right is None:
            return None
        answer = node.alias or NameNode(value=node.name.value)
        return _changed(node, name=NameNode(value=right), alias=answer)

    def enter_argument(self, node: ArgumentNode, *_: Any) -> ArgumentNode | None:
        right = _ARGUMENT_NAMES.get(node.name.value)
        return None if right is None else _changed(node, name=NameNode(value=right))


class _Uses(Visitor):
    """Collects, by variable, the types that the arguments with known deviations want."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.wanted: dict[str, tuple[set[str], str]] = {}

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        field: GraphQLField | None = self._info.get_field_def()
        argument = self._info.get_argument()
        if field is None or argument is None or not isinstance(node.value, VariableNode):
            return
        if field.ast_node is None:  # `__type` and `__schema` are the language's own
            return
        declared = _VARIABLE_TYPES.get((_field_name(field), node.name.value))
        if declared is not None:
            self.wanted[node.value.name.value] = (declared, str(argument.type))


class _Types(Visitor):
    def __init__(self, wanted: dict[str, tuple[set[str], str]]) -> None:
        super().__init__()
        self._wanted = wanted

    def enter_variable_definition(
        self, node: VariableDefinitionNode, *_: Any
    ) -> VariableDefinitionNode | None:
        declared, right = self._wanted.get(node.variable.name.value, (set(), ""))
        if print_ast(node.type) not in declared:
            return None
        wanted_type = parse_type(right)
        strict = isinstance(node.type, NonNullTypeNode) and not isinstance(
            wanted_type, NonNullTypeNode
        )
        return _changed(node, type=parse_type(f"{right}!") if strict else wanted_type)


def _field_name(field: GraphQLField) -> str:
    assert field.ast_node is not None
    return field.ast_node.name.value


def _changed(node: Any, **values: Any) -> Any:
    """Returns a copy of a syntax node with some of its parts replaced."""
    return type(node)(**{**{key: getattr(node, key) for key in node.keys}, **values})


def _write_time(value: Any) -> str:
    """Writes an instant with its zone, as ``2026-06-02T12:00:00Z``."""
    if not isinstance(value, datetime):
        return str(value)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_date(value: Any) -> str:
    return value.date().isoformat() if isinstance(value, datetime) else date.isoformat(value)


def _write_nmr(value: Any) -> str:
    return f"{Decimal(value):.18f}"


def _write_usd(value: Any) -> str:
    return f"{Decimal(value):.2f}"
