"""Every path of the lake, literally, and the lists that are read back from paths."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from numebot_dagster.lake.layout import Lake

ROOT = Path("/lake")
LAKE = Lake(ROOT)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (LAKE.round_details(1343), "rounds/round=1343/details.parquet"),
        (LAKE.live_folder(1343, "v5.3"), "live/round=1343/version=v5.3"),
        (
            LAKE.training_object("v5.3", "train.parquet", '"a/b"'),
            "training/objects/version=v5.3/stamp=%22a%2Fb%22/train.parquet",
        ),
        (LAKE.vintage_manifest(1343), "training/vintage=1343/manifest.json"),
        (
            LAKE.weights_folder("a-b c", 1343, "0123abcd"),
            "weights/model=a-b%20c/vintage=1343/code=0123abcd",
        ),
        (
            LAKE.diagnosis_folder("a/b", 1343, "0123abcd"),
            "diagnostics/model=a%2Fb/vintage=1343/code_hash=0123abcd",
        ),
        (
            LAKE.predictions_file("a/b", 1345, 1343, "ff00"),
            "predictions/model=a%2Fb/round=1345/vintage=1343/sha256=ff00/predictions.parquet",
        ),
        (LAKE.receipts_folder("x", 1345), "submissions/model=x/round=1345"),
        (LAKE.day_file("scores", date(2026, 9, 3)), "scores/date=2026-09-03/scores.parquet"),
        (
            LAKE.day_file("leaderboard", date(2026, 9, 3)),
            "leaderboard/date=2026-09-03/leaderboard.parquet",
        ),
        (LAKE.day_file("payouts", date(2026, 9, 3)), "payouts/date=2026-09-03/payouts.parquet"),
        (LAKE.figure("overview.png"), "board/figures/overview.png"),
        (LAKE.catalog_file, "numebot.duckdb"),
    ],
)
def test_paths(path: Path, expected: str) -> None:
    assert path == ROOT / expected


def test_an_empty_lake_holds_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "none")
    assert lake.stored_rounds() == []
    assert lake.stored_vintages() == []
    assert lake.weights_folders("x") == []
    assert lake.live_folders(1) == {}
    assert lake.diagnosis_folders("x", 1) == []


def test_rounds_and_vintages_are_ordered_by_number(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for number in (1000, 999):
        for path in (lake.round_details(number), lake.vintage_manifest(number)):
            path.parent.mkdir(parents=True)
            path.touch()
    lake.round_details(1001).parent.mkdir()  # begun, but not stored
    assert lake.stored_rounds() == [999, 1000]
    assert lake.stored_vintages() == [999, 1000]


def test_weights_folders_are_read_back_newest_first(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for vintage, code in ((999, "aa"), (1000, "bb"), (1000, "aa")):
        lake.weights_folder("a-b c", vintage, code).mkdir(parents=True)
    lake.weights_folder("a-b", 1001, "cc").mkdir(parents=True)  # another model
    places = [(place.vintage, place.code_hash) for place in lake.weights_folders("a-b c")]
    assert places == [(1000, "aa"), (1000, "bb"), (999, "aa")]
    assert lake.weights_folders("a-b c")[2].path == lake.weights_folder("a-b c", 999, "aa")


def test_live_folders_by_version(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.live_folder(5, "v5.3").mkdir(parents=True)
    lake.live_folder(5, "v5.2").mkdir(parents=True)
    assert lake.live_folders(5) == {
        "v5.2": lake.live_folder(5, "v5.2"),
        "v5.3": lake.live_folder(5, "v5.3"),
    }


def test_the_newest_diagnosis_comes_first(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for code, written in (("aa", 1000), ("cc", 3000), ("bb", 2000)):
        folder = lake.diagnosis_folder("a/b", 5, code)
        folder.mkdir(parents=True)
        os.utime(folder, (written, written))
    lake.diagnosis_folder("a/b", 6, "dd").mkdir(parents=True)
    assert lake.diagnosis_folders("a/b", 5) == [
        lake.diagnosis_folder("a/b", 5, code) for code in ("cc", "bb", "aa")
    ]


def test_a_model_takes_part_from_the_first_round_after_its_training(tmp_path):
    lake = Lake(tmp_path)

    def takes_part(*rounds):
        return [lake.takes_part("m", number) for number in rounds]

    assert takes_part(10, 11) == [False, False]
    lake.receipts_folder("m", 8).mkdir(parents=True)  # tried, without weights
    assert takes_part(8, 9) == [False, False]
    lake.predictions_folder("m", 9).mkdir(parents=True)  # by its fallback
    assert takes_part(8, 9) == [False, True]
    lake.predictions_folder("m", 9).rmdir()
    lake.receipts_folder("m", 8).rmdir()
    lake.weights_folder("m", 12, "h").mkdir(parents=True)
    lake.weights_folder("m", 10, "h").mkdir(parents=True)
    assert takes_part(9, 10, 11, 12) == [False, False, True, True]
    lake.receipts_folder("m", 8).mkdir(parents=True)
    assert takes_part(7, 8, 9) == [False, True, True]
