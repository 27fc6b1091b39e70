"""Stored weights: whole or damaged, and which are chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from numebot_dagster.lake import catalog, files
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import DamagedWeights, Manifest, NoWeights

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MANIFEST = Manifest(
    model="a-b c",
    vintage=1343,
    code_hash="0123abcd",
    data_version="v5.3",
    data_stamp="stamp",
    features=("feature_a", "feature_b"),
    targets=("target",),
    target_is={"target": "target_ender_60"},
    inputs=(),
    parameters={"trees": 2000},
    library_versions={"python": "3.11"},
    train_eras=574,
    first_era=1,
    last_era=574,
    train_rows=2_746_268,
    seconds=12.5,
    peak_memory_mb=1480.0,
    retrain_weeks=12,
    retrain_on_new_data_version=False,
    time_budget=60,
    memory_budget=3,
    trained_at=NOON,
    canary_rows=500,
    files={},
)


def store(lake: Lake, vintage: int, code_hash: str, trained_at: datetime = NOON) -> Path:
    target = lake.weights_folder("a-b c", vintage, code_hash)
    with files.folder(target) as folder:
        (folder / "model").mkdir()
        (folder / "model" / "model.txt").write_text(f"{vintage} {code_hash}")
        (folder / weight_store.CANARY).write_text("canary")
        manifest = replace(
            MANIFEST,
            vintage=vintage,
            code_hash=code_hash,
            trained_at=trained_at,
            files=weight_store.list_files(folder),
        )
        weight_store.write_manifest(folder, manifest)
    return target


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_a_manifest_comes_back(lake: Lake) -> None:
    folder = store(lake, 1343, "0123abcd")
    manifest = weight_store.verify(folder)
    assert manifest == replace(MANIFEST, files=manifest.files)
    assert list(manifest.files) == ["canary.parquet", "model/model.txt"]
    assert manifest.files["model/model.txt"].bytes == len("1343 0123abcd")


def test_what_a_newer_version_added_to_a_manifest_breaks_nothing(lake: Lake) -> None:
    folder = store(lake, 1343, "0123abcd")
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(content | {"added_tomorrow": 1}))
    assert weight_store.read_manifest(folder).vintage == 1343


def test_the_view_of_weights_reads_manifests(lake: Lake) -> None:
    store(lake, 1343, "0123abcd")
    sql = (
        "SELECT model, vintage, code_hash, data_version, trained_at, train_eras, seconds, "
        "peak_memory_mb FROM weights"
    )
    with catalog.connect(lake) as connection:
        assert connection.execute(sql).fetchall() == [
            ("a-b c", 1343, "0123abcd", "v5.3", NOON, 574, 12.5, 1480.0)
        ]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json does not exist"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be understood"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "cannot be understood"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "cannot be understood"),
        (lambda folder: (folder / "model/model.txt").unlink(), r"model\.txt is missing"),
        (lambda folder: (folder / "model/model.txt").write_text("x"), "not the file that was"),
        (lambda folder: (folder / "canary.parquet").write_text("Canary"), "not the file that was"),
    ],
)
def test_damage_is_named_and_such_weights_are_not_chosen(lake: Lake, damage, complaint) -> None:
    folder = store(lake, 1343, "0123abcd")
    damage(folder)
    with pytest.raises(DamagedWeights, match=complaint):
        weight_store.verify(folder)
    assert weight_store.stored(lake, "a-b c") == []
    with pytest.raises(
        NoWeights, match=rf"(?s)damaged: .*{complaint}.*numebot train --models 'a-b c'"
    ):
        weight_store.choose(lake, "a-b c", "0123abcd")
    store(lake, 1340, "0123abcd")
    assert weight_store.choose(lake, "a-b c", "0123abcd").vintage == 1340


def test_weights_of_a_code_go_before_later_ones_that_were_there_in_time(lake: Lake) -> None:
    for hours, code in ((1, "aaaaaaaa"), (2, "bbbbbbbb"), (4, "cccccccc")):
        store(lake, 1343, code, NOON + timedelta(hours=hours))
    moment = NOON + timedelta(hours=3)

    def codes(code_hash: str | None) -> list[str]:
        made = weight_store.trained_before(lake, "a-b c", 1343, moment, code_hash)
        return [place.code_hash for place, _ in made]

    assert codes(None) == codes("bbbbbbbb") == ["bbbbbbbb", "aaaaaaaa"]
    assert codes("aaaaaaaa") == ["aaaaaaaa", "bbbbbbbb"]


def test_stored_weights_come_newest_first(lake: Lake) -> None:
    store(lake, 1340, "bbbbbbbb")
    store(lake, 1343, "cccccccc", NOON)
    store(lake, 1343, "aaaaaaaa", NOON + timedelta(hours=1))
    places = [(place.vintage, place.code_hash) for place in weight_store.stored(lake, "a-b c")]
    assert places == [(1343, "aaaaaaaa"), (1343, "cccccccc"), (1340, "bbbbbbbb")]


@pytest.mark.parametrize(
    ("code_hash", "pinned", "expected"),
    [
        ("aaaaaaaa", None, (1343, "aaaaaaaa")),
        ("bbbbbbbb", None, (1342, "bbbbbbbb")),  # the code as it is now goes before a newer vintage
        ("dddddddd", None, (1343, "aaaaaaaa")),  # changed code: the newest others stand in
        ("aaaaaaaa", 1340, (1340, "bbbbbbbb")),
        ("bbbbbbbb", 1340, (1340, "bbbbbbbb")),
    ],
)
def test_which_weights_are_chosen(
    lake: Lake, code_hash: str, pinned: int | None, expected: tuple[int, str]
) -> None:
    store(lake, 1340, "bbbbbbbb")
    store(lake, 1342, "bbbbbbbb")
    store(lake, 1343, "aaaaaaaa")
    chosen = weight_store.choose(lake, "a-b c", code_hash, pinned)
    assert (chosen.vintage, chosen.code_hash) == expected
    assert chosen.folder == lake.weights_folder("a-b c", *expected)
    assert (chosen.model_folder / "model.txt").read_text() == f"{expected[0]} {expected[1]}"


def test_no_weights_says_what_to_type(lake: Lake) -> None:
    with pytest.raises(
        NoWeights, match=r"^a-b c has no weights; .*numebot train --models 'a-b c'$"
    ):
        weight_store.choose(lake, "a-b c", "aaaaaaaa")
    store(lake, 1340, "bbbbbbbb")
    with pytest.raises(
        NoWeights, match="no weights of vintage 1343; there are some of vintage 1340"
    ):
        weight_store.choose(lake, "a-b c", "bbbbbbbb", pinned=1343)


@pytest.mark.parametrize(
    ("weeks", "new_version", "age_in_weeks", "current", "due"),
    [
        (12, False, 11.9, "v5.4", False),
        (12, False, 12, "v5.3", True),
        (None, True, 500, "v5.3", False),
        (None, True, 0, "v5.4", True),
        (None, False, 500, "v5.4", False),
    ],
)
def test_weights_are_due_by_the_policy_in_their_manifest(
    weeks, new_version, age_in_weeks, current, due
):
    manifest = replace(
        MANIFEST, data_version="v5.3", retrain_weeks=weeks, retrain_on_new_data_version=new_version
    )
    now = manifest.trained_at + timedelta(weeks=age_in_weeks)
    assert weight_store.is_due(manifest, now, current) is due


def test_candidates_are_opened_in_the_order_to_try_them(lake: Lake) -> None:
    for vintage, code in ((1340, "aaaaaaaa"), (1343, "aaaaaaaa"), (1344, "bbbbbbbb")):
        store(lake, vintage, code)
    places = weight_store.candidates(lake, "a-b c", "aaaaaaaa")
    assert [place.vintage for place in places] == [1343, 1340, 1344]
    pinned = weight_store.candidates(lake, "a-b c", "aaaaaaaa", 1344)
    assert [place.vintage for place in pinned] == [1344]
    (places[1].path / "model" / "model.txt").unlink()
    with pytest.raises(DamagedWeights, match=r"model\.txt is missing"):
        weight_store.opened(places[1])
    assert weight_store.first_whole(lake, "a-b c", places[1:]).vintage == 1344
    with pytest.raises(NoWeights, match=r"damaged: .*model\.txt is missing; to make some: numebot"):
        weight_store.first_whole(lake, "a-b c", places[1:2])
