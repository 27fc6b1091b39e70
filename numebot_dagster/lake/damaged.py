"""Set aside files of ours that cannot be read: each costs what it holds and nothing else."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TypeVar

from numebot_dagster.lake import files

LOGGER = logging.getLogger("numebot")
SUFFIX = ".damaged"

T = TypeVar("T")


class DamagedFile(OSError):
    """A file is missing, cut off, or not what its name says."""


def read_or_set_aside(path: Path, read: Callable[[Path], T]) -> T | None:
    """Return what a file holds, or None where it is missing or cannot be understood.

    A file that cannot be understood is renamed, so that nothing reads it again, and named once in
    the log. A refusal of the operating system is no damage, nor is a file that is replaced while it
    is read: it is read again.

    Args:
        path: the file.
        read: how it is read; any exception of it is taken as damage.

    Raises:
        OSError: the system does not let this process read the file.
    """
    while True:
        try:
            version = files.version(path)
            return files.read_at_once(path, read)
        except FileNotFoundError:
            return None
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, DamagedFile):
                raise
            if _set_aside_unless_changed(path, version, error):
                return None


def _set_aside_unless_changed(path: Path, version: tuple[int, int, int], reason: object) -> bool:
    """Set a file aside that still has a version; return whether it is gone."""
    try:
        with files.unchanged(path, version) as is_same:
            if is_same:
                set_aside(path, reason)
            return is_same
    except FileNotFoundError:
        return True


def set_aside(path: Path, reason: object) -> Path | None:
    """Rename a damaged file beside itself and say so; None when another process was first."""
    for number in count(1):
        aside = path.with_name(f"{path.name}{SUFFIX}{'' if number == 1 else f'-{number}'}")
        if not aside.exists():
            break
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    first_line = str(reason).strip().partition("\n")[0]
    LOGGER.warning("%s cannot be read and was set aside as %s: %s", path, aside.name, first_line)
    return aside


def is_damaged_database(error: BaseException) -> bool:
    """Return whether SQLite, also through SQLAlchemy, may have met a damaged file.

    A lock, a full disk and a file that cannot be opened are operational errors: no damage.
    """
    original = getattr(error, "orig", None) or error
    return isinstance(original, sqlite3.DatabaseError) and not isinstance(
        original, sqlite3.OperationalError
    )


def set_databases_aside(folder: Path) -> list[Path]:
    """Set aside the damaged SQLite databases under a folder; return what they are called now.

    Each is read as a whole: for when a query has failed.
    """
    aside = []
    for path in sorted(folder.rglob("*.db")):
        problem = _problem_of_database(path)
        if problem is not None:
            for journal in (path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm")):
                journal.unlink(missing_ok=True)
            aside.append(set_aside(path, problem))
    return [path for path in aside if path is not None]


def _problem_of_database(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        return str(error) if is_damaged_database(error) else None
    return None if rows == [("ok",)] else str(rows[0][0])
