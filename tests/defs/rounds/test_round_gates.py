"""Gates in a round: what is wrong with its data is seen before anything is stored or sent."""

from __future__ import annotations

import shutil

import dagster as dg
import polars as pl
import pytest

from numebot_dagster.defs.rounds import assets
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.numerai.errors import DataNotReady
from numebot_dagster.operations.rounds import live_data
from numebot_dagster.submissions import receipts

ROUND = [dg.AssetKey(["rounds", "details"]), dg.AssetKey(["rounds", "live_data"])]
LIVE_DATA = ROUND[1]


def verdicts(result):
    return {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation
        for evaluation in result.get_asset_check_evaluations()
    }


def rewrite_live(world, number, change):
    """Replace the stored live file; the original may be shared with other folders."""
    path = world.platform.lake.live_folder(number, "v5.3") / "live.parquet"
    changed = change(pl.read_parquet(path))
    path.unlink()
    changed.write_parquet(path)


@pytest.fixture
def late_data(world, run_round):
    """Return a round whose data are still those of the one before."""
    earlier = world.open_round()
    run_round(world, earlier, ROUND)
    number = world.open_round()
    lake = world.platform.lake
    world.platform.client.download(
        "v5.3/live.parquet", lake.live_folder(earlier, "v5.3") / "live.parquet"
    )
    return number


def test_late_data_are_not_stored(world, late_data):
    platform = world.platform
    with pytest.raises(DataNotReady, match=f"Round {late_data} is open, but v5.3/live.parquet"):
        live_data.fetch_live(platform, late_data, platform.registry.enabled)
    folder = platform.lake.live_folder(late_data, "v5.3")
    assert not folder.exists()
    assert list(folder.parent.glob(".*")) == []


def test_late_data_of_the_first_round_are_not_stored(fresh_world):
    """Nothing is stored that their ids could be compared with."""
    number = fresh_world.open_round()
    platform = fresh_world.platform
    fresh_world.practice.add_fault("late-data")
    with pytest.raises(DataNotReady, match=f"Round {number} is open, but v5.3/live.parquet"):
        live_data.fetch_live(platform, number, platform.registry.enabled)
    folder = platform.lake.live_folder(number, "v5.3")
    assert not folder.exists()
    fresh_world.practice.remove_faults()
    [stored] = live_data.fetch_live(platform, number, platform.registry.enabled)
    assert stored.folder == folder


def test_late_data_are_asked_for_again(world, late_data, run_round, instance, monkeypatch):
    """The step waits; when the data come, it goes on."""
    monkeypatch.setattr(assets, "LATE_DATA_RETRIES", 2)
    monkeypatch.setattr(assets, "LATE_DATA_WAIT", 0)
    result = run_round(world, late_data)
    assert not result.success
    retries = [e for e in result.all_events if e.event_type_value == "STEP_RESTARTED"]
    assert len(retries) == 2
    said = [event.user_message for event in instance.all_logs(result.run_id)]
    assert sum("according to its pipeline data have been ready since" in text for text in said) == 3
    assert world.submissions(late_data) == {}
    # The data are published (here: the earlier round gets back its own).
    lake = world.platform.lake
    shutil.rmtree(lake.live_folder(late_data - 1, "v5.3"))
    assert run_round(world, late_data).success
    assert world.submissions(late_data) == {"steady-1": 1, "second": 1}


def test_other_features_block(world, run_round):
    number = world.open_round()
    run_round(world, number, ROUND)
    features = world.platform.lake.weights_folders("steady-1")
    used = weight_store.verify(features[0].path).features
    rewrite_live(world, number, lambda frame: frame.rename({used[0]: "feature_renamed"}))
    result = run_round(world, number)
    assert not result.success
    assert world.submissions(number) == {}
    lake = world.platform.lake
    assert lake.predictions_files("steady-1", number) == []
    [failure] = result.get_step_failure_events()
    text = failure.step_failure_data.error.message
    assert f"same_features_as_trained: 1 missing ({used[0]})" in text
    assert "1 not in the manifest (feature_renamed)" in text
    check = verdicts(result)["models/steady_1/predictions", "same_features_as_trained"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "numebot train" in receipts.latest(lake, number)["steady-1"].reason


def test_an_unusual_row_count_warns_and_the_round_is_played(world, run_round):
    earlier = world.open_round()
    run_round(world, earlier, ROUND)
    rewrite_live(world, earlier, lambda frame: frame.head(4000))
    number = world.open_round()
    shutil.rmtree(world.platform.lake.root / "live" / f"round={number}", ignore_errors=True)
    for other in world.platform.lake.stored_rounds():
        if other not in (earlier, number):
            shutil.rmtree(world.platform.lake.live_folder(other, "v5.3"), ignore_errors=True)
    result = run_round(world, number)
    assert result.success
    check = verdicts(result)["rounds/live_data", "usual_row_count"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "+25" in check.description or "+26" in check.description or "+24" in check.description
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def test_predictions_against_the_example_warn_and_are_sent(world, run_round):
    world.register("contrarian")
    world.train("contrarian")
    number = world.open_round()
    result = run_round(world, number)
    assert result.success
    check = verdicts(result)["models/contrarian/predictions", "agrees_with_example"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["correlation"].value < -0.9
    assert world.submissions(number) == {"contrarian": 1}


def test_without_companions_the_round_goes_on(world, run_round):
    """Benchmark and example predictions are not needed by every model."""
    number = world.open_round()
    run_round(world, number, ROUND)
    folder = world.platform.lake.live_folder(number, "v5.3")
    for name in ("live_benchmark_models.parquet", "live_example_preds.parquet"):
        (folder / name).unlink()
    result = run_round(world, number)
    assert result.success
    check = verdicts(result)["models/second/predictions", "agrees_with_example"]
    assert check.description == "the round has no example predictions"
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
