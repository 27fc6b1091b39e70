"""A file of ours that cannot be read costs what it holds and nothing else."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from numebot_dagster.lake import catalog
from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.receipts import State
from numebot_dagster.operations import live, status, watching
from numebot_dagster.operations.details import fetch_details
from numebot_dagster.operations.playing import Play, play

CONFIRMED = {"steady-1": State.CONFIRMED, "second": State.CONFIRMED}
KINDS = {
    "receipts": "submissions/model=*/round=*/*.parquet",
    "newest receipts": "submissions/model=steady-1/round=*/*.parquet",
    "predictions": "predictions/model=*/round=*/*/*/*.parquet",
    "details": "rounds/round=*/details.parquet",
    "alerts": "alerts/kind=*/*.json",
    "catalog": "numebot.duckdb",
}


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(8):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def empty(_content: bytes, _chance: random.Random) -> bytes:
    return b""


@pytest.fixture(scope="module")
def played(_module_world, tmp_path_factory):
    """A world whose open round is confirmed, and a copy of its lake to return to."""
    patch = pytest.MonkeyPatch()
    world = _module_world.enter(patch)
    number = world.open_round()
    platform = world.platform
    fetch_details(platform, number)
    live.fetch_live(platform, number, platform.registry.enabled)
    play(platform, Play(number, platform.registry.enabled))
    catalog.rebuild(platform.lake)
    copy = tmp_path_factory.mktemp("lake") / "data"
    shutil.copytree(platform.lake.root, copy, ignore=shutil.ignore_patterns("training", "live"))
    patch.undo()
    return world, number, copy


def restore(root: Path, copy: Path) -> None:
    for name in ("submissions", "predictions", "rounds", "alerts"):
        shutil.rmtree(root / name, ignore_errors=True)
    shutil.copytree(copy, root, dirs_exist_ok=True)


@pytest.mark.parametrize("damage", [flip_bits, cut, empty])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_stops_nobody_and_sends_nothing_twice(
    played, monkeypatch, caplog, kind, damage
):
    world, number, copy = played
    world.enter(monkeypatch)
    platform = world.platform
    restore(platform.lake.root, copy)
    chance = random.Random(f"{kind} {damage.__name__}")
    paths = sorted(platform.lake.root.glob(KINDS[kind]))
    assert paths
    for path in paths:
        content = damage(path.read_bytes(), chance)
        path.unlink()  # it may share its content with the copy
        path.write_bytes(content)
    endings = play(platform, Play(number, platform.registry.enabled))
    assert [one.text for one in endings if one.ending == "failed"] == []
    latest = receipts.latest(platform.lake, number)
    assert {name: receipt.state for name, receipt in latest.items()} == CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    watching.look(platform)
    at = status.moment(platform)
    windows = status.recent_windows(platform, at, [], 3)
    assert {cell.standing for cell in status.standings(platform, windows, at.now)} == {"confirmed"}
    catalog.rebuild(platform.lake)
    for view in catalog.VIEW_NAMES:
        catalog.query(platform.lake, f'FROM "{view}"')
    for path in platform.lake.root.rglob("*.damaged"):
        before = str(path).removesuffix(".damaged")
        assert caplog.text.count(f"{before} cannot be read and was set aside") == 1
