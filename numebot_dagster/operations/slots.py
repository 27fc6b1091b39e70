"""Compare the models of the registry with those of the account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases
from numebot_dagster.spelling import meant

LISTING = "numebot doctor"


def no_slot(name: str, slots: Iterable[str], registry: Path, line: int | None = None) -> str:
    """Return a message that the account lacks a model, with similar names and the registry line."""
    place = f"{registry}" if line is None else f"{registry}, line {line}"
    return (
        f"the account has no model {name}: {meant(name, slots, LISTING)}. Correct numerai_name in "
        f"{place}."
    )


def without_slot(platform: Platform, models: Sequence[RegisteredModel]) -> list[str]:
    """Return a message for each submitting model that the account lacks, if a key is set."""
    submitting = [model for model in models if model.submit]
    if platform.settings.numerai_public_id is None or not submitting:
        return []
    bounded = phases.within(platform, phases.NAMES)
    try:
        slots = bounded.client.fleet(latest_rounds=1).models
    except NumeraiError as error:
        return [f"the names of the account's models could not be compared: {error}"]
    path = platform.registry.path
    return [
        no_slot(model.name, slots, path, model.line)
        for model in submitting
        if model.name not in slots
    ]
