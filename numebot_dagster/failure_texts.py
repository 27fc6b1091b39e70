"""Shorten what Dagster writes of steps that failed or did not run."""

from __future__ import annotations

import re

# How Python heads the text of an exception; our own classes and Dagster's tell a user nothing.
_CLASS = re.compile(r"^(?:numebot_dagster|dagster)[\w.]*(?:: |$)")
# What Dagster logs of steps that did not run, and of their checks, which were not due. The step
# that failed or was skipped has said why itself.
_OF_STEPS_NOT_RUN = (
    "AssetCheckResult for check",
    "Dependencies for step ",
    "Skipping step ",
    "op '",
)
_STEP_OF_A_MODEL = re.compile(r"models__(\w+)__\w+")


def without_class(text: str) -> str:
    """Return the first line of the text of an exception, without our class before it."""
    line = text.strip().partition("\n")[0].strip()
    return _CLASS.sub("", line) or "it was interrupted"


def of_step(step: str, reason: str) -> str:
    """Return why a step failed, after its name unless the reason names its model."""
    model = _STEP_OF_A_MODEL.fullmatch(step)
    if model and re.sub(r"[^A-Za-z0-9_]", "_", reason).startswith(model[1]):
        return reason
    return f"{step}: {reason}"


def is_of_a_step_not_run(text: str) -> bool:
    """Return whether Dagster only says that a step did not run, which tells a user nothing."""
    return text.startswith(_OF_STEPS_NOT_RUN)
