"""Define the daily schedule that retrains models when they are due."""

import dagster as dg

from numebot_dagster.defs.model_assets import weights_key
from numebot_dagster.defs.partitions import VINTAGES
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.runs import was_requested
from numebot_dagster.defs.training.assets import TRAINING_DATA
from numebot_dagster.defs.training.jobs import train_job
from numebot_dagster.operations.training import trainer

# Hours after the usual close of a weekday's round and of the weekend's.
TICK = "0 17 * * *"


@dg.schedule(
    job=train_job,
    cron_schedule=TICK,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Train the models that are due by their own retrain policy on a new vintage.",
)
def retraining_schedule(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Request the training of the models that are due by their `retrain` policy.

    With `retrain = never` a model is never due. No training begins while a round is open. A
    training that fails is requested again in the next week, not on the next day.
    """
    opened = platform.open_for_tick(context.log)
    due = trainer.due_models(opened)
    if not due:
        return dg.SkipReason("No model is due for retraining.")
    round_ = opened.round_to_play()
    if round_ is not None:
        return dg.SkipReason(f"Round {round_.number} is open, and its submissions come first.")
    year, week, _ = opened.client.now().isocalendar()
    names = ",".join(model.name for model in due)
    run_key = f"retrain-{year}-{week:02d}-{names}"
    if was_requested(context.instance, run_key):
        return dg.SkipReason(f"The training of {names} was requested this week already.")
    vintage = str(trainer.vintage_of_today(opened))
    context.instance.add_dynamic_partitions(VINTAGES, [vintage])
    return dg.RunRequest(
        run_key=run_key,
        partition_key=vintage,
        asset_selection=[TRAINING_DATA, *(weights_key(model) for model in due)],
    )
