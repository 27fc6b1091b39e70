"""Finding and hashing a model's source without importing anything of it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

# What is larger is data and not source; reading it would slow down each loading of definitions.
_LARGEST = 1_000_000
_SUFFIXES = (".py", ".so", ".pyd")


class SourceNotFound(FileNotFoundError):
    """No file of that module is on the search path."""


def find_source(module: str, search_path: Sequence[str]) -> Path:
    """The whole that a module belongs to: its top-level package's folder, or its only file.

    Nothing is imported: a submodule is looked for by its file name.

    Args:
        module: dotted name.
        search_path: folders that are searched before `sys.path`.

    Raises:
        SourceNotFound: naming the part that is missing and where it was looked for.
    """
    top, *rest = module.split(".")
    spec = _find_spec(top, search_path)
    if spec is None:
        raise SourceNotFound(f"no module {top} in {', '.join(search_path)} or among the installed")
    if spec.submodule_search_locations is None:
        if rest:
            raise SourceNotFound(f"{top} ({spec.origin}) is a single module: it has no {rest[0]}")
        return Path(str(spec.origin))
    roots = [Path(location) for location in spec.submodule_search_locations]
    for root in roots:
        if _has_module(root, rest):
            return root
    raise SourceNotFound(f"no module {module} in {', '.join(map(str, roots))}")


def hash_source(source: Path) -> str:
    """Eight hexadecimal digits over all source files of a folder, or over a single file.

    Every change to a file's name or content changes it. Hidden files, `__pycache__` and files above
    1 MB are left out.
    """
    return _hash_files(source, tuple(_listing(source)))


def _find_spec(top: str, search_path: Sequence[str]) -> ModuleSpec | None:
    # As the worker's import will: a package anywhere on the path wins over a folder without
    # __init__.py. Editable installs have finders of their own; for a top-level name those import
    # nothing of it.
    spec = PathFinder.find_spec(top, [*search_path, *sys.path])
    try:
        return spec or importlib.util.find_spec(top)
    except ValueError:  # a module like __main__, which has no specification
        return None


def _has_module(root: Path, parts: Sequence[str]) -> bool:
    if not parts:
        return True
    place = root.joinpath(*parts)
    if place.is_dir():
        return True
    return any(
        file.name.startswith(f"{place.name}.") and file.name.endswith(_SUFFIXES)
        for file in place.parent.glob(f"{place.name}.*")
    )


def _listing(source: Path) -> list[tuple[str, int, int]]:
    """Relative path, time of change and size of each file that counts, in order."""
    if source.is_file():
        status = source.stat()
        return [(source.name, status.st_mtime_ns, status.st_size)]
    found = []
    for parent, folders, names in os.walk(source):
        folders[:] = [one for one in folders if one != "__pycache__" and not one.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or name.endswith(".pyc") or not path.is_file():
                continue
            status = path.stat()
            if status.st_size <= _LARGEST:
                relative = path.relative_to(source).as_posix()
                found.append((relative, status.st_mtime_ns, status.st_size))
    return sorted(found)


@lru_cache(maxsize=64)
def _hash_files(source: Path, listing: tuple[tuple[str, int, int], ...]) -> str:
    """Hashes names and contents; times and sizes are only the key under which it is remembered."""
    digest = hashlib.sha256()
    for relative, _, _ in listing:
        content = (source / relative if source.is_dir() else source).read_bytes()
        digest.update(f"{relative}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:8]
