"""The daily replay: a check of each model, never while a round is played."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.diagnostics import replays
from numebot_dagster.defs.diagnostics.replays import replay_schedule
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.operations.diagnostics import proof
from numebot_dagster.operations.diagnostics.proof import Pipeline


def run(world, instance):
    """Run the job, and return its checks by the name of the model's asset."""
    job = world.definitions().resolve_job_def(replays.JOB)
    result = job.execute_in_process(instance=instance)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    return {evaluation.asset_key.path[1]: evaluation for evaluation in evaluations}


def test_rounds_are_replayed_when_none_is_open(fresh_world, tick, instance, run_round, monkeypatch):
    world = fresh_world
    number = world.open_round()
    lake = world.platform.lake
    assert f"Round {number} is open" in tick(replay_schedule).skip_message
    checks = run(world, instance)  # started by hand: the round comes first
    assert [check.passed for check in checks.values()] == [False, False]
    assert "a round came first" in checks["second"].description
    assert proof.last(lake, "second") is None
    assert not lake.board_file("models/second.html").exists()  # nothing is done beside the round
    assert run_round(world, number).success
    assert len(tick(replay_schedule).run_requests) == 1
    checks = run(world, instance)
    assert {name: check.passed for name, check in checks.items()} == {
        "steady_1": True,
        "second": True,
    }
    assert checks["second"].severity is dg.AssetCheckSeverity.WARN
    assert f"for round {number} the very file" in checks["second"].description
    assert proof.last(lake, "second").pipeline is Pipeline.SOUND
    assert "Pipeline: sound" in lake.board_file("models/second.html").read_text()
    assert_what_was_proved_is_kept(world, instance, monkeypatch)


def assert_what_was_proved_is_kept(world, instance, monkeypatch):
    """Replay until Numerai does not answer, after the first model."""
    page = world.platform.lake.board_file("models/second.html")
    page.unlink()
    answers = [True, True]  # before the model, and before its round

    def go_on():
        if not answers:
            raise NumeraiUnavailable("503")
        return answers.pop()

    monkeypatch.setattr(replays, "while_no_round_waits", lambda *_: go_on)
    checks = run(world, instance)
    assert sorted(check.passed for check in checks.values()) == [False, True]
    [other] = [check for check in checks.values() if not check.passed]
    assert "Numerai did not say" in other.description
    assert not page.exists()
