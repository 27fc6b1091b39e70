"""Write files that nobody sees half done; nothing else opens the lake's files for writing.

Each file is written under a temporary name in its own folder, flushed to the disk and renamed, so
that a reader never meets half a file and a crash leaves only a temporary, which `sweep` removes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import pwd
import re
import secrets
import shlex
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# A process id means nothing on another host that shares the folder, so the host is in the name.
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(r"^\..+\.([0-9a-f]{8})\.(\d+)\.[0-9a-f]{8}\.tmp$")
_ABANDONED_AFTER = 24 * 3600  # seconds; for temporaries of other hosts

_FULL = "free some space, or set NUMERAI_DATA_FOLDER to another disk, and run again"
_REFUSED = "make it writable for this user, or set NUMERAI_DATA_FOLDER to another folder"
_LOCKLESS = "this disk cannot lock files: set NUMERAI_DATA_FOLDER to a folder on a disk that can"
_UNSUPPORTED = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDIES = {
    **dict.fromkeys((errno.ENOLCK, *_UNSUPPORTED), _LOCKLESS),
    **dict.fromkeys(FULL_DISK, _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR), _REFUSED),
}
# How disks say that they have no hard links (exFAT, some network mounts), or cannot sync or lock a
# folder.
_NO_LINKS = frozenset((errno.EPERM, errno.EMLINK, *_UNSUPPORTED))
_NO_FOLDER_SYNC = frozenset((errno.EINVAL, errno.EBADF, errno.EISDIR, *_UNSUPPORTED))
_NO_FOLDER_LOCK = _NO_FOLDER_SYNC | {errno.ENOLCK}
_TRIES = 10
# The texts of DuckDB, and of SQLite under Dagster and SQLAlchemy.
_DATABASES = {
    **{os.strerror(number): number for number in FULL_DISK},
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EACCES,
    "unable to open database file": errno.EACCES,
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how Rust's libraries end their texts


class CannotWrite(OSError):
    """The disk or its owner refuses a file here; the text says what to do."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Add to a refusal of the operating system what to do about it.

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
        remedy = _REMEDIES[number]
        if remedy == _REFUSED:
            remedy = _remedy_for_owner(path, os.geteuid()) or remedy
        text = f"{os.strerror(number)}: {remedy}"
        raise CannotWrite(number, text, str(path)) from error


def _system_error(error: Exception) -> int:
    """Return the number of the system's refusal that an error stands for, or 0."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    for words, number in _DATABASES.items():
        if words in text:
            return number
    match = _OS_ERROR.search(text)
    return int(match[1]) if match else 0


def _remedy_for_owner(path: Path, user: int) -> str | None:
    """Return the command that gives a folder back to its user, as after one `sudo`, if any."""
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    foreign = None
    for place in (existing, *existing.absolute().parents):
        if _owner(place) == user:
            break
        foreign = place
    else:
        return None  # not below anything of the user's
    if foreign is None:
        foreign = next((place for place in existing.rglob("*") if _owner(place) != user), None)
    if foreign is None:
        return None
    return (
        f"{foreign} belongs to another user ({_user_name(_owner(foreign))}), as after one sudo: "
        f"give it back with sudo chown -R {user} {shlex.quote(str(foreign))}"
    )


def _owner(path: Path) -> int:
    return path.lstat().st_uid


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file, or put a new content in the place of the old one, at once."""
    with writing(path) as temporary:
        temporary.write_bytes(content)


def replace_text(path: Path, content: str) -> None:
    """Write a text file as UTF-8, or put a new text in the place of the old one, at once."""
    replace_bytes(path, content.encode())


def create_bytes(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet: for what is append-only.

    Raises:
        FileExistsError: the file exists; it is left as it was.
    """
    with writing(path, overwrite=False) as temporary:
        temporary.write_bytes(content)


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends well.

    Raises:
        FileExistsError: `overwrite` is false and the file exists; it is left as it was.
    """
    with explained(path):
        temporary = _new_temporary(path)
        try:
            yield temporary
            _flush(temporary)
            if overwrite:
                with _turn(path.parent):
                    temporary.replace(path)
            else:
                _take_name(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        flush_folder(path.parent)


@contextmanager
def folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `path` as a whole when the block ends well.

    Raises:
        FileExistsError: `overwrite` is false and the folder exists; it is left as it was.
    """
    with explained(path):
        _make_folder(path.parent)
        temporary = _temporary_name(path)
        temporary.mkdir()
        try:
            yield temporary
            for parent, _, names in os.walk(temporary):
                for name in names:
                    _flush(Path(parent, name))
                flush_folder(Path(parent))
            if overwrite and path.exists():
                _replace_folder(temporary, path)
            else:
                _rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        flush_folder(path.parent)


def sweep(root: Path) -> list[Path]:
    """Remove the temporaries that dead processes left under a folder; return what was removed."""
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
    """Remove a file or a whole folder; one that is gone already is no error."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_unless_changed(path: Path, expected: tuple[int, int, int]) -> bool:
    """Remove a file that still has a version; return whether it had it.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with unchanged(path, expected) as is_expected:
        if is_expected:
            path.unlink()
    return is_expected


@contextmanager
def unchanged(path: Path, expected: tuple[int, int, int]) -> Iterator[bool]:
    """Yield whether a file still has a version; nobody replaces it before the block ends.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with _turn(path.parent):
        yield version(path) == expected


def version(path: Path) -> tuple[int, int, int]:
    """Return what changes when the file is replaced or rewritten, for the key of a cache."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_at_once(path: Path, read: Callable[[Path], T]) -> T:
    """Return what is read of a file that is opened more than once; again if it was replaced.

    Raises:
        FileNotFoundError: there is no such file.
    """
    while True:
        before = version(path)
        try:
            answer = read(path)
        except Exception:
            if version(path) == before:
                raise
            continue
        with suppress(FileNotFoundError):  # what was removed since was whole
            if version(path) != before:
                continue
        return answer


@dataclass(frozen=True)
class DiskAbilities:
    """What the disk of a folder can do; `links` or `locks` is what creating receipts needs.

    Attributes:
        links: hard links, by which a file is created exclusively.
        locks: locks, which stand in for missing links, and by which processes take turns.
        folder_sync: waiting until the names in a folder are on the disk.
    """

    links: bool
    locks: bool
    folder_sync: bool


def probe(path: Path) -> DiskAbilities:
    """Try what the disk of a folder can do, in a folder of its own that is removed again.

    Raises:
        CannotWrite: it accepts no file at all.
    """
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
        place = _temporary_name(path / "probe")
        place.mkdir()
        try:
            file = place / "file"
            file.write_bytes(b"written to see what this disk can do\n")
            return DiskAbilities(
                links=_can(lambda: os.link(file, place / "link"), _NO_LINKS),
                locks=_can(lambda: _lock_once(place), frozenset((errno.ENOLCK, *_UNSUPPORTED))),
                folder_sync=flush_folder(place),
            )
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _can(action: Callable[[], None], refusals: frozenset[int]) -> bool:
    try:
        action()
    except OSError as error:
        if error.errno not in refusals:
            raise
        return False
    return True


def _lock_once(folder_path: Path) -> None:
    with _opened(folder_path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk that holds a path, or will hold it once it is made."""
    return shutil.disk_usage(existing_parent(path)).free


def existing_parent(path: Path) -> Path:
    """Return a path, or the nearest folder above it, that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _temporary_name(path: Path) -> Path:
    name = f".{path.name}.{_HOST}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    return path.with_name(name)


def _new_temporary(path: Path) -> Path:
    """Make an empty file to write to, which keeps its folder from being removed as an empty one."""
    temporary = _temporary_name(path)
    for left in reversed(range(_TRIES)):
        try:
            _make_folder(path.parent)
            temporary.touch(exist_ok=False)
            break
        except FileNotFoundError:  # a roll-up emptied the folder, and removed it
            if not left:
                raise
    return temporary


def _make_folder(path: Path) -> None:
    """Make a folder with those above it, and wait until their names are on the disk."""
    if path.is_dir():
        return
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for place in missing:
        flush_folder(place.parent)


def flush_folder(path: Path) -> bool:
    """Wait until the list of names of a folder is on the disk, if the disk can be asked for that.

    Returns:
        Whether it can.
    """
    try:
        _flush(path)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
        return False
    return True


def _flush(path: Path) -> None:
    with _opened(path) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _turn(folder_path: Path) -> Iterator[None]:
    """Let the replacements and removals in a folder take turns, on a disk that can lock it.

    A killed process leaves no lock behind.
    """
    with _opened(folder_path) as descriptor:
        is_locked = _can(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX), _NO_FOLDER_LOCK)
        try:
            yield
        finally:
            if is_locked:  # closing is not enough: a process that was forked meanwhile has a copy
                fcntl.flock(descriptor, fcntl.LOCK_UN)


def _take_name(temporary: Path, path: Path) -> None:
    """Give a file a name that must be free, in one step as others see it."""
    try:
        # A hard link, unlike a rename, refuses an existing name, in one indivisible step.
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_under_lock(temporary, path)


def _rename_under_lock(temporary: Path, path: Path) -> None:
    """Create by turns, on a disk without hard links; a killed process leaves no lock behind."""
    with _opened(path.parent) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        temporary.rename(path)


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
