"""Read from a syntax tree what a file imports, and where that cannot be read from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from numebot_dagster.modeling.source.normal_form import is_type_checking

# Calling one of these with a text as its only argument is an import like any other; anything else
# that is done with it means that what is imported is decided when the program runs.
_IMPORTERS = frozenset({"import_module", "__import__"})
_RUNNERS = frozenset({"exec", "eval"})
# Mentioning one of these means the same, wherever it comes from.
_LOADERS = frozenset(
    {
        *("spec_from_file_location", "spec_from_loader", "module_from_spec", "exec_module"),
        *("SourceFileLoader", "SourcelessFileLoader", "ExtensionFileLoader", "zipimporter"),
        *("entry_points", "iter_entry_points", "addsitedir", "meta_path", "path_hooks"),
        *("runpy", "pkgutil", "zipimport"),
    }
)
# Importing one of these modules, or anything from it, means the same.
_MODULES = frozenset({"runpy", "pkgutil", "zipimport", "imp", "pydoc"})
# Of these modules only some names mean the same: a model may have an `eval` of its own.
_NAMES_OF = {
    "sys": frozenset({"path", "meta_path", "path_hooks"}),
    "builtins": _RUNNERS | _IMPORTERS,
    "__builtins__": _RUNNERS | _IMPORTERS,
}
_WORDS = (*_IMPORTERS, *_RUNNERS, *_LOADERS, *_MODULES, *_NAMES_OF)
_SUSPICIOUS = re.compile(rf"\b({'|'.join(_WORDS)})\b")


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
    imports: list[Import] = []
    # A stack instead of recursion: each `elif` nests deeper than the one before.
    waiting: list[ast.AST] = [tree]
    while waiting:
        match waiting.pop():
            case ast.Import(names=names, lineno=line):
                imports += [Import(alias.name, line=line) for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level, lineno=line):
                parts = tuple(alias.name for alias in names)
                imports.append(Import(module or "", level, parts, line))
            case ast.If(test=test, orelse=branches) if is_type_checking(test):
                waiting += reversed(branches)
            case statement:
                waiting += reversed(list(_nested(statement)))
    return imports


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
    names = _Names.of(tree)
    for node in ast.walk(tree):  # a call comes before its parts
        if isinstance(node, ast.Call) and _name(node.func) in _IMPORTERS:
            if name := _only_text(node.args, node.keywords):
                written.append(Import(name, line=node.lineno))
                settled.add(id(node.func))
        elif id(node) not in settled and (what := _decided_later(node, names)):
            settled.update(map(id, ast.iter_child_nodes(node)))
            dynamic.append(Dynamic(getattr(node, "lineno", 0), what))
    return written, dynamic


@dataclass(frozen=True)
class _Names:
    """What a file calls things.

    Attributes:
        modules: the modules of `_NAMES_OF`, by the names that they have here.
        own: the names that it gives itself, which therefore are not Python's own.
    """

    modules: dict[str, str]
    own: frozenset[str]

    def special_of(self, owner: str) -> frozenset[str]:
        """Return the names of `_NAMES_OF` that matter behind this name and a dot."""
        return _NAMES_OF.get(self.modules.get(owner, ""), frozenset())

    @classmethod
    def of(cls, tree: ast.Module) -> _Names:
        """Read them from a file."""
        modules = {name: name for name in _NAMES_OF}
        own = set()
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    used = [alias for alias in names if alias.name in _NAMES_OF]
                    modules |= {alias.asname or alias.name: alias.name for alias in used}
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                    own.add(name)
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    own.add(name)
                case ast.alias(name=name, asname=other):
                    own.add(other or name)
        return cls(modules, frozenset(own))


def _nested(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a compound statement, such as the branches of an `if`."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        yield from getattr(statement, name, ())


def _only_text(arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> str | None:
    """Return the name that is imported, if it is written out and depends on nothing else."""
    if len(arguments) == 1 and not keywords and isinstance(arguments[0], ast.Constant):
        name = arguments[0].value
        if isinstance(name, str) and not name.startswith("."):
            return name
    return None


def _decided_later(node: ast.AST, names: _Names) -> str | None:
    """Return what a node does to the imports, if it decides them while the program runs."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in _RUNNERS:
            return f"{name}() runs code that is computed while the model runs"
        case ast.Name(id=name) if name in _RUNNERS - names.own:
            return f"{name} is passed on to run code that is computed while the model runs"
        case (
            ast.Attribute(value=ast.Name(id=owner), attr=name)
            | ast.Call(
                func=ast.Name(id="getattr"), args=[ast.Name(id=owner), ast.Constant(value=name), *_]
            )
        ) if name in names.special_of(owner):
            return f"{names.modules[owner]}.{name} is used"
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return _mentioned(name)
        case ast.Import() | ast.ImportFrom():
            return _imported(node)
    return None


def _mentioned(name: str) -> str | None:
    if name in _IMPORTERS:
        return f"{name} is called with a name that is computed while the model runs"
    return f"{name} is used" if name in _LOADERS else None


def _imported(statement: ast.Import | ast.ImportFrom) -> str | None:
    source = getattr(statement, "module", None) or ""
    for alias in statement.names:
        name = alias.name
        if name in _IMPORTERS and alias.asname:
            return f"{name} is imported under another name"
        if name in _NAMES_OF.get(source, frozenset()) - _IMPORTERS:
            return f"{source}.{name} is used"
        if name in _LOADERS or (name in _MODULES and not source):
            return f"{name} is used"
    return f"{source} is used" if source in _MODULES else None


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
