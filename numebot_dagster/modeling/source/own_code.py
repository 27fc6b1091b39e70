"""Find what a model's code is made of: its module, and what that imports of the user's own.

Nothing is imported. Modules count whole, with the `__init__` of each package on the way. Python's
own modules, installed packages and Numebot do not count, but for the package of the model itself,
wherever that is installed. Where a file decides while it runs what it imports, every module of its
package counts; of a file without a package, every module beside it and in the folders there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from numebot_dagster.modeling.source.imports import Dynamic, Import
from numebot_dagster.modeling.source.modules import (
    Module,
    SourceNotFound,
    find_module,
    find_submodule,
    modules_below,
    modules_beside,
)
from numebot_dagster.modeling.source.source_file import hash_file, read_source_file
from numebot_dagster.modeling.worker.messages import ModelCode

_MISSING = "missing"


@dataclass(frozen=True)
class OwnCode:
    """What a model's code is made of.

    Attributes:
        digests: of each file that counts, by the name of its module.
        data_digests: of each declared data file, by module and name; `missing` of one that is not
            there.
        data_files: the paths of the declared data files, with links followed.
        dynamic: the places, each `file, line: what`, that make whole packages count.
    """

    code: ModelCode
    digests: dict[str, str]
    data_digests: dict[str, str]
    data_files: frozenset[Path]
    dynamic: tuple[str, ...]

    @property
    def remark(self) -> str:
        """What its author should know of what counts; empty where just what is imported does."""
        if not self.dynamic:
            return ""
        more = f" (and {len(self.dynamic) - 1} more)" if len(self.dynamic) > 1 else ""
        return (
            "every module of its package counts as its code, because what is imported cannot be "
            f"read from it: {self.dynamic[0]}{more}"
        )

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits, equal for code that does the same."""
        digest = hashlib.sha256(f"{self.code}\n".encode())
        for digests in (self.digests, self.data_digests):
            for name in sorted(digests):
                digest.update(f"{name}\0{digests[name]}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:8]


def own_code(code: ModelCode) -> OwnCode:
    """Find what a model's code is made of.

    Raises:
        SourceNotFound: there is no such module, or a file of its code cannot be read.
    """
    search = _Search(code.search_path, code.module.partition(".")[0])
    find_module(code.module, code.search_path)
    search.add(code.module)
    search.run()
    return OwnCode(
        code=code,
        digests=search.digests,
        data_digests=search.data_digests,
        data_files=frozenset(search.data_files),
        dynamic=tuple(search.dynamic),
    )


@dataclass
class _Search:
    """Follows imports from file to file."""

    search_path: tuple[str, ...]
    own_package: str
    digests: dict[str, str] = field(default_factory=dict)
    data_digests: dict[str, str] = field(default_factory=dict)
    data_files: set[Path] = field(default_factory=set)
    dynamic: list[str] = field(default_factory=list)
    _waiting: list[Module] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _top_level: dict[str, Module | None] = field(default_factory=dict)

    def add(self, name: str) -> Module | None:
        """Add a module and the packages on the way to it, as far as they are the user's own.

        Returns:
            The module, if it is found and the user's own.
        """
        module = self._find_top_level(name.partition(".")[0])
        self._enqueue(module)
        for part in name.split(".")[1:]:
            module = module and find_submodule(module, part)
            self._enqueue(module)
        return module

    def run(self) -> None:
        """Read what was added, and what that imports."""
        while self._waiting:
            module = self._waiting.pop()
            if module.file is None:
                continue
            try:
                self._read(module, module.file)
            except OSError as error:
                place = error.filename or module.file
                raise SourceNotFound(f"{place} cannot be read: {error.strerror}") from error
            except Exception as error:  # whatever it is, it costs this model only
                raise SourceNotFound(f"{module.file} cannot be understood: {error!r}") from error

    def _find_top_level(self, name: str) -> Module | None:
        if name not in self._top_level:
            module: Module | None = None
            with suppress(SourceNotFound):
                module = find_module(name, self.search_path)
            if module and not (name == self.own_package or module.is_the_users):
                module = None
            self._top_level[name] = module
        return self._top_level[name]

    def _enqueue(self, module: Module | None) -> None:
        if module is not None and module.name not in self._seen:
            self._seen.add(module.name)
            self._waiting.append(module)

    def _read(self, module: Module, path: Path) -> None:
        file = read_source_file(path)
        self.digests[module.name] = file.digest
        for name in file.data_files:
            data = path.parent / name
            digest = hash_file(data) if data.is_file() else _MISSING
            self.data_digests[f"{module.name}:{name}"] = digest
            self.data_files.add(data.resolve())
        dynamic = list(file.dynamic)
        for statement in file.imports:
            dynamic += self._follow(module, statement)
        if dynamic:
            self.dynamic += [f"{path}, line {place.line}: {place.what}" for place in dynamic]
            for other in self._whole_package(module, path):
                self._enqueue(other)

    def _follow(self, module: Module, statement: Import) -> Iterator[Dynamic]:
        """Add what a statement imports; yield what cannot be read from it."""
        name = _absolute(module, statement)
        target = self.add(name) if name else None
        for part in statement.names if target else ():
            self.add(f"{name}.{part}")
        if "*" in statement.names and not self._follow_star(name, target):
            yield Dynamic(statement.line, f"from {name} import * does not name what it imports")

    def _follow_star(self, name: str, target: Module | None) -> bool:
        """Add the submodules that a package exports; return whether they can be told."""
        if target is None:
            return self._is_installed(name)
        exported = read_source_file(target.file).exported if target.file else ()
        for part in exported or ():
            self.add(f"{name}.{part}")
        return exported is not None or not target.is_package

    def _is_installed(self, name: str) -> bool:
        try:
            find_module(name.partition(".")[0], self.search_path)
        except SourceNotFound:
            return False
        return True

    def _whole_package(self, module: Module, path: Path) -> Iterator[Module]:
        package = self._find_top_level(module.name.partition(".")[0])
        if package is not None and package.is_package:
            yield from modules_below(package)
        else:
            yield from modules_beside(path)


def _absolute(module: Module, statement: Import) -> str:
    """Return the dotted name of what a statement imports from; None if there is no such package."""
    if not statement.level:
        return statement.module
    parts = module.name.split(".")
    kept = len(parts) - statement.level + module.is_package
    return ".".join([*parts[:kept], *filter(None, [statement.module])]) if kept > 0 else ""
