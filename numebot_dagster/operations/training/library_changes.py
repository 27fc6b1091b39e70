"""Compare installed libraries with those that weights were trained with."""

from __future__ import annotations

import platform as machine
from importlib import metadata

from numebot_dagster.modeling.weights.weight_store import Manifest

PYTHON = "python"
ABSENT = "none"


def changed_libraries(manifest: Manifest) -> list[str]:
    """Return the libraries of a training whose installed version is another one.

    A change of version seldom matters, and the canary rows show whether it does; but when a model
    can no longer be loaded, it is often the cause.

    Returns:
        Texts such as `lightgbm 4.5.0 (now 4.6.0)`.
    """
    return [
        f"{name} {then} (now {now})"
        for name, then in sorted(manifest.library_versions.items())
        if (now := _installed(name)) != then
    ]


def _installed(name: str) -> str:
    if name == PYTHON:
        return machine.python_version()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ABSENT
