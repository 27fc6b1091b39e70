"""Read a practice tournament's own state past its server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def read_state(folder: Path, query: str, *values: Any) -> list[sqlite3.Row]:
    """Return the rows that a query finds in the state of a tournament's folder."""
    uri = f"file:{folder / 'state.sqlite'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, values).fetchall()
