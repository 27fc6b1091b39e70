"""Download large files, whole or not at all.

A file grows under a hidden name beside its destination that carries a stamp of the remote object,
and takes its place by a rename only after its size and its content were checked.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from numebot_dagster.lake import files, parquet
from numebot_dagster.numerai.errors import (
    DownloadFailed,
    NotAuthorised,
    NumeraiUnavailable,
    QueryRefused,
)
from numebot_dagster.numerai.http.error_translation import PassingFault
from numebot_dagster.numerai.http.transport import chunks
from numebot_dagster.numerai.parsing import parse_http_time
from numebot_dagster.numerai.records import DownloadedFile, RemoteFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from numebot_dagster.numerai.http.deadline import Deadline
    from numebot_dagster.numerai.http.transport import Transport
    from numebot_dagster.numerai.progress import Progress

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")
_MOST_CHANGES = 3
# Bytes a second: less than this over the time of one call is as good as nothing.
_LEAST_PACE = 1000.0
Location = Callable[[], str]


def remote_file(name: str, headers: Mapping[str, str]) -> RemoteFile:
    """Return what the headers of a HEAD or GET say of an object."""
    ranged = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
    length = ranged.group(3) if ranged else headers.get("Content-Length", "")
    return RemoteFile(
        name=name,
        size=int(length) if length.isdigit() else None,
        etag=headers.get("ETag"),
        last_modified=parse_http_time(headers.get("Last-Modified")),
    )


def fetch(
    transport: Transport,
    name: str,
    locate: Location,
    destination: Path,
    *,
    progress: Progress | None = None,
) -> DownloadedFile:
    """Download one object to `destination`, which is replaced at once when all is well.

    An interrupted download is resumed, by this call or a later one, only if the server proves by
    a strong entity tag that the object is still the same. As long as a thousand bytes a second
    arrive, it goes on past the deadline of one call, but never past the transport's own. Several
    processes may download to the same destination at once.

    Args:
        transport: the way to the network.
        name: the object's name, for messages and for the kind of check.
        locate: gives a fresh URL, since signed ones are short-lived.
        destination: where the file shall be; its folder is made.
        progress: called with the bytes that are there and the bytes in all, if known.

    Raises:
        DownloadFailed: what arrived is not what the server announced, or not a whole file.
        NumeraiUnavailable: nothing, or next to nothing, arrived until the deadline.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_MOST_CHANGES):
        remote = remote_file(name, transport.headers(locate()))
        try:
            with _part_file(destination, remote) as part:
                _Download(transport, remote, locate, part, progress or _no_progress).run()
                return _finish(remote, part, destination)
        except _ObjectChanged:
            transport.log.info("%s has just changed at Numerai: fetching the new one", name)
    raise DownloadFailed(f"{name} changed {_MOST_CHANGES} times while it was fetched; try again")


def sweep_parts(root: Path) -> None:
    """Remove the parts under a folder that no process is writing, resumable ones included."""
    for part in root.rglob(".*.part"):
        _remove_if_free(part)


def _finish(remote: RemoteFile, part: IO[bytes], destination: Path) -> DownloadedFile:
    """Check a complete part and give it its name."""
    _check(remote, part)
    size, digest = os.fstat(part.fileno()).st_size, _sha256(part)
    os.fsync(part.fileno())
    Path(part.name).replace(destination)
    files.flush_folder(destination.parent)
    return DownloadedFile(destination, size, digest, remote)


class _ObjectChanged(Exception):
    """The server sends another object than the one that it described."""


class _Download:
    """One object on its way into one open part file."""

    def __init__(
        self,
        transport: Transport,
        remote: RemoteFile,
        locate: Location,
        part: IO[bytes],
        progress: Progress,
    ) -> None:
        self._transport, self._remote, self._locate = transport, remote, locate
        self._part, self._report = part, progress

    def run(self) -> None:
        """Try until the part is complete; what arrives fast enough renews the patience."""
        while True:
            before, started = self._have(), time.monotonic()
            try:
                return self._transport.persist(self._attempt)
            except NumeraiUnavailable:
                until = self._transport.until
                is_over = until is not None and until.has_passed
                if is_over or self._is_too_slow(before, started):
                    raise

    def _is_too_slow(self, before: int, started: float) -> bool:
        return self._have() - before < _LEAST_PACE * (time.monotonic() - started)

    def _have(self) -> int:
        self._part.flush()
        return os.fstat(self._part.fileno()).st_size

    def _attempt(self, _: Deadline) -> None:
        have = self._have()
        if have and have == self._remote.size and self._remote.strong_etag:
            return
        headers = {}
        if have and self._remote.strong_etag:
            headers = {"Range": f"bytes={have}-", "If-Range": self._remote.strong_etag}
        url = self._locate()
        try:
            with self._transport.stream(url, headers, deadline=self._transport.until) as answer:
                self._receive(answer, have)
        except (NotAuthorised, QueryRefused) as error:
            raise DownloadFailed(f"{self._remote.name}: {error}") from None
        if self._remote.size is not None and self._have() < self._remote.size:
            raise PassingFault(
                f"{self._remote.name} ended after {self._have()} of {self._remote.size} bytes"
            )

    def _receive(self, answer: requests.Response, have: int) -> None:
        if answer.status_code == 416:
            self._part.truncate(0)
            raise PassingFault(f"{self._remote.name}: the part that was kept cannot be continued")
        self._refuse_other_object(remote_file(self._remote.name, answer.headers))
        if not self._continues(answer, have):
            self._part.truncate(0)
        self._part.seek(0, os.SEEK_END)
        before, started = self._part.tell(), time.monotonic()
        for piece in chunks(answer):
            self._part.write(piece)
            self._report(self._part.tell(), self._remote.size)
            if time.monotonic() - started > self._transport.patience.deadline:
                if self._is_too_slow(before, started):
                    raise PassingFault(f"{self._remote.name} arrives too slowly")
                before, started = self._have(), time.monotonic()
        self._part.flush()

    def _refuse_other_object(self, sent: RemoteFile) -> None:
        """Refuse another object: a part may hold bytes of no other than the one in its name."""
        for actual, expected in ((sent.etag, self._remote.etag), (sent.size, self._remote.size)):
            if actual is not None and expected is not None and actual != expected:
                raise _ObjectChanged

    def _continues(self, answer: requests.Response, have: int) -> bool:
        """Return whether exactly what is missing is sent, and not the whole object again."""
        if answer.status_code != 206:
            return False
        ranged = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
        if ranged and int(ranged[1]) == have and int(ranged[2]) == int(ranged[3]) - 1:
            return True
        self._part.truncate(0)
        raise PassingFault(f"{self._remote.name}: the server sent another range than asked for")


@contextmanager
def _part_file(destination: Path, remote: RemoteFile) -> Iterator[IO[bytes]]:
    """Yield the locked part file of this object: a kept one, unless another process writes it.

    Parts that no process holds and that cannot be resumed are removed.
    """
    kept = destination.with_name(f".{destination.name}.{remote.stamp}.part")
    for stale in destination.parent.glob(f".{glob.escape(destination.name)}.*.part"):
        if stale != kept:
            _remove_if_free(stale)
    part = (_lock(kept) if remote.strong_etag else None) or _own_part(kept)
    with part:
        try:
            yield part
        finally:
            resumable = part.name == str(kept) and os.fstat(part.fileno()).st_size > 0
            if not resumable and _is_at(part, Path(part.name)):
                Path(part.name).unlink()


def _own_part(kept: Path) -> IO[bytes]:
    """Return a part that only this call knows, so that it is never resumed."""
    own = _lock(kept.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}.part"))
    if own is None:
        raise DownloadFailed(
            f"{kept.parent}: another process has locked a temporary file of this download"
        )
    return own


def _lock(path: Path) -> IO[bytes] | None:
    """Open and lock a part for writing; return None when another process has it."""
    while True:
        part = path.open("a+b")
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            part.close()
            return None
        if _is_at(part, path):
            return part
        part.close()  # between open and lock, another process renamed or removed it


def _is_at(part: IO[bytes], path: Path) -> bool:
    """Return whether an open file is still the one of that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(part.fileno()))
    except FileNotFoundError:
        return False


def _remove_if_free(path: Path) -> None:
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        path.unlink(missing_ok=True)


def _check(remote: RemoteFile, part: IO[bytes]) -> None:
    """Check the size, then the content by the kind of file; empty a part that fails."""
    size = os.fstat(part.fileno()).st_size
    try:
        if remote.size is not None and size != remote.size:
            raise DownloadFailed(f"{remote.name}: {size} bytes arrived, {remote.size} announced")
        if remote.name.endswith(".parquet"):
            parquet.verify(Path(part.name))
        elif remote.name.endswith(".json"):
            part.seek(0)
            json.load(part)
    except (DownloadFailed, parquet.DamagedFile, ValueError) as error:
        part.truncate(0)
        if isinstance(error, DownloadFailed):
            raise
        raise DownloadFailed(f"{remote.name} did not arrive whole: {error}") from error


def _sha256(part: IO[bytes]) -> str:
    part.seek(0)
    return hashlib.file_digest(part, "sha256").hexdigest()  # type: ignore[arg-type]


def _no_progress(done: int, total: int | None) -> None:
    """Report to nobody."""
