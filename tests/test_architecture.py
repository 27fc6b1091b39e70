"""The picture of the house in docs/architecture.md shows the packages as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

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
