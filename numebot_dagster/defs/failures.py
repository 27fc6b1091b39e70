"""Say why a step or a run of Dagster failed, by its innermost cause and on one line."""

from __future__ import annotations

import re

import dagster as dg

# How Python heads the text of an exception; our own classes and Dagster's tell a user nothing.
_CLASS = re.compile(r"^(?:numebot_dagster|dagster)[\w.]*(?:: |$)")


def reason_of(event: dg.DagsterEvent | None) -> str:
    """Return why a step or a run failed, without names of our classes; empty for other events."""
    if event is None:
        return ""
    if event.is_step_failure:
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        return "" if error is None else reason(error.message)
    return reason(event.message or "") if event.is_failure else ""


def repeats_its_step(event: dg.DagsterEvent | None) -> bool:
    """Whether a run only says that one of its steps failed, which that step has said."""
    return (
        event is not None
        and event.is_job_failure
        and event.job_failure_data.first_step_failure_event is not None
    )


def reason(text: str) -> str:
    """Return the first line of the text of an exception, without our class before it."""
    line = text.strip().partition("\n")[0].strip()
    return _CLASS.sub("", line) or "it was interrupted"
