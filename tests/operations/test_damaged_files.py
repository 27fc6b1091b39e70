"""A file of ours that cannot be read costs what it holds and nothing else."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from numebot_dagster.lake import catalog
from numebot_dagster.lake.damaged import SUFFIX
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.operations.health import observations, outlook, ownership, status, watchdog
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.rounds import live_data, skipped_rounds
from numebot_dagster.operations.rounds.details import fetch_details
from numebot_dagster.operations.rounds.playing import Play, play
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State

CONFIRMED = {"steady-1": State.CONFIRMED, "second": State.CONFIRMED}
# What is damaged together. Without receipts a submission is known again by the id of the folder in
# its name and by its predictions, so that these are not in one group.
GROUPS = {
    "what is said of a round": (
        "submissions/model=*/round=*/*.parquet",
        "alerts/kind=*/*.json",
        "preflight/*.json",
        "rounds/skipped.json",
        "numebot.duckdb",
        "leaderboard/date=*/*.parquet",
    ),
    "what a round is made of": (
        "predictions/model=second/round=*/*/*/*.parquet",
        "rounds/round=*/details.parquet",
        "live/round=*/*/*",
        "installation.json",
        "tournament.json",
        "payouts/date=*/*.parquet",
        "scores/date=*/*.parquet",
    ),
}
# Read for predictions alone; numebot.duckdb is made anew whenever it is not as it should be.
FETCHED_ANEW = ("live", "numebot.duckdb")


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(8):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def empty(_content: bytes, _chance: random.Random) -> bytes:
    return b""


DAMAGES = (flip_bits, cut, empty)


def damage_all(root: Path, patterns: Sequence[str], damage) -> list[Path]:
    """Damage all files under a folder that match; return them."""
    chance = random.Random(f"{patterns} {damage.__name__}")
    paths = []
    for pattern in patterns:
        matches = [path for path in sorted(root.glob(pattern)) if path.is_file()]
        assert matches, pattern
        paths += matches
    for path in paths:
        content = damage(path.read_bytes(), chance)
        path.unlink()  # it may share its content with a copy
        path.write_bytes(content)
    return paths


@pytest.fixture(scope="module")
def played(_module_world, tmp_path_factory):
    """Return a world whose open round is confirmed, and a copy of its lake to return to."""
    patch = pytest.MonkeyPatch()
    world = _module_world.enter(patch)
    number = world.open_round()
    platform = world.platform
    ownership.claim(platform)
    fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    play(platform, Play(number, platform.registry.enabled))
    skipped_rounds.skip_what_closed(platform)
    observations.look(platform)
    platform.lake.preflight_file.write_text(
        '{"examined_at": "2026-06-02T10:00:00", "findings": []}'
    )
    collecting.collect_scores(platform, [collecting.today(platform)])
    collecting.collect_leaderboard(platform, collecting.today(platform))
    collecting.collect_payouts(platform, collecting.today(platform))
    catalog.rebuild(platform.lake)
    copy = tmp_path_factory.mktemp("lake") / "data"
    shutil.copytree(platform.lake.root, copy, ignore=shutil.ignore_patterns("training"))
    patch.undo()
    return world, number, copy


@pytest.fixture
def whole(played, monkeypatch):
    """Return the world of `played`, with its lake as it was."""
    world, number, copy = played
    world.enter(monkeypatch)
    root = world.platform.lake.root
    for path in root.iterdir():
        if path.name != "training":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(copy, root, dirs_exist_ok=True)
    return world, number


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("group", GROUPS)
def test_a_damaged_file_stops_nobody_and_sends_nothing_twice(whole, caplog, group, damage):
    world, number = whole
    platform = world.platform
    root = platform.lake.root
    damaged = damage_all(root, GROUPS[group], damage)
    ownership.claim(platform)
    assert len(platform.installation) == 6
    endings = play(platform, Play(number, platform.registry.enabled))
    assert [ending.text for ending in endings if ending.ending == "failed"] == []
    latest = receipts.latest(platform.lake, number)
    assert {name: receipt.state for name, receipt in latest.items()} == CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    watchdog.look(platform)
    observations.look(platform)
    list(outlook.outlook(platform))
    skipped_rounds.skipped_through(platform.lake)
    at = status.moment(platform)
    recent = status.recent_rounds(platform, at, [], 3, set)
    assert {cell.standing for cell in recent.cells} == {"confirmed"}
    catalog.rebuild(platform.lake)
    for view in catalog.VIEWS:
        catalog.query(platform.lake, f'FROM "{view}"')
    for path in damaged:
        name = path.relative_to(root).parts[0]
        if damage is empty and name not in FETCHED_ANEW:
            assert path.with_name(path.name + SUFFIX).is_file(), path
    for path in root.rglob(f"*{SUFFIX}"):
        before = str(path).removesuffix(SUFFIX)
        assert caplog.text.count(f"{before} cannot be read and was set aside") == 1


@pytest.mark.parametrize(
    ("damage", "file"),
    [(flip_bits, weight_store.MANIFEST), (cut, weight_store.CANARY), (empty, "model/*")],
)
def test_damaged_weights_and_live_data_cost_one_model(whole, caplog, damage, file):
    world, _ = whole
    number = world.open_round()
    platform = world.platform
    models = platform.registry.enabled
    live_data.fetch_live(platform, number, models)
    (weights_file,) = damage_all(platform.lake.root, [f"weights/model=second/*/*/{file}"], damage)
    damage_all(platform.lake.root, [f"live/round={number}/*/*"], damage)
    live_data.fetch_live(platform, number, models)
    endings = {ending.model.name: ending for ending in play(platform, Play(number, models))}
    assert endings["steady-1"].ending == "confirmed"
    assert endings["second"].ending == "failed"
    assert str(weights_file) in endings["second"].text
    assert "numebot train --models second" in endings["second"].text


@pytest.mark.parametrize(("damage", "file"), [(cut, "train"), (empty, "features"), (cut, None)])
def test_damaged_training_data_are_fetched_anew(whole, caplog, damage, file):
    world, _ = whole
    platform = world.platform
    root = platform.lake.root
    number = platform.lake.stored_vintages()[-1]
    before = vintages.read_vintage(platform, number)
    pattern = "vintage=*/manifest.json" if file is None else f"objects/*/*/{file}.*"
    (damaged,) = damage_all(root, [f"training/{pattern}"], damage)
    assert vintages.training_version(platform) == before.data_version
    vintage = vintages.fetch_training(platform, number)
    assert vintage.stamps == before.stamps
    assert f"{damaged} cannot be read and was set aside" in caplog.text
    trainer.train(platform, platform.registry["steady-1"], vintage, force=True)
