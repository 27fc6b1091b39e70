"""The daily roll-up: asked for when no round has work left, and stopped by one that has."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.health.rollup import rollup_schedule
from numebot_dagster.defs.rounds import requests
from numebot_dagster.lake.locks import sole
from numebot_dagster.numerai.errors import NumeraiUnavailable


def run(world, instance, job="rollup_job", *, raise_on_error=True):
    definition = world.definitions().resolve_job_def(job)
    return definition.execute_in_process(instance=instance, raise_on_error=raise_on_error)


def test_a_round_with_work_left_comes_first(world, tick, instance, run_round, monkeypatch):
    number = world.open_round()
    assert f"Round {number} is open" in tick(rollup_schedule).skip_message
    assert run_round(world, number).success
    assert len(tick(rollup_schedule).run_requests) == 1
    later = world.open_round()
    world.practice.advance("2026-09-16T20:00:00Z")
    monkeypatch.setattr(requests, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(requests, "round_with_work_left", lambda *_: later)
    lake = world.platform.lake
    assert run(world, instance).success
    assert lake.receipts_files("second", number)
    monkeypatch.setattr(requests, "round_with_work_left", lambda *_: None)
    result = run(world, instance)
    assert result.success
    assert lake.receipts_files("second", number) == []
    [made] = result.asset_materializations_for_node("health__rollup")
    assert made.metadata["blocks"].value == 2
    assert lake.catalog_file.is_file()

    def refuse(*_):
        raise NumeraiUnavailable("503")

    monkeypatch.setattr(requests, "round_with_work_left", refuse)
    checks = run(world, instance, "checks_job").get_asset_check_evaluations()
    [sound] = [check for check in checks if check.check_name == "rollup_sound"]
    assert sound.passed
    assert "Numerai did not answer, before 2 blocks could be read" in sound.description


def test_the_schedule_is_on_by_default():
    assert rollup_schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_two_roll_ups_do_not_work_at_once(world, instance):
    with sole(world.platform.lake.lock_file("rollup")):
        assert not run(world, instance, raise_on_error=False).success
        assert not run(world, instance, "checks_job", raise_on_error=False).success
