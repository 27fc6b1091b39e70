"""Give a data folder a short id of its own, by which two that use one account are told apart."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import json_records

if TYPE_CHECKING:
    from numebot_dagster.lake.layout import Lake

# No letter or digit that is taken for another one when it is read aloud.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH = 6
MACHINE_FILE = Path("/etc/machine-id")


@dataclass(frozen=True)
class Installation(json_records.Record):
    """A data folder as it was when it got its id.

    Attributes:
        inode: of the folder. The root of a volume may have the same one everywhere, and some file
            systems number anew whenever they are mounted.
        path: of the folder; unknown where an earlier version stored the id.
        machine: the id of the machine, where it has one.
    """

    id: str
    inode: int
    path: str | None = None
    machine: str | None = None

    def is_copied_to(self, other: Installation) -> bool:
        """Return whether `other` is a copy of this folder, and not the same one."""
        if self.machine and other.machine and self.machine != other.machine:
            return True
        return self.inode != other.inode and self.path != other.path


def installation_id(lake: Lake) -> str:
    """Return the id of a data folder; the first call makes it.

    A copy of a folder is another installation and gets another id.
    """
    lake.root.mkdir(parents=True, exist_ok=True)
    stored = _read(lake)
    here = Installation(
        id="".join(secrets.choice(ALPHABET) for _ in range(LENGTH)),
        inode=lake.root.stat().st_ino,
        path=str(lake.root.resolve()),
        machine=_machine(),
    )
    if stored is not None and not stored.is_copied_to(here):
        return stored.id
    if lake.installation_file.exists():  # of the folder that this is a copy of
        json_records.write(lake.installation_file, here)
    else:
        with suppress(FileExistsError):  # another process was first
            json_records.create(lake.installation_file, here)
    return (_read(lake) or here).id


def _machine() -> str | None:
    try:
        return MACHINE_FILE.read_text().strip() or None
    except (OSError, ValueError):
        return None


def _read(lake: Lake) -> Installation | None:
    """Return what is stored; nothing where it cannot be read."""
    with suppress(OSError):
        return json_records.read_or_set_aside(lake.installation_file, Installation)
    return None
