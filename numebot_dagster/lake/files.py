"""Writing that cannot be seen half done: the only place that opens the lake's files for writing.

Each file is written under a temporary name in its own folder, flushed to the disk and renamed, so
that a reader never meets half a file and a crash leaves only a temporary, which `sweep` removes.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# A process id means nothing on another host that shares the folder, so the host is in the name.
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(r"^\..+\.([0-9a-f]{8})\.(\d+)\.[0-9a-f]{8}\.tmp$")
_ABANDONED_AFTER = 24 * 3600  # seconds; for temporaries of other hosts

_FULL = "free some space, or set NUMERAI_DATA_FOLDER to another disk, and run again"
_REFUSED = "make it writable for this user, or set NUMERAI_DATA_FOLDER to another folder"
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR), _REFUSED),
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how Rust's libraries end their texts


class CannotWrite(OSError):
    """The disk or its owner takes no file here; the text says what to do."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Adds to a refusal of the operating system what to do about it.

    Raises:
        CannotWrite: the disk is full, or the folder is read-only or somebody else's.
    """
    try:
        yield
    except CannotWrite:
        raise
    except Exception as error:  # polars has errors of its own for what the system refuses
        number = _system_error(error)
        if number not in _REMEDIES:
            raise
        text = f"{os.strerror(number)}: {_REMEDIES[number]}"
        raise CannotWrite(number, text, str(path)) from error


def _system_error(error: Exception) -> int:
    """The number of the system's refusal that an error stands for, or 0."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    told = _OS_ERROR.search(str(error))
    return int(told[1]) if told else 0


def replace_bytes(path: Path, content: bytes) -> None:
    """Writes a file, or puts a new content in the place of the old one, at once."""
    with writing(path) as temporary:
        temporary.write_bytes(content)


def replace_text(path: Path, content: str) -> None:
    """Writes a text file as UTF-8, or puts a new text in the place of the old one, at once."""
    replace_bytes(path, content.encode())


def replace_json(path: Path, content: Any) -> None:
    """Writes a JSON file for people to read, or puts a new content in its place, at once."""
    replace_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def create_bytes(path: Path, content: bytes) -> None:
    """Writes a file that must not exist yet: for what is append-only.

    Raises:
        FileExistsError: the file exists; it is left as it was.
    """
    with writing(path, overwrite=False) as temporary:
        temporary.write_bytes(content)


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yields a temporary path to write to; it becomes `path` when the block ends well.

    Args:
        path: the final name; its folder is made when missing.
        overwrite: whether an existing file may be replaced.

    Raises:
        FileExistsError: `overwrite` is false and the file exists; it is left as it was.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_name(path)
        try:
            yield temporary
            _flush(temporary)
            if overwrite:
                temporary.replace(path)
            else:
                # A hard link, unlike a rename, refuses an existing name, in one indivisible step.
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush(path.parent)


@contextmanager
def folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a temporary folder to fill; it becomes `path` as a whole when the block ends well.

    Args:
        path: the final name.
        overwrite: whether an existing folder may be replaced.

    Raises:
        FileExistsError: `overwrite` is false and the folder exists; it is left as it was.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_name(path)
        temporary.mkdir()
        try:
            yield temporary
            for parent, _, names in os.walk(temporary):
                for name in names:
                    _flush(Path(parent, name))
                _flush(Path(parent))
            if overwrite and path.exists():
                _replace_folder(temporary, path)
            else:
                _rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _flush(path.parent)


def sweep(root: Path) -> list[Path]:
    """Removes the temporaries that dead processes left under a folder; returns what was removed."""
    abandoned = [
        path
        for parent, folders, names in os.walk(root)
        for path in (Path(parent, name) for name in (*folders, *names))
        if (match := _TEMPORARY.match(path.name))
        and not _is_in_use(path, host=match[1], process_id=int(match[2]))
    ]
    for path in abandoned:
        remove(path)
    return abandoned


def remove(path: Path) -> None:
    """Removes a file or a whole folder; one that is gone already is no error."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def version(path: Path) -> tuple[int, int, int]:
    """Changes when the file is replaced or rewritten: for the key of what is kept of it in memory.

    Raises:
        FileNotFoundError: there is no such file.
    """
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def free_bytes(path: Path) -> int:
    """The free bytes on the disk that holds a path, or will hold it once it is made."""
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def _temporary_name(path: Path) -> Path:
    name = f".{path.name}.{_HOST}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    return path.with_name(name)


def _flush(path: Path) -> None:
    """Waits until a file, or the list of names of a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_folder(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if not target.exists():
            raise
        raise FileExistsError(f"{target} exists already and is never overwritten") from error


def _replace_folder(source: Path, target: Path) -> None:
    # A folder cannot be renamed over a full one. Between the two renames the name is missing,
    # which a reader takes for "not there yet", never for half a folder.
    aside = _temporary_name(target)
    target.rename(aside)
    source.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def _is_in_use(temporary: Path, host: str, process_id: int) -> bool:
    import psutil

    try:
        modified = temporary.stat().st_mtime
    except FileNotFoundError:
        return True  # finished or removed meanwhile: nothing to sweep
    if host != _HOST:
        return time.time() - modified < _ABANDONED_AFTER
    with suppress(psutil.NoSuchProcess):
        # A process that began after the last write is another one that got the same number.
        return psutil.Process(process_id).create_time() <= modified + 1
    return False
