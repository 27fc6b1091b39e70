"""Define a job without a partition that trains on today's data, and the sensor behind it."""

import dagster as dg
from pydantic import Field

from numebot_dagster.defs.model_assets import weights_key
from numebot_dagster.defs.partitions import VINTAGES
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.runs import newly_finished
from numebot_dagster.defs.training.assets import TRAINING_DATA
from numebot_dagster.defs.training.jobs import train_job
from numebot_dagster.defs.training.weights import TrainConfig
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer

VINTAGE_TAG, MODELS_TAG, FORCE_TAG = "numebot/vintage", "numebot/models", "numebot/force"


class TodayConfig(TrainConfig):
    """The options of a training on today's data."""

    models: list[str] = Field(
        default=[],
        description='Numerai names of the models to train, for example ["my_model"]; by default '
        "every enabled one.",
    )


@dg.op(name="register_vintage")
def register_vintage(
    context: dg.OpExecutionContext, config: TodayConfig, platform: PlatformResource
) -> None:
    """Register today's vintage as a partition; `train_today_sensor` then requests its training."""
    opened = platform.open(context.log)
    names = _chosen(opened, config.models)
    vintage = str(trainer.vintage_of_today(opened))
    context.instance.add_dynamic_partitions(VINTAGES, [vintage])
    context.instance.add_run_tags(
        context.run_id,
        {VINTAGE_TAG: vintage, MODELS_TAG: ",".join(names), FORCE_TAG: str(config.force)},
    )
    context.log.info(
        "Vintage %s is registered. Within half a minute train_today_sensor requests a run of "
        "train_job that pins its data and trains %s.",
        vintage,
        ", ".join(names),
    )


def _chosen(opened: Platform, names: list[str]) -> list[str]:
    enabled = [model.name for model in opened.registry.enabled]
    unknown = [name for name in names if name not in enabled]
    if unknown:
        raise dg.Failure(
            f"{', '.join(unknown)} is not among the enabled models: {', '.join(enabled)}",
            allow_retries=False,
        )
    return names or enabled


@dg.job(
    name="train_today_job",
    description="Train on today's data without naming a vintage. The only step registers the "
    "vintage of the newest round; the training itself is a run of `train_job`.",
)
def train_today_job() -> None:
    """Run `register_vintage`."""
    register_vintage()


@dg.sensor(
    job=train_job,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Request the training of each vintage that train_today_job has registered.",
)
def train_today_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Request the training of each vintage that `train_today_job` has registered."""
    finished = newly_finished(context, train_today_job.name, [dg.DagsterRunStatus.SUCCESS])
    if not finished.runs:
        return dg.SkipReason(f"{train_today_job.name} was not launched since the last tick.")
    opened = platform.open_for_tick(context.log)
    requests = [_training(opened, run) for run in finished.runs if VINTAGE_TAG in run.tags]
    return dg.SensorResult(requests, cursor=finished.cursor)


def _training(opened: Platform, run: dg.DagsterRun) -> dg.RunRequest:
    names = set(run.tags[MODELS_TAG].split(","))
    keys = [weights_key(model) for model in opened.registry.enabled if model.name in names]
    force = {"config": {"force": run.tags.get(FORCE_TAG) == "True"}}
    return dg.RunRequest(
        run_key=f"train-today-{run.run_id}",
        partition_key=run.tags[VINTAGE_TAG],
        asset_selection=[TRAINING_DATA, *keys],
        run_config={"ops": {key.to_python_identifier(): force for key in keys}},
    )
