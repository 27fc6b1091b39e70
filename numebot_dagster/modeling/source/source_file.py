"""Read one file of a model's code: its hash, what it imports and the data files it declares."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tokenize import detect_encoding

from numebot_dagster.modeling.source.imports import Dynamic, Import, dynamic_imports, imports_of
from numebot_dagster.modeling.source.normal_form import normal_form

DATA_FILES = "data_files"
_NOT_WRITTEN_OUT = f"{DATA_FILES} is not a tuple of written-out names"


@dataclass(frozen=True)
class SourceFile:
    """What counts of one file.

    Attributes:
        digest: SHA-256 of its normal form; of its bytes where it is no Python source.
        imports: all that it may import.
        exported: the texts of its `__all__`, which may be names of submodules; None where they are
            not all written out.
        data_files: what its classes declare, relative to its folder.
        unread_data_files: the lines that set data files in a form that is not read.
        dynamic: where it decides while it runs what it imports.
    """

    digest: str
    imports: tuple[Import, ...] = ()
    exported: tuple[str, ...] | None = ()
    data_files: tuple[str, ...] = ()
    unread_data_files: tuple[int, ...] = ()
    dynamic: tuple[Dynamic, ...] = ()


def read_source_file(path: Path) -> SourceFile:
    """Read a file, or remember what was read as long as it has not changed."""
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, remembered as long as it has not changed."""
    status = path.stat()
    return _hash(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _hash(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=4096)
def _read(path: Path, changed: int, size: int) -> SourceFile:
    if path.suffix != ".py":  # a compiled extension
        return SourceFile(_hash(path, changed, size))
    content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python says of the user's style is not for now
            tree = ast.parse(content)
        encoding, _ = detect_encoding(iter(content.splitlines(keepends=True)).__next__)
        text = content.decode(encoding)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        unclear = Dynamic(getattr(error, "lineno", None) or 0, f"it is not valid Python: {error}")
        return SourceFile(hashlib.sha256(content).hexdigest(), dynamic=(unclear,))
    written, dynamic = dynamic_imports(tree, text)
    declared = _declared_files(tree) if DATA_FILES in text else []
    read = {line for line, names in declared if names is not None}
    setting = _lines_that_set_data_files(tree) if DATA_FILES in text else ()
    return SourceFile(
        digest=hashlib.sha256(normal_form(tree, docstrings="__doc__" in text)).hexdigest(),
        imports=(*imports_of(tree), *written),
        exported=_exported(tree) if "__all__" in text else (),
        data_files=tuple(name for _, names in declared for name in names or ()),
        unread_data_files=tuple(line for line in setting if line not in read),
        dynamic=(
            *dynamic,
            *(Dynamic(line, _NOT_WRITTEN_OUT) for line, names in declared if names is None),
        ),
    )


def _declared_files(tree: ast.Module) -> list[tuple[int, list[str] | None]]:
    """Return the lines on which classes declare data files, with the names if written out."""
    kinds = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assigned = [pair for kind in kinds for pair in _assigned(kind.body, DATA_FILES)]
    return [(line, _texts(value)) for line, value in assigned]


def _lines_that_set_data_files(tree: ast.Module) -> Iterator[int]:
    """Return the lines that set data files in any form, `setattr` and `type` included."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id="data_files", ctx=ast.Store())
                | ast.Attribute(attr="data_files", ctx=ast.Store())
                | ast.Constant(value="data_files")
                | ast.keyword(arg="data_files")
            ):
                yield node.lineno


def _exported(tree: ast.Module) -> tuple[str, ...] | None:
    written = [_texts(value) for _, value in _assigned(tree.body, "__all__")]
    mentions = [node for node in ast.walk(tree) if getattr(node, "id", None) == "__all__"]
    if None in written or len(mentions) > len(written):
        return None
    return tuple(text for texts in written for text in texts or ())


def _assigned(body: Sequence[ast.stmt], name: str) -> Iterator[tuple[int, ast.expr]]:
    """Return the lines and values of the assignments to a name."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                yield statement.lineno, value
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                if target == name:
                    yield statement.lineno, value


def _texts(value: ast.expr) -> list[str] | None:
    """Return the texts of a tuple or list of texts."""
    if not isinstance(value, ast.Tuple | ast.List):
        return None
    texts = [part.value for part in value.elts if isinstance(part, ast.Constant)]
    if len(texts) < len(value.elts) or not all(isinstance(text, str) for text in texts):
        return None
    return [str(text) for text in texts]
