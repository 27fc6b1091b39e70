"""Reduce Python source to what it does, in a form that all Python versions share.

Comments, formatting, docstrings and what only type checkers read are left out. The standard
library's `ast.dump` differs between Python versions, so the tree is written out here: absent and
empty fields are omitted, fields are in alphabetical order, and the parts of f-strings are joined.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any

# They say nothing that the rest does not, or nothing that is executed.
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


class _Written(str):
    """A piece of the result, to tell it from a text of the source."""

    __slots__ = ()


def normal_form(tree: ast.Module, *, docstrings: bool) -> bytes:
    """Write out a syntax tree.

    Args:
        tree: of a whole file.
        docstrings: whether to keep texts that stand alone as a statement, docstrings among them.
    """
    result: list[str] = []
    # A stack instead of recursion: a long chain of operators nests deeper than Python calls may.
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Written):
            result.append(item)
        elif isinstance(item, ast.AST):
            result.append(f"{type(item).__name__}(")
            waiting.append(_Written(")"))
            for name, value in _content(item):
                waiting += [value, _Written(f"{name}=")]
        elif isinstance(item, list):
            result.append("[")
            waiting.append(_Written("]"))
            waiting += reversed(list(_executed(item, docstrings=docstrings)))
        else:
            result.append(_constant(item))
    return "".join(result).encode("utf-8", "surrogatepass")


def is_type_checking(test: ast.expr) -> bool:
    """Return whether a condition is `TYPE_CHECKING`, which is false in every program that runs."""
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def is_text(statement: Any) -> bool:
    """Return whether a statement is a text alone, such as a docstring."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@cache
def _sorted(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(fields) - _SKIPPED, reverse=True))


def _content(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Return the fields of a node that hold something, last first."""
    for name in _sorted(node._fields):
        value = getattr(node, name, None)
        if isinstance(node, ast.JoinedStr):
            value = list(_joined(node.values))
        elif name == "format_spec" and value is not None:
            value = value if list(_joined(value.values)) else None
        if value is not None and value != []:
            yield name, value


def _joined(parts: Sequence[ast.expr]) -> Iterator[ast.expr]:
    """Return the parts of an f-string; versions cut the texts between values differently."""
    for is_constant, group in groupby(parts, lambda part: isinstance(part, ast.Constant)):
        if not is_constant:
            yield from group
        elif text := "".join(str(part.value) for part in group if isinstance(part, ast.Constant)):
            yield ast.Constant(text)


def _executed(items: Sequence[Any], *, docstrings: bool) -> Iterator[Any]:
    for item in items:
        if isinstance(item, ast.If) and is_type_checking(item.test):
            yield from _executed(item.orelse, docstrings=docstrings)
        elif docstrings or not is_text(item):
            yield item


def _constant(value: Any) -> str:
    """Write a constant; `repr` of a text would depend on the version's table of characters."""
    match value:
        case str():
            return f"str:{len(value)}:{value};"
        case bytes():
            return f"bytes:{value.hex()};"
        case float():
            return f"float:{value.hex()};"
        case complex():
            return f"complex:{value.real.hex()},{value.imag.hex()};"
        case int() if not isinstance(value, bool):
            return f"int:{value:x};"
        case _:
            return f"{value!r};"
