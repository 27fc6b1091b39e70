"""Give a data folder a short id of its own, by which two that use one account are told apart."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from numebot_dagster.lake import files

if TYPE_CHECKING:
    from numebot_dagster.lake.layout import Lake

# No letter or digit that is taken for another one when it is read aloud.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH = 6


def installation_id(lake: Lake) -> str:
    """Return the id of a data folder; the first call makes it.

    A copy of a folder is another installation: its inode is another one, so it gets another id.
    """
    lake.root.mkdir(parents=True, exist_ok=True)
    inode = lake.root.stat().st_ino
    stored = _read(lake)
    if stored is not None and stored["inode"] == inode:
        return str(stored["id"])
    made = {"id": "".join(secrets.choice(ALPHABET) for _ in range(LENGTH)), "inode": inode}
    if lake.installation_file.exists():  # of the folder that this is a copy of, or damaged
        files.replace_json(lake.installation_file, made)
    else:
        with suppress(FileExistsError):  # another process was first
            files.create_bytes(lake.installation_file, json.dumps(made).encode())
    return str((_read(lake) or made)["id"])


def _read(lake: Lake) -> dict[str, object] | None:
    """Return the stored id and the inode of its folder; nothing where they cannot be read."""
    try:
        content = json.loads(lake.installation_file.read_bytes())
        return {"id": str(content["id"]), "inode": int(content["inode"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
