"""Read why a step or a run of Dagster failed, by its innermost cause and on one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from numebot_dagster.failure_texts import without_class

_INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


def chain_of(event: dg.DagsterEvent) -> Iterator[Any]:
    """Yield the error of an event and those that caused it, the innermost last."""
    error = getattr(event.event_specific_data, "error", None)
    while error is not None:
        yield error
        error = error.cause


def reason_of(event: dg.DagsterEvent | None) -> str:
    """Return why a step or a run failed, without names of our classes; empty for other events."""
    if event is None:
        return ""
    if event.is_step_failure:
        innermost = list(chain_of(event))[-1:]
        return without_class(innermost[0].message) if innermost else ""
    return without_class(event.message or "") if event.is_failure else ""


def repeats_its_step(event: dg.DagsterEvent | None) -> bool:
    """Return whether a run only says that one of its steps failed, which that step has said."""
    return (
        event is not None
        and event.is_job_failure
        and event.job_failure_data.first_step_failure_event is not None
    )


def is_interruption(event: dg.DagsterEvent) -> bool:
    """Return whether an event says that Ctrl-C ended a step or the run."""
    if event.event_type is dg.DagsterEventType.RUN_CANCELED:
        return True
    return any(error.cls_name in _INTERRUPTIONS for error in chain_of(event))
