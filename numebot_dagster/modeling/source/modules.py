"""Find modules by their names without importing anything of the user."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path

_SUFFIXES = (".py", *EXTENSION_SUFFIXES)
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_NUMEBOT = Path(__file__).parents[2]
_STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))


class SourceNotFound(FileNotFoundError):
    """No file of that module is on the search path."""


@dataclass(frozen=True)
class Module:
    """A module that was found.

    Attributes:
        name: its dotted name.
        file: its source, or a package's `__init__`; a folder without one has none.
        folders: where its submodules are; of a single file there are none.
    """

    name: str
    file: Path | None
    folders: tuple[Path, ...] = ()

    @property
    def is_package(self) -> bool:
        """Whether it may have submodules."""
        return bool(self.folders)

    @property
    def is_the_users(self) -> bool:
        """Whether it is neither Python's own, nor installed, nor a part of Numebot."""
        for place in (self.file, *self.folders):
            if place is not None:
                installed = _INSTALLED.intersection(place.parts)
                standard = any(place.is_relative_to(folder) for folder in _STANDARD)
                return not (installed or standard or place.is_relative_to(_NUMEBOT))
        return False


def find_module(name: str, search_path: Sequence[str]) -> Module:
    """Find a module by its dotted name, as the import in a worker will.

    Raises:
        SourceNotFound: naming the part that is missing and where it was looked for.
    """
    top, *rest = name.split(".")
    module = _top_level(top, search_path)
    if module is None:
        raise SourceNotFound(
            f"no module {top} in {', '.join(search_path)} or among the installed packages"
        )
    if rest and not module.is_package:
        raise SourceNotFound(f"{top} ({module.file}) is a single module: it has no {rest[0]}")
    for part in rest:
        submodule = find_submodule(module, part)
        if submodule is None:
            raise SourceNotFound(f"no module {name} in {', '.join(map(str, module.folders))}")
        module = submodule
    return module


def find_submodule(package: Module, name: str) -> Module | None:
    """Find a module in a package."""
    # By its last name alone: with the whole one, Python would look for the imported package.
    spec = PathFinder.find_spec(name, [str(folder) for folder in package.folders])
    return None if spec is None else _module(f"{package.name}.{name}", spec)


def modules_below(package: Module) -> Iterator[Module]:
    """Yield every module of a package, at any depth, in hidden folders excepted."""
    for root in package.folders:
        for parent, folders, names in os.walk(root):
            folders[:] = sorted(filter(str.isidentifier, set(folders) - {"__pycache__"}))
            parts = (package.name, *Path(parent).relative_to(root).parts)
            for name in sorted(names):
                stem, dot, _ = name.partition(".")
                if dot and name.endswith(_SUFFIXES) and stem.isidentifier():
                    own = parts if stem == "__init__" else (*parts, stem)
                    inside = (Path(parent),) if stem == "__init__" else ()
                    yield Module(".".join(own), Path(parent, name), inside)


def modules_beside(file: Path) -> Iterator[Module]:
    """Yield every module in the folder of a file, and in the folders there that hold modules."""
    for place in sorted(file.parent.iterdir()):
        if place.is_file() and place.suffix == ".py" and place.stem.isidentifier():
            yield Module(place.stem, place)
        elif place.name.isidentifier() and place != _NUMEBOT and any(place.glob("*.py")):
            yield from modules_below(Module(place.name, None, (place,)))


def _top_level(name: str, search_path: Sequence[str]) -> Module | None:
    # A package anywhere on the path wins over a folder without __init__.py. Editable installs have
    # finders of their own; for a top-level name those import nothing of it.
    spec = PathFinder.find_spec(name, [*search_path, *sys.path])
    try:
        spec = spec or importlib.util.find_spec(name)
    except ValueError:  # a module like __main__, which has no specification
        return None
    return None if spec is None else _module(name, spec)


def _module(name: str, spec: ModuleSpec) -> Module:
    folders = tuple(Path(folder) for folder in spec.submodule_search_locations or ())
    return Module(name, Path(spec.origin) if spec.has_location and spec.origin else None, folders)
