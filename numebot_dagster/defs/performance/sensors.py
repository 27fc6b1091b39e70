"""Define the sensor that draws the figures again after every round."""

import dagster as dg

from numebot_dagster.defs.performance.jobs import figures_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import round_with_work_left
from numebot_dagster.defs.runs import Finished, newly_finished

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_UNDER_WAY = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@dg.sensor(
    job=figures_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Draw the figures again when a round was played and no other has work left.",
)
def figures_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Request the figures when a round was played, unless another one has work left."""
    finished = newly_finished(context, round_job.name, _ENDED)
    if not finished.runs:
        return dg.SkipReason("No round was played since the last tick.")
    under_way = dg.RunsFilter(job_name=round_job.name, statuses=_UNDER_WAY)
    if context.instance.get_runs_count(under_way):
        return _wait(finished, "A round is being played; its figures are drawn after it.")
    round_ = round_with_work_left(context.instance, platform.open_for_tick(context.log))
    if round_ is not None:
        text = f"Round {round_.number} is open and has work left; its figures are drawn after it."
        return _wait(finished, text)
    newest = finished.runs[-1]
    return dg.SensorResult(
        [dg.RunRequest(run_key=f"figures-{newest.run_id}")], cursor=finished.cursor
    )


def _wait(finished: Finished, reason: str) -> dg.SensorResult:
    """Skip, and look at the same runs again at the next tick."""
    return dg.SensorResult(skip_reason=reason, cursor=finished.since)
