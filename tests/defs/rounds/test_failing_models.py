"""One model's failure: named, recorded, not submitted, and no other model's concern."""

from __future__ import annotations

import time
from datetime import date

import dagster as dg
import pytest

from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.operations.rounds.playing import Ending, Play, play
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, RoundRecord, State

FAILING = {
    "raising": "raising failed to predict: ArithmeticError: the stars ☾ are not right",
    "constant": "numerai_submission_rules: ",
    "forgetful": "canary_predicts_as_trained: largest difference on the canary rows",
    "sleeper": "sleeper took longer than",
    "untrained": "untrained has no weights; to make some: numebot train --models untrained",
}
ALL = ("steady-1", *FAILING, "second")


@pytest.fixture(scope="module")
def trained(make_world):
    world = make_world()
    world.register(*ALL)
    return world


@pytest.fixture
def world(trained, enter):
    world = enter(trained)
    world.register(*ALL)
    world.train(*[name for name in FAILING if name != "untrained"])
    return world


def assert_step_names(result, number, failing):
    """Find for whom and why in the failure of the run's step."""
    assert not result.success
    [failure] = result.get_step_failure_events()
    text = failure.step_failure_data.error.message
    assert f"Round {number}: 5 of 7 models failed" in text
    for name, reason in failing.items():
        assert f"{name}: {reason}" in text or reason in text
    assert set(failure.step_failure_data.user_failure_data.metadata) == set(failing)


def test_each_failure_is_named_and_stops_nobody_else(world, run_round, instance):
    number = world.open_round()
    result = run_round(world, number)
    lake = world.platform.lake

    # The honest are confirmed, the others have sent nothing and left nothing.
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == {
        "rounds/details", "rounds/live_data", "models/steady_1/predictions",
        "models/steady_1/submission", "models/second/predictions", "models/second/submission",
    }  # fmt: skip
    assert {name for name in ALL if lake.predictions_files(name, number)} == {"steady-1", "second"}

    assert_step_names(result, number, FAILING)

    # The receipts say it too.
    latest = receipts.latest(lake, number)
    states = {name: (receipt.state, receipt.outcome) for name, receipt in latest.items()}
    assert states == {
        **dict.fromkeys(FAILING, (State.PENDING, Outcome.FAILED)),
        **dict.fromkeys(("steady-1", "second"), (State.CONFIRMED, Outcome.ON_TIME)),
    }
    for name, reason in FAILING.items():
        assert reason in latest[name].reason

    # And so do the checks, where the user looks.
    verdicts = {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }
    for name in FAILING:
        assert verdicts[f"models/{name}/submission", "confirmed_by_numerai"] is False
    assert verdicts["models/constant/predictions", "numerai_submission_rules"] is False
    assert verdicts["models/forgetful/predictions", "canary_predicts_as_trained"] is False
    assert verdicts["models/second/submission", "confirmed_by_numerai"] is True


def test_a_failed_model_alone_is_played_again(world, run_round):
    """When its cause is gone, a later run of the same round submits it, and nobody else twice."""
    number = world.open_round()
    world.register("steady-1", "untrained")
    assert not run_round(world, number).success
    world.train("untrained")
    result = run_round(world, number)
    assert result.success
    assert world.submissions(number) == {"steady-1": 1, "untrained": 1}
    history = RoundRecord(world.platform.lake, "untrained", number).history
    assert [receipt.outcome for receipt in history if receipt.outcome] == [
        Outcome.FAILED, Outcome.ON_TIME, Outcome.ON_TIME,
    ]  # fmt: skip
    assert history[-1].state is State.CONFIRMED
    assert history[-1].reason is None


def test_a_budget_is_all_that_a_hanging_model_costs(world):
    platform = world.platform
    number = world.open_round()
    world.register("sleeper", "steady-1")
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    started = time.monotonic()
    played = play(platform, Play(number, platform.registry.enabled))
    assert time.monotonic() - started < 12  # of which 2 s are the budget
    assert [result.ending for result in played] == [Ending.FAILED, Ending.CONFIRMED]


def test_a_model_that_the_account_lacks(world, run_round):
    number = world.open_round()
    registry = world.folder / "model_configs.csv"
    registry.write_text(
        "numerai_name,model_code\nsomebody_else,quick_models:Ridge\nsteady-1,quick_models:Ridge\n"
    )
    result = run_round(world, number)
    assert not result.success
    [failure] = result.get_step_failure_events()
    text = failure.step_failure_data.error.message
    assert "the account has no model somebody_else: `numebot doctor` lists all 8" in text
    assert f"Correct numerai_name in {registry}, line 2" in text
    assert world.submissions(number) == {"steady-1": 1}


def test_a_damaged_receipt_stops_nobody(world, run_round):
    """It is set aside, and Numerai is asked what it holds."""
    number = world.open_round()
    world.register("steady-1", "second")
    folder = world.platform.lake.receipts_folder("steady-1", number)
    folder.mkdir(parents=True)
    damaged = folder / "00000000000000000001.parquet"
    damaged.write_bytes(b"no Parquet")
    assert run_round(world, number).success
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    assert not damaged.exists()
    for name in ("steady-1", "second"):
        history = RoundRecord(world.platform.lake, name, number).history
        assert history[-1].state is State.CONFIRMED


def test_a_damaged_leaderboard_costs_the_order_only(world, run_round, instance):
    number = world.open_round()
    world.register("steady-1", "second")
    file = world.platform.lake.day_file("leaderboard", date(2026, 6, 1))
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no Parquet")
    assert run_round(world, number).success
    assert not file.exists()  # set aside
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def test_weights_that_were_touched_are_not_used(world, run_round):
    world.register("steady-1", "raising")
    number = world.open_round()
    folder = world.platform.lake.weights_folders("raising")[0].path
    weights = folder / "model" / "weights.npy"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        result = run_round(world, number)
    finally:
        weights.write_bytes(content)
    [failure] = result.get_step_failure_events()
    text = failure.step_failure_data.error.message
    assert "weights.npy is not the file that was stored" in text
    assert "numebot train --models raising" in text
    assert world.submissions(number) == {"steady-1": 1}


def test_a_step_for_one_failing_model_fails_alone(world, run_round):
    number = world.open_round()
    keys = [
        dg.AssetKey(["rounds", "details"]), dg.AssetKey(["rounds", "live_data"]),
        dg.AssetKey(["models", "raising", "predictions"]),
    ]  # fmt: skip
    result = run_round(world, number, keys)
    assert not result.success
    assert world.submissions(number) == {}
    assert receipts.latest(world.platform.lake, number) == {}
