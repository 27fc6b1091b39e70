"""Say why a step or a run of Dagster failed, by its innermost cause and on one line."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.operations.causes import without_class


def reason_of(event: dg.DagsterEvent | None) -> str:
    """Return why a step or a run failed, without names of our classes; empty for other events."""
    if event is None:
        return ""
    if event.is_step_failure:
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        return "" if error is None else without_class(error.message)
    return without_class(event.message or "") if event.is_failure else ""


def repeats_its_step(event: dg.DagsterEvent | None) -> bool:
    """Whether a run only says that one of its steps failed, which that step has said."""
    return (
        event is not None
        and event.is_job_failure
        and event.job_failure_data.first_step_failure_event is not None
    )
