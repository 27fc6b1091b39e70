"""What a person starts in the UI without a terminal: a training of today, a dry run, figures."""

from __future__ import annotations

import dagster as dg
import pytest

from numebot_dagster.defs.diagnostics.assets import DiagnoseConfig
from numebot_dagster.defs.health.jobs import PreflightConfig
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.assets import LiveConfig
from numebot_dagster.defs.rounds.play_round import PlayConfig
from numebot_dagster.defs.training.today import TodayConfig, train_today_sensor
from numebot_dagster.defs.training.weights import TrainConfig
from numebot_dagster.operations.training import trainer


@pytest.fixture
def instance():
    """Return an instance on disk: sensors get it by reference."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def launch(world, instance):
    """Launch a job as the UI does, with the config of its only kind of step."""

    def run(job, partition=None, **ops):
        return (
            world.definitions()
            .resolve_job_def(job)
            .execute_in_process(
                instance=instance,
                partition_key=partition,
                run_config={"ops": {name: {"config": config} for name, config in ops.items()}},
                raise_on_error=False,
            )
        )

    return run


def tick(world, instance, cursor=None):
    """Evaluate the sensor on trainings as the daemon does."""
    with dg.build_sensor_context(
        instance=instance,
        instance_ref=instance.get_ref(),
        cursor=cursor,
        repository_def=world.definitions().get_repository_def(),
        resources={"platform": PlatformResource()},
    ) as context:
        return train_today_sensor.evaluate_tick(context)


def test_training_of_today_needs_no_number(world, instance, launch):
    world.open_round()
    assert launch("train_today_job", register_vintage={"models": ["second"]}).success
    result = tick(world, instance)
    [request] = result.run_requests
    today = str(trainer.vintage_of_today(world.platform))
    assert request.partition_key == today
    assert instance.has_dynamic_partition("vintages", today)
    assert [key.to_user_string() for key in request.asset_selection] == [
        "training/data",
        "models/second/weights",
    ]
    assert "was not launched since" in tick(world, instance, result.cursor).skip_message

    wrong = launch("train_today_job", register_vintage={"models": ["secnd"]})
    assert "secnd is not among the enabled models" in failure(wrong)


@pytest.mark.parametrize("key", ["99999", "next"])
def test_a_vintage_that_is_none_of_today_says_what_to_do(instance, launch, key):
    instance.add_dynamic_partitions("vintages", [key])
    assert f"Vintage {key} was never pinned" in failure(launch("train_job", key))


def failure(result):
    """Return the innermost message of the step that failed."""
    assert not result.success
    event = next(event for event in result.all_events if event.is_step_failure)
    return event.step_failure_data.user_failure_data.description


def test_a_dry_run_submits_nothing(world, run_round):
    number = world.open_round()
    result = run_round(world, number, dry_run=True)
    assert result.success
    made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
    assert made == {"details", "live_data", "predictions"}
    assert world.submissions(number) == {}


def test_every_field_of_the_launchpad_is_explained():
    for config in (
        PlayConfig, LiveConfig, TrainConfig, TodayConfig, DiagnoseConfig, PreflightConfig,
    ):  # fmt: skip
        assert all(field.description for field in config.model_fields.values()), config
