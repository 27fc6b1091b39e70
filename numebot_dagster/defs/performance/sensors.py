"""Figures that follow every round."""

import dagster as dg

from numebot_dagster.defs.performance.jobs import figures_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.requests import round_with_work_left
from numebot_dagster.defs.runs import Finished, newly_finished

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    job=figures_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def figures_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Request the figures anew when a round was played, by whomever, and no other has work left."""
    finished = newly_finished(context, round_job.name, _ENDED)
    if not finished.runs:
        return dg.SkipReason("No round was played since the last look.")
    under_way = dg.RunsFilter(job_name=round_job.name, statuses=_UNDER_WAY)
    if context.instance.get_runs_count(under_way):
        return _wait(finished, "A round is being played: its figures come after it.")
    round_ = round_with_work_left(context.instance, platform.open_for_tick(context.log))
    if round_ is not None:
        text = f"Round {round_.number} is open and has work left: its figures come after it."
        return _wait(finished, text)
    newest = finished.runs[-1]
    return dg.SensorResult(
        [dg.RunRequest(run_key=f"figures-{newest.run_id}")], cursor=finished.cursor
    )


def _wait(finished: Finished, reason: str) -> dg.SensorResult:
    """Skip, and look at the same runs again next time, however long that takes."""
    return dg.SensorResult(skip_reason=reason, cursor=finished.since)
