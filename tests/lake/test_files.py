"""Files appear whole or not at all, and what a dead process left is swept away."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from numebot_dagster.lake import files, locks


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replacing_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    files.replace_bytes(path, b"first")
    files.replace_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["a.bin"]


def test_text_is_replaced_as_utf_8(tmp_path: Path) -> None:
    files.replace_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()


def test_creating_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "receipt"
    files.create_bytes(path, b"first")
    with pytest.raises(FileExistsError):
        files.create_bytes(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["receipt"]


def test_of_many_creators_one_wins(tmp_path: Path) -> None:
    def create(number: int) -> bool:
        try:
            files.create_bytes(tmp_path / "receipt", str(number).encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(40)))
    assert won.count(True) == 1
    assert (tmp_path / "receipt").read_text() == str(won.index(True))


NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Make the disk refuse hard links and the syncing of folders, by numbers of errors."""
    fsync = os.fsync

    def refuse(number: int) -> None:
        raise OSError(number, os.strerror(number))

    def become(link: int, sync: int) -> None:
        monkeypatch.setattr(os, "link", lambda *_: refuse(link))
        monkeypatch.setattr(
            os,
            "fsync",
            lambda at: refuse(sync) if stat.S_ISDIR(os.fstat(at).st_mode) else fsync(at),
        )

    return become


@pytest.mark.parametrize(
    ("link", "sync"), [*((code, errno.EINVAL) for code in NO_LINKS), (errno.EPERM, errno.ENOSYS)]
)
def test_disks_without_hard_links_and_folder_sync(
    tmp_path: Path, disk: Callable[[int, int], None], link: int, sync: int
) -> None:
    assert files.probe(tmp_path) == files.DiskAbilities(links=True, locks=True, folder_sync=True)
    disk(link, sync)
    assert files.probe(tmp_path) == files.DiskAbilities(links=False, locks=True, folder_sync=False)
    assert names(tmp_path) == []
    test_creating_never_overwrites(tmp_path)
    (tmp_path / "receipt").unlink()
    test_of_many_creators_one_wins(tmp_path)
    test_a_folder_appears_as_a_whole(tmp_path)


def test_what_a_disk_refuses_otherwise_is_said(
    tmp_path: Path, disk: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(errno.EIO, errno.EINVAL)
    with pytest.raises(OSError, match="Input/output error"):
        files.create_bytes(tmp_path / "a", b"")
    disk(errno.EPERM, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        files.replace_bytes(tmp_path / "b", b"")

    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    disk(errno.EPERM, errno.EINVAL)
    assert files.probe(tmp_path) == files.DiskAbilities(False, False, False)
    remedy = "this disk cannot lock files: set NUMERAI_DATA_FOLDER to a folder on a disk that can"
    with pytest.raises(files.CannotWrite, match=remedy):
        files.create_bytes(tmp_path / "c", b"")
    with pytest.raises(files.CannotWrite, match=remedy), locks.exclusive(tmp_path / "lock"):
        pass
    assert "c" not in names(tmp_path)


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def write() -> None:
        with files.writing(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_folder_appears_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "code=1"
    with files.folder(path) as temporary:
        (temporary / "model").mkdir()
        (temporary / "model" / "a.txt").write_text("a")
        assert not path.exists()
    assert (path / "model" / "a.txt").read_text() == "a"
    assert names(path.parent) == ["code=1"]


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with files.folder(path) as temporary:
        (temporary / "old").touch()
    with pytest.raises(FileExistsError, match="never overwritten"), files.folder(path) as temporary:
        (temporary / "new").touch()
    assert names(path) == ["old"]
    with files.folder(path, overwrite=True) as temporary:
        (temporary / "new").touch()
    assert names(path) == ["new"]
    assert names(tmp_path) == ["folder"]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with files.folder(tmp_path / "folder") as temporary:
            (temporary / "half").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill()
    assert names(tmp_path) == []


KILLED_WRITER = """
import sys, time
from pathlib import Path
from numebot_dagster.lake import files
from numebot_dagster.lake import locks
root = Path(sys.argv[1])
with files.writing(root / "a.parquet") as one, files.folder(root / "deep" / "code=1") as two:
    one.write_text("half")
    (two / "half").touch()
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.process
def test_sweeping_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    assert files.sweep(tmp_path) == []  # it is alive
    assert len(names(tmp_path)) == 2
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert len(files.sweep(tmp_path)) == 2
    assert names(tmp_path) == ["deep"]
    assert names(tmp_path / "deep") == []


def test_sweeping_leaves_own_temporaries_and_other_files(tmp_path: Path) -> None:
    (tmp_path / ".hidden.tmp").touch()
    (tmp_path / "a.tmp").touch()
    with files.writing(tmp_path / "a") as temporary:
        temporary.touch()
        assert files.sweep(tmp_path) == []
    assert names(tmp_path) == [".hidden.tmp", "a", "a.tmp"]


def test_sweeping_spares_other_hosts_for_a_day(tmp_path: Path) -> None:
    foreign = tmp_path / ".a.00000000.999999999.01234567.tmp"
    foreign.touch()
    assert files.sweep(tmp_path) == []
    yesterday = time.time() - 25 * 3600
    os.utime(foreign, (yesterday, yesterday))
    assert files.sweep(tmp_path) == [foreign]
    assert names(tmp_path) == []


def test_a_reused_process_number_does_not_protect_a_temporary(tmp_path: Path) -> None:
    with files.writing(tmp_path / "a") as temporary:
        temporary.touch()
        before_this_process = time.time() - 10 * 24 * 3600
        os.utime(temporary, (before_this_process, before_this_process))
        assert files.sweep(tmp_path) == [temporary]
        temporary.write_text("again")
    assert (tmp_path / "a").read_text() == "again"


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert files.free_bytes(tmp_path / "not" / "there") > 0


def test_a_file_that_was_written_again_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    version = files.version(path)
    files.replace_bytes(path, b"newer")
    assert not files.remove_unless_changed(path, version)
    assert files.remove_unless_changed(path, files.version(path))
    assert names(tmp_path) == []


def test_nobody_replaces_a_file_between_the_look_at_it_and_its_removal(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    writer = threading.Thread(target=files.replace_bytes, args=(path, b"newer"))
    with files.unchanged(path, files.version(path)) as is_same:
        writer.start()
        writer.join(0.05)
        assert is_same
        assert path.read_bytes() == b"old"
        path.unlink()
    writer.join()
    assert path.read_bytes() == b"newer"


def test_a_process_that_was_forked_meanwhile_keeps_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, open_file = [], os.open

    def copied(*arguments: Any) -> int:
        descriptor = open_file(*arguments)
        copies.append(os.dup(descriptor))  # as a fork does
        return descriptor

    monkeypatch.setattr(os, "open", copied)
    files.replace_bytes(tmp_path / "file", b"first")
    second = threading.Thread(
        target=files.replace_bytes, args=(tmp_path / "file", b"second"), daemon=True
    )
    second.start()
    second.join(10)
    assert (tmp_path / "file").read_bytes() == b"second"
    for descriptor in copies:
        os.close(descriptor)


def test_a_disk_that_cannot_lock_a_folder_loses_only_the_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", refused)
    files.replace_bytes(tmp_path / "file", b"")
    assert files.remove_unless_changed(tmp_path / "file", files.version(tmp_path / "file"))


@pytest.mark.parametrize("removals", [1, 99])
def test_a_folder_that_is_removed_as_an_empty_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removals: int
) -> None:
    touch, left = Path.touch, removals

    def removed_before(self: Path, **more: bool) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            self.parent.rmdir()
        touch(self, **more)

    monkeypatch.setattr(Path, "touch", removed_before)
    path = tmp_path / "date=2026-09-03" / "scores.parquet"
    expected = contextlib.nullcontext() if removals == 1 else pytest.raises(FileNotFoundError)
    with expected:
        files.replace_bytes(path, b"rows")
    assert path.exists() is (removals == 1)


def test_the_names_of_new_folders_are_on_the_disk_before_the_file_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    monkeypatch.setattr(files, "_flush", flushed.append)
    files.replace_bytes(tmp_path / "a" / "b" / "file", b"")
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= {*flushed}
