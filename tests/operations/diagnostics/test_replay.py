"""Stored rounds are predicted again by real models through the real path of a round."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest

from numebot_dagster.lake import catalog, parquet
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.diagnostics import proof, replay
from numebot_dagster.operations.diagnostics.proof import Outcome, Pipeline
from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.submissions.receipts import RoundRecord

ALERTS = "from alerts where kind = ?"
CHANCE = "steady-1,quick_models:Ridge\ncontrarian,quick_models:Dice\n"


def replayed(world, go_on=None):
    """Replay the registered models, and return what that proves by model."""
    platform = world.platform
    asks = go_on or (lambda: platform.client.open_rounds() is not None)
    return {
        result.model: result
        for result in replay.replay_models(platform, platform.registry.models, asks)
    }


def outcomes(result):
    return [round_.outcome for round_ in result.rounds]


def shuffle_features(path):
    """Exchange what the columns of a live file hold; return its former content."""
    right, frame = path.read_bytes(), parquet.read(path)
    features = pl.Series([name for name in frame.columns if name.startswith("feature")])
    pairs = zip(features, features.shuffle(seed=3), strict=True)
    parquet.write(path, frame.with_columns(frame[other].alias(name) for name, other in pairs))
    return right


def play_shuffled(world, run_round):
    """Play a round with exchanged features; return its number, live file and right content."""
    number, platform = world.open_round(), world.platform
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    [folder] = platform.lake.live_folders(number).values()
    right = shuffle_features(folder / live_data.LIVE)
    assert run_round(world, number).success
    return number, folder / live_data.LIVE, right


def test_a_model_fed_shuffled_features_is_called_broken(fresh_world, run_round):
    world = fresh_world
    (world.folder / "model_configs.csv").write_text(f"numerai_name,model_code\n{CHANCE}")
    world.train("contrarian")
    first = world.open_round()
    assert run_round(world, first).success

    honest = replayed(world)
    assert outcomes(honest["steady-1"]) == [Outcome.EQUAL]
    assert honest["steady-1"].pipeline is Pipeline.SOUND
    assert honest["steady-1"].rounds[0].canary_difference == 0
    assert honest["contrarian"].pipeline is Pipeline.RANDOM  # dice are no defect, and no proof
    lake = world.platform.lake
    assert proof.last(lake, "steady-1") == honest["steady-1"]
    assert catalog.query(lake, ALERTS, [Kind.PIPELINE_BROKEN]).is_empty()

    number, live, right = play_shuffled(world, run_round)
    fed = replayed(world)  # the replay is fed the same, and so predicts the same
    assert outcomes(fed["steady-1"]) == [Outcome.MIXED, Outcome.EQUAL]
    assert fed["steady-1"].rounds[0].correlation == pytest.approx(1)
    live.write_bytes(right)
    fed_rightly = replayed(world)
    for result in (fed["steady-1"], fed["contrarian"], *fed_rightly.values()):
        assert result.pipeline is Pipeline.BROKEN
        assert [round_.round_number for round_ in result.proving] == [number]
    assert outcomes(fed_rightly["steady-1"]) == [Outcome.DIFFERENT, Outcome.EQUAL]
    assert abs(fed_rightly["contrarian"].rounds[0].correlation) < 0.5
    alerts = catalog.query(lake, ALERTS, [Kind.PIPELINE_BROKEN])
    assert alerts.height == 2  # one for each model and round, however often it is seen
    assert f"numebot explain --model steady-1 --round {number}" in "".join(alerts["text"])

    finished = world.numebot("doctor", "--replay", "--json")
    assert finished.returncode == 1
    findings = [each for each in json.loads(finished.stdout) if each["name"] == "replay"]
    assert [each["verdict"] for each in findings] == ["failure", "failure"]
    text = " ".join(fed_rightly["steady-1"].sentences)
    assert findings[0]["text"] == f"steady-1: broken. {text}"
    page = lake.board_file("models/steady_1.html").read_text()
    assert "<h2>Pipeline: broken</h2>" in page
    assert f"Round {number}, by the weights of" in page


def test_what_is_not_stored_or_of_other_code_proves_nothing(fresh_world, run_round, monkeypatch):
    world = fresh_world
    (world.folder / "model_configs.csv").write_text(
        "numerai_name,model_code,inputs\nsteady-1,quick_models:Ridge,\n"
        "second,quick_models:Stubborn,\ncontrarian,quick_models:Stacked,steady-1\n"
    )
    world.train("contrarian")
    assert replayed(world)["second"].pipeline is Pipeline.UNPROVED
    number = world.open_round()
    assert run_round(world, number).success
    assert replayed(world, go_on=lambda: False) == {}  # a round comes first
    models = world.platform.registry.models
    assert list(replay.replay_models(world.platform, models, lambda: True, seconds=0)) == []
    assert_another_model_goes_on(world, monkeypatch)
    assert outcomes(replayed(world)["contrarian"]) == [Outcome.EQUAL]
    record = RoundRecord(world.platform.lake, "steady-1", number)
    record.append(replace(record.standing, predicted_at=world.platform.client.now()))
    stacked = replayed(world)["contrarian"]  # what it was given stands no more
    assert (stacked.rounds, stacked.left_out) == ((), 1)
    source = world.folder / "quick_models.py"
    source.write_text(
        source.read_text().replace("- 2) @ self.weights", "- 1.5) @ self.weights[::-1]")
    )
    [folder] = world.platform.lake.live_folders(number).values()
    other = replayed(world)["second"]
    assert outcomes(other) == [Outcome.OTHER_CODE]
    assert other.pipeline is Pipeline.UNPROVED
    assert "its code was" in other.sentences[0]
    world.train("second")  # by the other code, of the same vintage
    both = replayed(world)["second"]
    assert outcomes(both) == [Outcome.OTHER_CODE]
    assert "by other code than" in both.sentences[0]
    live = folder / live_data.LIVE
    live.write_bytes(live.read_bytes()[:-100])
    assert_left_out(replayed(world)["second"])
    live.unlink()
    assert_left_out(replayed(world)["second"])
    folder.rename(folder.with_name("version=v0"))
    assert_left_out(replayed(world)["second"])


def assert_another_model_goes_on(world, monkeypatch):
    """Replay while one model meets an error that nobody expects."""
    changed = replay.changed_libraries

    def fails_for_second(manifest):
        if manifest.model == "second":
            raise KeyError("numpy")
        return changed(manifest)

    with monkeypatch.context() as patch:
        patch.setattr(replay, "changed_libraries", fails_for_second)
        results = replayed(world)
    assert results["second"].sentences == ["It could not be replayed: KeyError: 'numpy'."]
    assert results["steady-1"].pipeline is Pipeline.SOUND


def assert_left_out(result):
    assert (result.rounds, result.left_out) == ((), 1)
    assert result.pipeline is Pipeline.UNPROVED
