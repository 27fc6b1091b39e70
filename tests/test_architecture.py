"""The picture in docs/architecture.md and the tree of the tests show the packages as they are."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.mirror import OF_SEVERAL_MODULES, TESTED_THROUGH

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PICTURE = PAGE.partition("```mermaid")[2].partition("```")[0]
LABELS = dict(re.findall(r'(\w+)\["(.+?)"\]', PICTURE))
ARROWS = re.findall(r"^ *(\w+)(?:\[.*?\])? --> (\w+)", PICTURE, re.MULTILINE)
OUTSIDE = {"user", "settings", "definitions"}  # no packages of ours


def packages(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def layers() -> list[set[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rooms = next(it for it in contracts["contracts"] if it["name"] == "The rooms import one way")
    return [{name.rpartition(".")[2] for name in row.split(" | ")} for row in rooms["layers"]]


def test_every_package_is_in_the_picture():
    assert LABELS.keys() - OUTSIDE == packages(ROOT / "numebot_dagster")


@pytest.mark.parametrize("room", sorted(LABELS.keys() - OUTSIDE))
def test_a_room_shows_its_packages(room):
    name, _, inside = LABELS[room].partition("<br/>")
    assert name == room
    assert set(filter(None, inside.split(", "))) == packages(ROOT / "numebot_dagster" / room)


def test_the_arrows_go_the_way_that_imports_may_go():
    height = {room: depth for depth, row in enumerate(layers()) for room in row}
    assert len(ARROWS) == 12
    assert [arrow for arrow in ARROWS if height[arrow[0]] >= height[arrow[1]]] == []


def test_every_module_that_the_page_names_exists():
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE))
    places = (ROOT, ROOT / "numebot_dagster")
    assert {path for path in named if not any((at / path).is_file() for at in places)} == set()


@pytest.mark.parametrize(
    ("folder", "text"), re.findall(r"^\| `(\w[\w/]*/)` \| .* \| (.+) \|$", PAGE, re.MULTILINE)
)
def test_the_table_of_rooms_names_modules_of_the_room(folder, text):
    for module in re.findall(r"`(\w+\.py)`", text):
        assert (ROOT / "numebot_dagster" / folder / module).is_file()


def modules() -> set[str]:
    package = ROOT / "numebot_dagster"
    paths = [path for path in package.rglob("*.py") if path.name != "__init__.py"]
    return {path.relative_to(package).with_suffix("").as_posix() for path in paths}


def mirrored() -> dict[str, str]:
    """Return by each test module the path of the module that it would mirror."""
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    return {
        path.as_posix(): path.with_name(path.stem.removeprefix("test_")).as_posix()
        for path in tests
    }


def test_each_module_is_tested_at_its_path_or_where_the_list_says():
    listed = [pattern for names in TESTED_THROUGH.values() for pattern in names.split()]
    existing = modules()
    untested = existing - set(mirrored().values())
    assert {name for name in untested if not any(fnmatch(name, it) for it in listed)} == set()
    assert [it for it in listed if not any(fnmatch(name, it) for name in existing)] == []


def test_each_test_module_mirrors_a_module_or_is_listed():
    several = [f"{name}.py" for names in OF_SEVERAL_MODULES.values() for name in names.split()]
    existing = modules()
    odd = {test for test, module in mirrored().items() if module not in existing}
    assert odd - {*TESTED_THROUGH, *several} == set()
    assert {*TESTED_THROUGH, *several} <= mirrored().keys()
    assert [test for test in several if test not in odd] == []
