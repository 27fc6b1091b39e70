"""Figures that follow every round."""

import dagster as dg

from numebot_dagster.defs.performance.jobs import figures_job
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.runs import newly_finished

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
def figures_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Request the figures anew when a round was played, by whomever, and no other is under way."""
    finished = newly_finished(context, round_job.name, _ENDED)
    if not finished.runs:
        return dg.SkipReason("No round was played since the last look.")
    under_way = dg.RunsFilter(job_name=round_job.name, statuses=_UNDER_WAY)
    if context.instance.get_runs_count(under_way):
        return dg.SkipReason("A round is being played: its figures come after it.")
    newest = finished.runs[-1]
    return dg.SensorResult(
        [dg.RunRequest(run_key=f"figures-{newest.run_id}")], cursor=finished.cursor
    )
