"""The schedule that trains models again when their policy says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from numebot_dagster.defs.runs import RUN_KEY_TAG
from numebot_dagster.defs.training.schedules import retraining_schedule
from numebot_dagster.operations.training import trainer


@pytest.fixture
def weeks_later(monkeypatch):
    """Set this machine's clock some weeks further."""

    def by(weeks):
        now = datetime.now(UTC) + timedelta(weeks=weeks)
        monkeypatch.setattr(trainer, "datetime", SimpleNamespace(now=lambda zone: now))

    return by


def test_fresh_weights_are_left_alone(world, tick, weeks_later):
    weeks_later(11.9)
    assert tick(retraining_schedule).skip_message == "No model is due for retraining."


def test_old_weights_are_made_again_from_a_new_vintage(world, tick, weeks_later, stored_instance):
    weeks_later(12.1)
    number = world.open_round()
    assert (
        tick(retraining_schedule).skip_message
        == f"Round {number} is open, and its submissions come first."
    )
    world.practice.advance("next-close")
    [first] = tick(retraining_schedule).run_requests
    assert first.partition_key == str(number)
    assert stored_instance.has_dynamic_partition("vintages", str(number))
    assert {key.to_user_string() for key in first.asset_selection} == {
        "training/data",
        "models/steady_1/weights",
        "models/second/weights",
    }
    # As the daemon starts it: models that cannot be trained are tried once a week.
    tags = first.tags | {RUN_KEY_TAG: first.run_key}
    stored_instance.add_run(
        dg.DagsterRun("train_job", tags=tags, status=dg.DagsterRunStatus.FAILURE)
    )
    assert "was requested this week already" in tick(retraining_schedule).skip_message
    for _ in range(5):
        world.open_round()
    world.practice.advance("next-close")
    [next_week] = tick(retraining_schedule).run_requests
    assert next_week.run_key != first.run_key


def test_only_the_policy_of_a_model_asks_for_it(world, weeks_later):
    """Not the absence of weights, nor what the registry pins."""
    weeks_later(12.1)
    platform = world.platform
    assert [model.name for model in trainer.due_models(platform)] == ["steady-1", "second"]
    vintage = platform.lake.stored_vintages()[-1]
    (world.folder / "model_configs.csv").write_text(
        "numerai_name,model_code,vintage\n"
        f"steady-1,quick_models:Ridge,{vintage}\n"
        "untrained,quick_models:Ridge,\nsecond,quick_models:Stubborn,\n"
    )
    assert [model.name for model in trainer.due_models(world.platform)] == ["second"]
