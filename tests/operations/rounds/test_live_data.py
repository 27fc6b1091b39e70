"""Live data that are late, damaged, malformed or gone, over real HTTP."""

from __future__ import annotations

import io
import json
import re
import shutil
from contextlib import contextmanager

import polars as pl
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.numerai.errors import DataNotReady, NumeraiError, RoundNotOpen
from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.operations.rounds.playing import Ending, Play, play

LIVE = "v5.3/live.parquet"


def fetch(world, number):
    platform = world.platform
    return live_data.fetch_live(platform, number, platform.registry.enabled)


def folder_of(world, number):
    return world.platform.lake.live_folder(number, "v5.3")


def rewrite(path, change):
    """Put another file in the place of one that may be shared with other folders."""
    changed = change(path.read_bytes())
    path.unlink()
    path.write_bytes(changed)


def of_table(change):
    def rewritten(content):
        buffer = io.BytesIO()
        change(pl.read_parquet(content)).write_parquet(buffer)
        return buffer.getvalue()

    return rewritten


@contextmanager
def served(world, change):
    """Change Numerai's own live file for a while."""
    scratch = world.folder / "scratch.parquet"
    world.platform.client.download(LIVE, scratch)
    original = scratch.read_bytes()
    [path] = [
        path
        for path in (world.folder / "tournament").rglob("live.parquet")
        if path.read_bytes() == original
    ]
    rewrite(path, change)
    try:
        yield
    finally:
        rewrite(path, lambda _: original)


FEATURE = pl.selectors.starts_with("feature")


def first_feature(frame):
    return next(name for name in frame.columns if name.startswith("feature"))


def with_feature(expression):
    return lambda frame: frame.with_columns(expression(pl.col(first_feature(frame))))


MALFORMED = {
    "an id twice": (lambda table: pl.concat([table, table.head(2)]), "2 ids appear twice"),
    "an id missing": (
        lambda table: table.with_columns(pl.when(pl.row_index() > 0).then("id").alias("id")),
        "1 ids are missing",
    ),
    "no rows": (lambda table: table.head(0), "there are no rows"),
    "half of the values missing": (
        lambda table: table.with_columns(
            pl.when(pl.row_index() % 2 == 0).then(FEATURE).name.keep()
        ),
        "50% of the feature values are missing",
    ),
    "half of the values NaN": (
        lambda table: table.with_columns(
            pl.when(pl.row_index() % 2 == 0)
            .then(FEATURE.cast(pl.Float32))
            .otherwise(float("nan"))
            .name.keep()
        ),
        "50% of the feature values are missing",
    ),
    "a value out of range": (
        with_feature(lambda feature: feature + 1),
        "1 features hold something other",
    ),
    "fractions": (with_feature(lambda feature: feature / 4), "1 features hold something other"),
    "text": (
        with_feature(lambda feature: feature.cast(pl.String)),
        "1 features hold something other",
    ),
    "no ids": (lambda table: table.drop("id"), "there is no column id"),
}


def test_malformed_data_are_not_stored_and_asked_for_again(world):
    number = world.open_round()
    for what, (change, text) in MALFORMED.items():
        with served(world, of_table(change)), pytest.raises(DataNotReady, match=text):
            fetch(world, number)
        assert not folder_of(world, number).exists(), what
    [stored] = fetch(world, number)
    assert [gate.name for gate in stored.gates if gate.passed] == [
        "ids_are_new", "live_data_wellformed", "usual_row_count",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1000],
        lambda _: b"",
        lambda content: content[:4] + bytes(200) + content[204:],
        of_table(lambda frame: pl.concat([frame, frame.head(1)])),
    ],
    ids=["truncated", "empty", "overwritten", "malformed"],
)
def test_stored_data_that_prove_damaged_are_fetched_again_while_the_round_is_open(world, change):
    number = world.open_round()
    [first] = fetch(world, number)
    path = first.folder / live_data.LIVE
    content = path.read_bytes()
    rewrite(path, change)
    [again] = fetch(world, number)
    assert path.read_bytes() == content
    assert again == first
    assert list(first.folder.parent.glob(".*")) == []
    rewrite(path, change)
    world.practice.advance("next-close")
    with pytest.raises(RoundNotOpen):
        fetch(world, number)


def test_other_types_of_whole_numbers_are_no_fault(world):
    number = world.open_round()
    with served(world, of_table(lambda table: table.with_columns(FEATURE.cast(pl.Float32)))):
        [stored] = fetch(world, number)
    assert parquet.schema(stored.folder / live_data.LIVE)[stored.columns[-1]] is not None


def test_who_plays_only_at_weekends_is_not_given_fridays_data(world):
    while world.platform.client.round(number := world.open_round()).open_time.weekday() != 5:
        pass
    fetch(world, number)
    for _ in range(4):
        world.open_round()
    friday, saturday = number + 4, world.open_round()
    assert saturday == friday + 1
    world.practice.add_fault("late-data")
    try:
        with pytest.raises(DataNotReady, match="still has the ids of an earlier round"):
            fetch(world, saturday)
    finally:
        world.practice.remove_faults()
    [stored] = fetch(world, saturday)
    assert stored.folder == folder_of(world, saturday)


def test_ids_of_any_stored_round_and_version_are_not_new(world):
    """The file of two rounds ago, which is stored under another data version."""
    number = world.open_round()
    fetch(world, number)
    lake = world.platform.lake
    shutil.copytree(folder_of(world, number), lake.live_folder(number - 2, "v5.2"))
    shutil.rmtree(folder_of(world, number))
    try:
        with pytest.raises(DataNotReady, match="still has the ids of an earlier round"):
            fetch(world, number)
    finally:
        shutil.rmtree(lake.live_folder(number - 2, "v5.2"))


def test_a_data_version_that_is_gone_stops_only_the_models_that_need_it(fresh_world):
    world = fresh_world
    for place in world.platform.lake.weights_folders("second"):
        manifest = place.path / "manifest.json"
        content = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**content, "data_version": "v5.2"}))
    number = world.open_round()
    world.practice.add_fault("status", where="download:v5.2/*", values={"status": 404})
    platform = world.platform
    details.fetch_details(platform, number)
    [stored] = fetch(world, number)
    assert stored.data_version == "v5.3"
    results = {
        result.model.name: result
        for result in play(platform, Play(number, platform.registry.enabled))
    }
    assert results["steady-1"].ending is Ending.CONFIRMED
    assert results["second"].ending is Ending.FAILED
    assert re.search(r"v5\.2/live\.parquet", results["second"].text)

    world.register("second")
    with pytest.raises(NumeraiError, match=r"v5\.2/live\.parquet"):
        fetch(world, number)
