"""The schedule that collects scores and payouts every day."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.performance.jobs import RANGE_END_TAG, RANGE_START_TAG
from numebot_dagster.defs.performance.schedules import daily_performance_schedule
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.rounds import details
from tests.defs.evaluation import advance_to, is_saturday, record_receipts


def test_daily_schedule_waits_for_an_open_round_that_has_work_left(world, tick, monkeypatch):
    number = world.open_round()
    skipped = tick(daily_performance_schedule).skip_message
    assert skipped == f"Round {number} is open and has work left, which comes first."
    while is_saturday(world):
        world.open_round()
    with monkeypatch.context() as patch:
        patch.setenv("NUMEBOT_ROUNDS", "weekend")  # a weekday's round is not ours then
        assert tick(daily_performance_schedule).run_requests
    record_receipts(world, world.practice.state()["open_round"])
    assert tick(daily_performance_schedule).run_requests


def test_daily_schedule_asks_for_every_day_since_the_first_round(fresh_world, tick):
    world = fresh_world
    number = world.open_round()  # Tuesday 2026-06-02
    details.fetch_details(world.platform, number)
    advance_to(world, "2026-06-08T22:30:00Z")
    scores, rest = tick(daily_performance_schedule).run_requests
    assert range_of(scores) == ("2026-06-02", "2026-06-08")
    assert scores.run_key == "collect-scores-2026-06-02-2026-06-08"
    assert rest.run_key == "collect-the-rest-2026-06-08-2026-06-08"
    assert [key.to_user_string() for key in scores.asset_selection] == ["performance/scores"]
    assert range_of(rest) == ("2026-06-08", "2026-06-08")  # Numerai tells the rest of today alone
    assert dg.AssetKey(["performance", "overview"]) in rest.asset_selection


def test_daily_schedule_looks_at_the_last_stored_day_again(fresh_world, tick):
    world = fresh_world
    advance_to(world, "2026-06-05T14:30:00Z")
    platform = world.platform
    collecting.collect_scores(platform, [collecting.today(platform)])
    advance_to(world, "2026-06-08T22:30:00Z")
    scores, _ = tick(daily_performance_schedule).run_requests
    assert range_of(scores) == ("2026-06-05", "2026-06-08")


def test_daily_schedule_of_a_newcomer_asks_for_today(fresh_world, tick):
    advance_to(fresh_world, "2026-06-08T22:30:00Z")
    [everything] = tick(daily_performance_schedule).run_requests
    assert range_of(everything) == ("2026-06-08", "2026-06-08")
    assert everything.asset_selection is None


def range_of(run):
    return run.tags[RANGE_START_TAG], run.tags[RANGE_END_TAG]
