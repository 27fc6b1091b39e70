"""Read queries as leniently as Numerai's service does: rewrite them to the letter of the schema.

The service follows two rules where the letter of GraphQL is strict. A field or argument may be
written in snake_case or in camelCase: two names are the same when they have the same words
(`return_1_day` and `return1Day`, `roundNumber__eq` and `roundNumberEq`). And the declared type of a
variable does not matter: its value is read by the type of each position where the variable stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLInputType,
    GraphQLSchema,
    NameNode,
    NonNullTypeNode,
    NullValueNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    TypeNode,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_non_null_type,
    parse_type,
    print_ast,
    visit,
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_DIGITS = re.compile(r"-?\d+")
# Stands between the name of a variable and the number of the position type that a copy of it has.
_COPY = "__copy"


def to_the_letter(document: DocumentNode, schema: GraphQLSchema) -> DocumentNode:
    """Return a query with the names and the types of variables that the schema has."""
    info = TypeInfo(schema)
    named: DocumentNode = visit(document, TypeInfoVisitor(info, _Names(info)))
    positions = _Positions(info)
    placed: DocumentNode = visit(named, TypeInfoVisitor(info, positions))
    retyped: DocumentNode = visit(placed, _Definitions(positions.types))
    return retyped


def values_of(document: DocumentNode, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values of a query's variables, as the types that `to_the_letter` gave them."""
    sent = given or {}
    return {
        name: _read_as(print_ast(variable.type), sent[source])
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        for variable in definition.variable_definitions
        if (source := (name := variable.variable.name.value).partition(_COPY)[0]) in sent
    }


def same_name(name: str, names: Iterable[str]) -> str:
    """Return that of `names` with the same words as `name`, or `name` if none has them."""
    names = tuple(names)
    return name if name in names else _by_words(names).get(_words(name), name)


def changed(node: Any, **values: Any) -> Any:
    """Return a copy of a syntax node with some of its parts replaced."""
    return type(node)(**{**{key: getattr(node, key) for key in node.keys}, **values})


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


@cache
def _by_words(names: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    return {_words(name): name for name in names}


class _Names(Visitor):
    """Writes names as the schema does; answers keep the name as asked."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        parent = self._info.get_parent_type()
        fields = getattr(parent, "fields", {})
        right = same_name(node.name.value, fields)
        if right == node.name.value:
            return None
        answer = node.alias or NameNode(value=node.name.value)
        renamed: FieldNode = changed(node, name=NameNode(value=right), alias=answer)
        return renamed

    def enter_argument(self, node: ArgumentNode, *_: Any) -> ArgumentNode | None:
        field = self._info.get_field_def()
        if field is None or self._info.get_directive() is not None:
            return None
        right = same_name(node.name.value, field.args)
        if right == node.name.value:
            return None
        renamed: ArgumentNode = changed(node, name=NameNode(value=right))
        return renamed


class _Positions(Visitor):
    """Collects the types of the positions of each variable, and gives each type its own copy."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        # By the name of a variable: its copies, by type of position and whether that is optional.
        self.types: dict[str, dict[tuple[str, bool], str]] = {}

    def enter_variable_definition(self, *_: Any) -> Any:
        return self.SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> VariableNode | None:
        position: GraphQLInputType | None = self._info.get_input_type()
        if position is None:
            return None
        name = node.name.value
        copies = self.types.setdefault(name, {})
        optional = is_non_null_type(position) and (
            self._info.get_default_value() not in (None, Undefined)
        )
        copy = copies.setdefault(
            (str(position), optional), f"{name}{_COPY}{len(copies)}" if copies else name
        )
        if copy == name:
            return None
        renamed: VariableNode = changed(node, name=NameNode(value=copy))
        return renamed


class _Definitions(Visitor):
    """Declares each variable once for each type of position."""

    def __init__(self, types: Mapping[str, Mapping[tuple[str, bool], str]]) -> None:
        super().__init__()
        self._types = types

    def enter_operation_definition(
        self, node: OperationDefinitionNode, *_: Any
    ) -> OperationDefinitionNode:
        definitions = tuple(
            copy for variable in node.variable_definitions for copy in self._copies(variable)
        )
        redefined: OperationDefinitionNode = changed(node, variable_definitions=definitions)
        return redefined

    def _copies(self, node: VariableDefinitionNode) -> list[VariableDefinitionNode]:
        copies = self._types.get(node.variable.name.value)
        if not copies:
            return [node]
        return [
            changed(
                node,
                type=_declared(node, position, optional=optional),
                variable=VariableNode(name=NameNode(value=name)),
            )
            for (position, optional), name in copies.items()
        ]


def _declared(node: VariableDefinitionNode, position: str, *, optional: bool) -> TypeNode:
    """Return the type of a variable: that of its position, required if its client says so too."""
    required = isinstance(node.type, NonNullTypeNode)
    with_default = node.default_value is not None and not isinstance(
        node.default_value, NullValueNode
    )
    if required and not position.endswith("!"):
        return parse_type(f"{position}!")
    if not required and (optional or with_default):
        return parse_type(position.removesuffix("!"))
    return parse_type(position)


def _read_as(type_: str, value: Any) -> Any:
    """Return a value as the service reads it: numbers as text, and digits as a number."""
    name = type_.strip("[]!")
    if isinstance(value, list):
        return [_read_as(name, item) for item in value]
    if name in ("ID", "String") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name == "Int" and isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value
