"""Hash a model's code as it was done before only the files that a model uses counted.

Weights that were stored under such a hash go on counting as long as it can be seen that the code
has not changed since; see `numebot_dagster.modeling.same_code`.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from numebot_dagster.modeling.source.modules import find_module
from numebot_dagster.modeling.worker.messages import ModelCode

# What is larger is data and not source.
_LARGEST = 1_000_000


def former_hash(code: ModelCode) -> str:
    """Return eight hexadecimal digits over the top-level package of a model, byte by byte.

    Hidden files, `__pycache__` and files above 1 MB are left out.
    """
    source = _top_level(code)
    content = _hash_files(source, tuple(_listing(source)))
    return hashlib.sha256(f"{code} {content}".encode()).hexdigest()[:8]


def _top_level(code: ModelCode) -> Path:
    """Return the folder of the package that holds the module, or the only file."""
    package = find_module(code.module.partition(".")[0], code.search_path)
    if not package.folders:
        return Path(str(package.file))
    module = find_module(code.module, code.search_path)
    place = module.file or module.folders[0]
    return next(folder for folder in package.folders if place.is_relative_to(folder))


def _listing(source: Path) -> list[tuple[str, int, int]]:
    """Return relative path, time of change and size of each file that counts, in order."""
    if source.is_file():
        status = source.stat()
        return [(source.name, status.st_mtime_ns, status.st_size)]
    listing = []
    for parent, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name != "__pycache__" and name[:1] != "."]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or name.endswith(".pyc") or not path.is_file():
                continue
            status = path.stat()
            if status.st_size <= _LARGEST:
                relative = path.relative_to(source).as_posix()
                listing.append((relative, status.st_mtime_ns, status.st_size))
    return sorted(listing)


@lru_cache(maxsize=64)
def _hash_files(source: Path, listing: tuple[tuple[str, int, int], ...]) -> str:
    """Hash names and contents; times and sizes are only the key under which it is remembered."""
    digest = hashlib.sha256()
    for relative, _, _ in listing:
        content = (source / relative if source.is_dir() else source).read_bytes()
        digest.update(f"{relative}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:8]
