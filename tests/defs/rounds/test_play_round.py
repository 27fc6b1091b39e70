"""A round through Dagster, against a real practice tournament."""

from __future__ import annotations

import shutil

import dagster as dg
import numpy as np
import polars as pl
import pytest

from numebot_dagster.operations.rounds import gates
from numebot_dagster.operations.rounds.playing import Ending, Play, play
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, RoundRecord, State
from tests.support.digits import assert_few_digits

ROUND = {"rounds/details", "rounds/live_data"}
STEADY = {"models/steady_1/predictions", "models/steady_1/submission"}
SECOND = {"models/second/predictions", "models/second/submission"}
CHECKS_OF_A_MODEL = {
    ("predictions", "same_features_as_trained"),
    ("predictions", "canary_predicts_as_trained"),
    ("predictions", "numerai_submission_rules"),
    ("predictions", "agrees_with_example"),
    ("submission", "confirmed_by_numerai"),
}


def keys(*names):
    return [dg.AssetKey(name.split("/")) for name in names]


def materialised(result):
    return {
        event.asset_key.to_user_string(): event.materialization
        for event in result.get_asset_materialization_events()
    }


def observations(result):
    return {
        event.asset_key.to_user_string(): {
            name: value.value
            for name, value in event.asset_observation_data.asset_observation.metadata.items()
        }
        for event in result.get_asset_observation_events()
    }


def checks(result):
    """Return verdicts by asset and check."""
    return {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }


def test_every_model_ends_up_confirmed(world, run_round, instance):
    number = world.open_round()
    result = run_round(world, number)
    assert result.success
    made = materialised(result)
    assert set(made) == ROUND | STEADY | SECOND
    assert {materialization.partition for materialization in made.values()} == {str(number)}
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    verdicts = checks(result)
    # The last one only warns, and a ridge on few features may well run against the example.
    blocking = {key: passed for key, passed in verdicts.items() if key[1] != "agrees_with_example"}
    assert set(blocking.values()) == {True}
    assert {
        (name.rpartition("/")[2], check) for name, check in verdicts if name.startswith("models")
    } == CHECKS_OF_A_MODEL
    for key in keys(*(ROUND | STEADY | SECOND)):
        assert instance.get_materialized_partitions(key) == {str(number)}


def test_what_a_played_round_shows(world, run_round, instance):
    number = world.open_round()
    result = run_round(world, number)
    made = materialised(result)
    stored = world.platform.lake.predictions_files("steady-1", number)
    assert len(stored) == 1
    frame = pl.read_parquet(stored[0])
    shown = {
        name: value.value for name, value in made["models/steady_1/predictions"].metadata.items()
    }
    assert shown["dagster/partition_row_count"] == frame.height == shown_rows(world, number)
    assert shown["dagster/uri"] == stored[0].as_uri()
    assert shown["dagster/table_name"] == "predictions"
    assert shown["vintage"] == "1279"
    assert shown["rung"] == "live"
    assert 0 < shown["seconds"] < 30
    assert shown["canary_largest_difference"] < 1e-9
    assert -1 < shown["example_correlation"] < 1
    receipt = {
        name: value.value for name, value in made["models/steady_1/submission"].metadata.items()
    }
    assert (receipt["state"], receipt["outcome"]) == ("confirmed", "on_time")
    assert receipt["predictions_sha256"] == shown["sha256"]
    assert f"sha256={shown['sha256']}" in str(stored[0])
    assert receipt["dagster/table_name"] == "submissions"
    submissions = world.rows("SELECT id FROM submissions WHERE round = ?", number)
    assert receipt["submission_id"] in {row["id"] for row in submissions}
    details = {name: value.value for name, value in made["rounds/details"].metadata.items()}
    assert details["window_minutes"] in (60, 26 * 60)
    assert details["paid_scores"] == "corr60, mmc60"
    assert_few_digits(result)
    live = made["rounds/live_data"].metadata["dagster/column_schema"].value
    assert [(column.name, column.description) for column in live.columns][-1][0] == "feature_…"
    assert len(live.columns) < 8


def shown_rows(world, number):
    folder = world.platform.lake.live_folder(number, "v5.3")
    return pl.scan_parquet(folder / "live.parquet").select(pl.len()).collect().item()


def test_checks_are_recorded_for_their_round(world, run_round, instance):
    number = world.open_round()
    run_round(world, number)
    key = dg.AssetCheckKey(keys("models/second/submission")[0], "confirmed_by_numerai")
    [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert record.event.asset_check_evaluation.passed
    assert record.event.asset_check_evaluation.partition == str(number)


def test_predictions_alone_submit_nothing(world, run_round):
    number = world.open_round()
    result = run_round(world, number, keys(*ROUND, "models/second/predictions"))
    assert result.success
    assert set(materialised(result)) == ROUND | {"models/second/predictions"}
    assert world.submissions(number) == {}
    assert receipts.latest(world.platform.lake, number) == {}


def test_one_submission_alone(world, run_round):
    number = world.open_round()
    result = run_round(world, number, keys(*ROUND, *SECOND))
    assert result.success
    assert set(materialised(result)) == ROUND | SECOND
    assert world.submissions(number) == {"second": 1}


def test_submission_without_its_predictions_asset(world, run_round):
    number = world.open_round()
    run_round(world, number, keys(*ROUND))
    result = run_round(world, number, keys("models/second/submission"))
    assert result.success
    assert set(materialised(result)) == {"models/second/submission"}
    assert world.submissions(number) == {"second": 1}


def test_a_confirmed_round_is_played_once(world, run_round, instance):
    number = world.open_round()
    assert run_round(world, number).success
    uploads = world.uploads()
    again = run_round(world, number)
    assert again.success
    assert set(materialised(again)) == ROUND
    assert observations(again) == {
        name: {"outcome": "skipped", "reason": "already confirmed"} for name in STEADY | SECOND
    }
    assert (world.uploads(), world.submissions(number)) == (uploads, {"steady-1": 1, "second": 1})
    for key in keys(*STEADY, *SECOND):
        records = instance.fetch_materializations(key, limit=10).records
        assert [record.partition_key for record in records] == [str(number)]


def test_a_pass_is_never_overwritten_by_skipped(world, run_round, instance):
    """Dagster calls each planned check skipped of which a run says nothing."""
    number = world.open_round()
    passed = checks(run_round(world, number))
    assert len(passed) == 13
    assert checks(run_round(world, number)) == passed  # nothing was left to do
    world.practice.advance("next-close")
    shutil.rmtree(world.platform.lake.root / "live" / f"round={number}")
    after = run_round(world, number)  # without live data the models' step does not run
    assert after.success
    assert {
        key: has_passed for key, has_passed in checks(after).items() if key[0].startswith("models")
    } == {key: has_passed for key, has_passed in passed.items() if key[0].startswith("models")}


def test_what_a_killed_run_confirmed_is_recorded_by_the_next(world, run_round, instance):
    """Killed between Numerai's confirmation and Dagster's event log."""
    number = world.open_round()
    run_round(world, number, keys(*ROUND))
    platform = world.platform
    played = play(platform, Play(number, platform.registry.enabled))
    assert {result.ending for result in played} == {Ending.CONFIRMED}
    uploads = world.uploads()
    result = run_round(world, number)
    assert result.success
    assert set(materialised(result)) == ROUND | STEADY | SECOND
    assert checks(result)["models/second/submission", "confirmed_by_numerai"]
    assert world.uploads() == uploads


def test_a_round_that_closed_without_us_is_missed(world, run_round):
    number = world.open_round()
    run_round(world, number, keys(*ROUND))
    world.practice.advance("next-close")
    uploads = world.uploads()
    result = run_round(world, number)
    assert not result.success
    assert set(materialised(result)) == ROUND
    assert checks(result)["models/second/submission", "confirmed_by_numerai"] is False
    assert world.uploads() == uploads
    latest = receipts.latest(world.platform.lake, number)
    assert {receipt.outcome for receipt in latest.values()} == {Outcome.MISSED}
    assert set(latest) == {"steady-1", "second"}
    assert "closed at" in observations(result)["models/second/submission"]["reason"]
    run_round(world, number)
    assert len(RoundRecord(world.platform.lake, "second", number).history) == 1


def test_a_round_that_nobody_watched_is_missed_too(world, run_round):
    """Nothing was ever stored of it; a model that is not trained yet has not missed it."""
    world.register("steady-1", "second", "untrained")
    number = world.open_round()
    world.practice.advance("next-close")
    uploads = world.uploads()
    result = run_round(world, number)
    assert not result.success  # a missed round looks like one
    assert set(materialised(result)) == {"rounds/details"}
    assert "cannot be fetched" in observations(result)["rounds/live_data"]["skipped"]
    [verdict] = [
        evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == dg.AssetKey(["models", "steady_1", "submission"])
    ]
    assert (verdict.passed, verdict.partition) == (False, str(number))
    assert verdict.description == "missed: no run played the round before it closed"
    assert {
        evaluation.check_name: (evaluation.passed, evaluation.description)
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == dg.AssetKey(["models", "steady_1", "predictions"])
    } == dict.fromkeys(gates.OF_PREDICTIONS, (False, f"not checked: {verdict.description}"))
    assert world.uploads() == uploads
    latest = receipts.latest(world.platform.lake, number)
    assert {name: receipt.outcome for name, receipt in latest.items()} == {
        "steady-1": Outcome.MISSED,
        "second": Outcome.MISSED,
    }


def test_force_replaces_nothing_by_the_same(world, run_round):
    number = world.open_round()
    assert run_round(world, number).success
    again = run_round(world, number, force=True)
    assert again.success
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    reasons = {observation["reason"] for observation in observations(again).values()}
    assert reasons == {"already confirmed"}


def test_force_replaces_by_newer_predictions(world, run_round):
    number = world.open_round()
    assert run_round(world, number).success
    source = world.folder / "quick_models.py"
    original = source.read_text()
    source.write_text(original.replace("penalty = 1000.0", "penalty = 30000.0"))
    world.train("steady-1")
    try:
        assert run_round(world, number).success
        assert world.submissions(number) == {"steady-1": 1, "second": 1}
        forced = run_round(world, number, keys(*STEADY), force=True)
        assert forced.success
        assert world.submissions(number) == {"steady-1": 2, "second": 1}
        history = RoundRecord(world.platform.lake, "steady-1", number).history
        confirmed = [receipt for receipt in history if receipt.state is State.CONFIRMED]
        assert len({receipt.predictions_sha256 for receipt in confirmed}) == 2
        assert set(materialised(forced)) == STEADY
    finally:
        source.write_text(original)


@pytest.fixture
def train_job_result(fresh_world, instance):
    fresh_world.open_round()
    vintage = 1280
    instance.add_dynamic_partitions("vintages", [str(vintage)])
    job = fresh_world.definitions().resolve_job_def("train_job")
    return job.execute_in_process(instance=instance, partition_key=str(vintage))


def test_training_a_new_vintage_by_its_job(fresh_world, train_job_result, run_round):
    assert train_job_result.success
    made = materialised(train_job_result)
    assert set(made) == {"training/data", "models/steady_1/weights", "models/second/weights"}
    lake = fresh_world.platform.lake
    assert lake.stored_vintages() == [1279, 1280]
    shown = {name: value.value for name, value in made["models/steady_1/weights"].metadata.items()}
    assert shown["target_is"] == {"target": "target_ender_60"}
    assert shown["train_eras"] == 72
    assert np.load(f"{shown['folder']}/model/weights.npy").shape == (shown["features"],)
    # Files that did not change are shared between vintages, not stored twice.
    assert len(list(lake.root.rglob("train.parquet"))) == 1
    # The next round is predicted with the new vintage.
    result = run_round(fresh_world, 1280)
    shown = materialised(result)["models/second/predictions"].metadata
    assert shown["vintage"].value == "1280"
