"""Write the `numebot` commands that messages ask the user to type, quoted for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

MODELS_NAMED = 5


def numebot(*words: object) -> str:
    """Return any command line of Numebot."""
    return shlex.join(["numebot", *map(str, words)])


def run(
    round_number: int | None = None,
    models: Sequence[str] = (),
    *,
    force: bool = False,
    late: bool = False,
) -> str:
    """Return the command that plays a round with some models, by default with all."""
    number = [] if round_number is None else ["--round", round_number]
    flags = " --force" * force + " --late" * late
    return numebot("run", *number) + models_option(models) + flags


def train(*models: str) -> str:
    """Return the command that trains some models, by default all."""
    return numebot("train") + models_option(models)


def try_model(model: str) -> str:
    """Return the command that runs the methods of a model on a few eras."""
    return numebot("models", "try", model)


def diagnose(model: str, vintage: int) -> str:
    """Return the command that judges a model on eras that it has not seen."""
    return numebot("models", "diagnose", model, "--vintage", vintage)


def up(folder: Path) -> str:
    """Return the command that starts the Dagster UI and the daemon on a folder."""
    return numebot("up", "--folder", folder)


def practice(*words: object, folder: Path | None = None) -> str:
    """Return a command for the practice tournament of a folder, by default of this one."""
    return numebot("practice", *words, *(() if folder is None else ("--folder", folder)))


def models_option(models: Sequence[str]) -> str:
    """Return ` --models a,b`, or nothing for many: what is done already is not done again."""
    if not 0 < len(models) <= MODELS_NAMED:
        return ""
    return f" --models {shlex.quote(','.join(models))}"
