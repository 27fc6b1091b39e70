"""Store pictures in the folder of the board."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from numebot_dagster.lake import files
from numebot_dagster.lake.layout import Lake


@dataclass(frozen=True)
class Figure:
    """A stored picture.

    Attributes:
        name: of its file, by which the board serves it.
        path: of its file, from the root of the lake.
        title: what it says.
        version: changes with its content.
    """

    name: str
    path: str
    title: str
    version: str


def store(lake: Lake, name: str, content: bytes, title: str) -> Figure:
    """Store a picture by the name of its file, in place of a former one of whatever kind."""
    file = lake.figure(name)
    files.replace_bytes(file, content)
    for former in file.parent.glob(f"{file.stem}.*"):
        if former != file:
            files.remove(former)
    path = file.relative_to(lake.root).as_posix()
    return Figure(name, path, title, hashlib.sha256(content).hexdigest()[:8])
