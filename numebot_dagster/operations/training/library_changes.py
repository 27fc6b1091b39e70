"""Which libraries have changed since weights were made."""

from __future__ import annotations

import platform as machine
from importlib import metadata

from numebot_dagster.modeling.weights.weight_store import Manifest

PYTHON = "python"
ABSENT = "none"


def changed_libraries(manifest: Manifest) -> list[str]:
    """The libraries of a training whose installed version is another one.

    A patch of Python or of a library seldom matters, and the canary rows show whether it does; a
    model that cannot be loaded any more is most often one of a library that has changed.

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
