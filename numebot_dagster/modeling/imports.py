"""Read from a syntax tree what a file imports, and where that cannot be read from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from numebot_dagster.modeling.normal_form import is_type_checking

# Mentioning one of these means that what is imported is decided when the program runs, unless it
# is a call with a text as its first argument.
_IMPORTERS = frozenset({"import_module", "__import__"})
_RUNNERS = frozenset({"exec", "eval"})
_LOADERS = frozenset(
    {
        *("spec_from_file_location", "SourceFileLoader", "entry_points", "iter_entry_points"),
        *("runpy", "pkgutil", "zipimport", "addsitedir", "meta_path", "path_hooks"),
    }
)
_SUSPICIOUS = re.compile("|".join([*_IMPORTERS, *_RUNNERS, *_LOADERS, r"sys\s*\.\s*path"]))


@dataclass(frozen=True)
class Import:
    """One module that a statement names.

    Attributes:
        module: dotted name; without one the package that `level` points to.
        level: number of leading dots.
        names: what is imported from it, each perhaps a module of its own; `*` among them.
        line: of the statement.
    """

    module: str
    level: int = 0
    names: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Dynamic:
    """A place where the code decides while it runs what it imports."""

    line: int
    what: str


def imports_of(tree: ast.Module) -> list[Import]:
    """Return every import statement, those inside functions and conditions included.

    What stands below `if TYPE_CHECKING` is left out: it is not executed.
    """
    return list(_statements(tree.body))


def dynamic_imports(tree: ast.Module, text: str) -> tuple[list[Import], list[Dynamic]]:
    """Return the imports by a written name, and the places where the name is not written out.

    Args:
        tree: of the file.
        text: of the same file: most files contain none of the words in question.
    """
    if not _SUSPICIOUS.search(text):
        return [], []
    written: list[Import] = []
    settled: set[int] = set()  # nodes whose meaning is known from the call that they are part of
    dynamic = []
    for node in ast.walk(tree):  # a call comes before its parts
        if isinstance(node, ast.Call) and _name(node.func) in _IMPORTERS:
            if name := _only_text(node.args, node.keywords):
                written.append(Import(name, line=node.lineno))
                settled.add(id(node.func))
        elif id(node) not in settled and (what := _decided_later(node)):
            dynamic.append(Dynamic(getattr(node, "lineno", 0), what))
    return written, dynamic


def _statements(body: Sequence[ast.stmt]) -> Iterator[Import]:
    for statement in body:
        match statement:
            case ast.Import():
                for alias in statement.names:
                    yield Import(alias.name, line=statement.lineno)
            case ast.ImportFrom():
                names = tuple(alias.name for alias in statement.names)
                yield Import(statement.module or "", statement.level, names, statement.lineno)
            case ast.If() if is_type_checking(statement.test):
                yield from _statements(statement.orelse)
            case _:
                yield from _nested(statement)


def _nested(statement: ast.stmt) -> Iterator[Import]:
    for name in ("body", "orelse", "finalbody"):
        yield from _statements(getattr(statement, name, ()))
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield from _statements(part.body)


def _only_text(arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> str | None:
    """The name that is imported, if it is written out and depends on nothing else."""
    if len(arguments) == 1 and not keywords and isinstance(arguments[0], ast.Constant):
        name = arguments[0].value
        if isinstance(name, str) and not name.startswith("."):
            return name
    return None


def _decided_later(node: ast.AST) -> str | None:
    """What a node does to the imports, if it decides them while the program runs."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in _RUNNERS:
            return f"{name}() runs code that is put together while the model runs"
        case ast.Attribute(attr="path", value=ast.Name(id="sys")):
            return "sys.path is used"
        case ast.alias(name=name, asname=None) if name in _IMPORTERS:
            return None  # its calls are looked at
        case ast.alias(name=name) if name in _IMPORTERS:
            return f"{name} is imported under another name"
        case ast.alias(name=name) | ast.Name(id=name) | ast.Attribute(attr=name):
            if name in _IMPORTERS:
                return f"{name} is given a name that is put together while the model runs"
            if name in _LOADERS:
                return f"{name} is used"
    return None


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
