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

    from tests.practice.served_tournament import ServedTournament

LIVE = "v5.3/live.parquet"


@pytest.fixture(scope="module")
def opened(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    tournament = make_tournament()
    for _ in range(3):
        tournament.controls.advance("next-open")
    return tournament


@pytest.fixture
def tournament(
    opened: ServedTournament, connect: Callable[[ServedTournament], ServedTournament]
) -> ServedTournament:
    return connect(opened)


def link(tournament: ServedTournament, name: str = LIVE, number: int | None = None) -> str:
    query = "query($n: String!, $r: Int) {dataset(filename: $n, round: $r, tournament: 8)}"
    return tournament.post(query, None, {"n": name, "r": number})["data"]["dataset"]


def test_the_listing(tournament: ServedTournament) -> None:
    names = tournament.api.list_datasets()
    assert names == DATASET_NAMES
    assert {name.split("/")[0] for name in names} >= {"v5.3", "v5.2"}
    assert tournament.api.list_datasets(1280) == names
    assert tournament.post("{listDatasets(tournament: 11)}")["data"]["listDatasets"] == []


def test_download_by_numerapi(tournament: ServedTournament, tmp_path: Path) -> None:
    path = tournament.api.download_dataset(LIVE, str(tmp_path / "live.parquet"))
    table = pd.read_parquet(path)
    assert list(table.index) == list(tournament.market.live_ids(Round(1282).opened))
    assert set(table["era"]) == {"X"}
    former = tournament.api.download_dataset(LIVE, str(tmp_path / "former.parquet"), round_num=1280)
    assert list(pd.read_parquet(former).index) == list(
        tournament.market.live_ids(Round(1280).opened)
    )
    name = "v5.3/live_example_preds.parquet"
    filtered = tournament.api.download_dataset(
        name, str(tmp_path / "some.parquet"), filters=[("prediction", ">", 0.9)]
    )
    predictions = pd.Series(tournament.market.example_predictions(Round(1282).opened))
    assert len(pd.read_parquet(filtered)) == (predictions > 0.9).sum()


def test_the_old_meta_model_of_notebooks(tournament: ServedTournament, tmp_path: Path) -> None:
    name = "v4.3/meta_model.parquet"
    path = tournament.api.download_dataset(
        name, str(tmp_path / "meta_model.parquet"), round_num=842
    )
    table = pd.read_parquet(path)
    assert list(table.columns) == ["era", "data_type", "numerai_meta_model"]
    assert name not in tournament.api.list_datasets()
    with pytest.raises(ValueError, match="no datasets of round 842"):
        tournament.api.download_dataset("v5.2/meta_model.parquet", path, round_num=842)


def test_a_partial_download_is_resumed(tournament: ServedTournament, tmp_path: Path) -> None:
    content = requests.get(link(tournament), timeout=10).content
    (tmp_path / "live.parquet.temp").write_bytes(content[:1000])
    path = tournament.api.download_dataset(LIVE, str(tmp_path / "live.parquet"))
    assert (tmp_path / "live.parquet").read_bytes() == content
    assert len(pd.read_parquet(path)) == len(tournament.market.live_ids(Round(1282).opened))


def test_ranges_heads_and_tags(tournament: ServedTournament) -> None:
    url = link(tournament)
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
    other = requests.head(link(tournament, number=1281), timeout=10).headers["ETag"]
    assert other != whole.headers["ETag"]
    changed = requests.get(url, headers={**same, "If-Range": other}, timeout=10)
    assert (changed.status_code, changed.content) == (200, whole.content)


def test_links_are_signed(tournament: ServedTournament) -> None:
    url = link(tournament)
    for wrong in (
        url.replace("/datasets/", "/datasets/f"),
        url.replace("live", "train"),
        url.replace("v5.3", "v5.2"),
        url.replace("/datasets/", "/datasets/-"),
    ):
        assert requests.get(wrong, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 200


def test_live_data_change_when_a_round_opens(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> None:
    tournament = connect(make_tournament())

    def tags() -> tuple[str, str]:
        names = (LIVE, "v5.3/features.json")
        live, features = (requests.head(link(tournament, name), timeout=10) for name in names)
        return live.headers["ETag"], features.headers["ETag"]

    before = tags()
    tournament.controls.advance("2026-06-02T11:59:59Z")
    assert tags() == before
    tournament.controls.advance("next-open")
    after = tags()
    assert after[0] != before[0]
    assert after[1] == before[1]
