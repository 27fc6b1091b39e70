from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import requests

from numebot_dagster.practice.datasets.contents import DATASET_NAMES
from numebot_dagster.practice.rules.clock import Round

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import World

LIVE = "v5.3/live.parquet"


@pytest.fixture(scope="module")
def opened(make_world: Callable[..., World]) -> World:
    world = make_world()
    for _ in range(3):
        world.practice.advance("next-open")
    return world


@pytest.fixture
def world(opened: World, connect: Callable[[World], World]) -> World:
    return connect(opened)


def link(world: World, name: str = LIVE, number: int | None = None) -> str:
    query = "query($n: String!, $r: Int) {dataset(filename: $n, round: $r, tournament: 8)}"
    return world.post(query, None, {"n": name, "r": number})["data"]["dataset"]


def test_the_listing(world: World) -> None:
    names = world.api.list_datasets()
    assert names == DATASET_NAMES
    assert {name.split("/")[0] for name in names} >= {"v5.3", "v5.2"}
    assert world.api.list_datasets(1280) == names
    assert world.post("{listDatasets(tournament: 11)}")["data"]["listDatasets"] == []


def test_download_by_numerapi(world: World, tmp_path: Path) -> None:
    path = world.api.download_dataset(LIVE, str(tmp_path / "live.parquet"))
    table = pd.read_parquet(path)
    assert list(table.index) == list(world.market.live_ids(Round(1282).opened))
    assert set(table["era"]) == {"X"}
    former = world.api.download_dataset(LIVE, str(tmp_path / "former.parquet"), round_num=1280)
    assert list(pd.read_parquet(former).index) == list(world.market.live_ids(Round(1280).opened))
    name = "v5.3/live_example_preds.parquet"
    filtered = world.api.download_dataset(
        name, str(tmp_path / "some.parquet"), filters=[("prediction", ">", 0.9)]
    )
    predictions = pd.Series(world.market.example_predictions(Round(1282).opened))
    assert len(pd.read_parquet(filtered)) == (predictions > 0.9).sum()


def test_the_old_meta_model_of_notebooks(world: World, tmp_path: Path) -> None:
    name = "v4.3/meta_model.parquet"
    path = world.api.download_dataset(name, str(tmp_path / "meta_model.parquet"), round_num=842)
    table = pd.read_parquet(path)
    assert list(table.columns) == ["era", "data_type", "numerai_meta_model"]
    assert name not in world.api.list_datasets()
    with pytest.raises(ValueError, match="no datasets of round 842"):
        world.api.download_dataset("v5.2/meta_model.parquet", path, round_num=842)


def test_a_partial_download_is_resumed(world: World, tmp_path: Path) -> None:
    content = requests.get(link(world), timeout=10).content
    (tmp_path / "live.parquet.temp").write_bytes(content[:1000])
    path = world.api.download_dataset(LIVE, str(tmp_path / "live.parquet"))
    assert (tmp_path / "live.parquet").read_bytes() == content
    assert len(pd.read_parquet(path)) == len(world.market.live_ids(Round(1282).opened))


def test_ranges_heads_and_tags(world: World) -> None:
    url = link(world)
    whole = requests.get(url, timeout=10)
    head = requests.head(url, timeout=10)
    for name in ("ETag", "Last-Modified", "Content-Length", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]
    assert head.content == b""
    assert int(head.headers["Content-Length"]) == len(whole.content)
    assert head.headers["Accept-Ranges"] == "bytes"
    part = requests.get(url, headers={"Range": "bytes=10-19"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = {"Range": f"bytes={len(whole.content)}-"}
    assert requests.get(url, headers=beyond, timeout=10).status_code == 416
    same = {"Range": "bytes=10-19", "If-Range": whole.headers["ETag"]}
    assert requests.get(url, headers=same, timeout=10).status_code == 206
    other = requests.head(link(world, number=1281), timeout=10).headers["ETag"]
    assert other != whole.headers["ETag"]
    changed = requests.get(url, headers={**same, "If-Range": other}, timeout=10)
    assert (changed.status_code, changed.content) == (200, whole.content)


def test_links_are_signed(world: World) -> None:
    url = link(world)
    for wrong in (
        url.replace("/datasets/", "/datasets/f"),
        url.replace("live", "train"),
        url.replace("v5.3", "v5.2"),
        url.replace("/datasets/", "/datasets/-"),
    ):
        assert requests.get(wrong, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 200


def test_live_data_change_when_a_round_opens(
    make_world: Callable[..., World], connect: Callable[[World], World]
) -> None:
    world = connect(make_world())

    def tags() -> tuple[str, str]:
        names = (LIVE, "v5.3/features.json")
        live, features = (requests.head(link(world, name), timeout=10) for name in names)
        return live.headers["ETag"], features.headers["ETag"]

    before = tags()
    world.practice.advance("2026-06-02T11:59:59Z")
    assert tags() == before
    world.practice.advance("next-open")
    after = tags()
    assert after[0] != before[0]
    assert after[1] == before[1]
