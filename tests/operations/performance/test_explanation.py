"""Two rounds, before and after a training with other code, traced back by the command."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.operations.rounds.outcomes import Ending, Play
from numebot_dagster.operations.rounds.playing import play
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.submissions import submission_file
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord
from tests.support.world import World


@dataclass(frozen=True)
class Rounds:
    world: World
    first: int
    second: int


def play_round(world: World) -> int:
    number = world.open_round()
    platform = world.platform
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    results = play(platform, Play(number, platform.registry.enabled))
    assert {result.ending for result in results} == {Ending.CONFIRMED}
    return number


@pytest.fixture(scope="module")
def rounds(make_world):
    world = make_world()
    with pytest.MonkeyPatch.context() as patch:
        world.enter(patch)
        first = play_round(world)
        code = world.folder / "quick_models.py"
        code.write_text(code.read_text().replace("penalty = 1000.0", "penalty = 1001.0"))
        platform = world.platform
        vintage = vintages.fetch_training(platform, first)
        trainer.train(platform, platform.registry["steady-1"], vintage)
        second = play_round(world)
        world.practice.advance(days=10)
        collecting.collect_payouts(world.platform, collecting.today(world.platform))
        yield Rounds(world, first, second)


@pytest.fixture
def world(rounds, enter):
    return enter(rounds.world)


def explain(world: World, model: str, number: int, *more: str, **settings: str) -> str:
    arguments = ("explain", "--model", model, "--round", str(number), *more)
    answer = world.numebot(*arguments, COLUMNS="110", **settings)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def submission(world: World, model: str, number: int):
    [row] = world.rows(
        "SELECT s.* FROM submissions s JOIN models m ON m.id = s.model_id "
        "WHERE m.name = ? AND s.round = ?", model, number,
    )  # fmt: skip
    return row


def test_it_fits_on_a_screen_and_names_what_was_sent(rounds, world):
    text = explain(world, "steady-1", rounds.second)
    lines = text.splitlines()
    assert lines[0] == f"steady-1, round {rounds.second}"
    assert len(lines) <= 40
    sent = submission(world, "steady-1", rounds.second)
    assert f"file {sent['filename']}, id {sent['id']}" in text
    content = (world.folder / "tournament" / "uploads" / sent["filename"]).read_bytes()
    [stored] = world.platform.lake.predictions_files("steady-1", rounds.second)
    assert f"sha256 {stored.parent.name.removeprefix('sha256=')[:16]}" in text
    assert f"{len(content.splitlines()) - 1} ids" in text
    assert "confirmed, on time, rung live" in text
    assert "stored file: unchanged since" in text
    assert "numerai_submission_rules, judged again: passed" in text
    assert "as the scores of today would pay" in text
    assert "not stored" not in text


def test_the_agreement_with_the_example_is_recomputed(rounds, world):
    lake = world.platform.lake
    [path] = lake.predictions_files("second", rounds.second)
    [folder] = lake.live_folders(rounds.second).values()
    own = parquet.read(path).sort("id")
    example = parquet.read(folder / live_data.LIVE_EXAMPLE, ["id", "prediction"]).sort("id")
    assert own["id"].to_list() == example["id"].to_list()
    ranks = [side["prediction"].rank().to_numpy() for side in (own, example)]
    text = explain(world, "second", rounds.second)
    assert f"{np.corrcoef(*ranks)[0, 1]:.3f}" in text


def test_weights_data_and_code_are_those_of_the_manifest(rounds, world):
    [newest, *_] = weight_store.stored(world.platform.lake, "steady-1")
    manifest = newest.manifest
    text = explain(world, "steady-1", rounds.second)
    assert f"vintage {rounds.first}, code {newest.code_hash}" in text
    assert f"{manifest.data_version} ({manifest.data_stamp})" in text
    assert f"{len(manifest.features)} features, target target_" in text
    assert "target target =" not in text
    assert f"{newest.code_hash}, unchanged since" in text
    former = explain(world, "steady-1", rounds.first)
    assert f"{weight_store.stored(world.platform.lake, 'steady-1')[1].code_hash} then" in former
    assert f"{newest.code_hash} now" in former


def test_what_differs_from_the_last_good_round(rounds, world):
    text = explain(world, "steady-1", rounds.second)
    old, new = [
        weights.code_hash for weights in weight_store.stored(world.platform.lake, "steady-1")
    ][::-1]
    assert f"with the last good round, {rounds.first}:" in text
    assert f"code: {old}, now {new}" in text
    assert f"now {rounds.first}" in text
    assert "libraries:" not in text
    unchanged = json.loads(explain(world, "second", rounds.second, "--format", "json"))
    changed = {change["what"] for change in unchanged["changes"]}
    assert changed <= {"correlation with example", "seconds to predict", "ids"}
    assert "no round before it was confirmed" in explain(world, "second", rounds.first)


def test_json_has_the_line_of_the_book(rounds, world):
    record = json.loads(explain(world, "second", rounds.second, "--format", "json"))
    assert record["line"]["state"] == "pending"
    assert record["line"]["stake_nmr"].startswith("2.5")
    assert record["trace"]["submission"]["rung"] == "live"
    assert [event["state"] for event in record["trace"]["events"]][-1] == "confirmed"
    assert record["last_good"]["round_number"] == rounds.first
    assert record["missing"] == []


def test_what_is_missing_is_named_with_a_command(rounds, world, tmp_path):
    """Predictions, weights and live data are gone from a copy; another round was never played."""
    folder = tmp_path / "data"
    shutil.copytree(world.platform.lake.root, folder)
    for name in ("predictions", "weights", "live"):
        shutil.rmtree(folder / name)
    text = explain(world, "second", rounds.second, NUMERAI_DATA_FOLDER=str(folder))
    for part in ("the predictions that were sent", "the weights of vintage", "the live data"):
        assert part in text
    assert "Try: numebot lake check" in " ".join(text.split())
    later = rounds.second + 1000
    text = " ".join(explain(world, "second", later).split())
    assert f"nothing was submitted from this folder. Try: numebot run --round {later}" in text


def test_a_closed_round_without_a_submission(rounds, world):
    """Nothing is compared, and no command is named that cannot help."""
    text = " ".join(explain(world, "second", rounds.first - 1).split())
    assert text.endswith("and the round has closed: it can no longer be played")
    assert "Try:" not in text
    folder = RoundRecord(world.platform.lake, "second", later := rounds.second + 999)
    folder.append(Receipt("second", later, outcome=Outcome.MISSED, reason="nobody played it"))
    missed = " ".join(explain(world, "second", later).split())
    assert "submission none: the round was missed" in missed
    assert "compared" not in text + missed


def test_changed_predictions_are_noticed(rounds, world, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(world.platform.lake.root, folder)
    lake = type(world.platform.lake)(folder)
    [path] = lake.predictions_files("second", rounds.second)
    frame = parquet.read(path)
    other = submission_file.rank_to_unit_interval(1 - frame["prediction"].to_numpy())
    parquet.write(path, frame.with_columns(prediction=other))
    text = explain(world, "second", rounds.second, NUMERAI_DATA_FOLDER=str(folder))
    assert "NOT what was sent" in text


def test_an_unknown_model_is_named(world):
    answer = world.numebot("explain", "--model", "secnd", "--round", "1")
    assert answer.returncode == 1
    assert "second" in answer.stderr
