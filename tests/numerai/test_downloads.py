from __future__ import annotations

import fcntl
import hashlib
import io
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.numerai.downloads import fetch, remote_file
from numebot_dagster.numerai.errors import DownloadFailed, NumeraiUnavailable
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.transport import Transport


def parquet_bytes(seed: int) -> bytes:
    values = np.random.default_rng(seed).normal(size=20_000)
    target = io.BytesIO()
    pl.DataFrame({"id": [f"n{index}" for index in range(20_000)], "x": values}).write_parquet(
        target
    )
    return target.getvalue()


OLD, NEW = parquet_bytes(1), parquet_bytes(2)
NAME = "v5.3/live.parquet"


class Storage:
    """Objects behind signed URLs, with Range and entity tags, and with faults when told."""

    def __init__(self, server) -> None:
        self.content, self.etag = NEW, '"new"'
        self.ranges = True  # whether Range is understood
        self.cuts: list[int] = []  # after how many bytes each GET is cut
        self.after_head = None  # called once after a HEAD
        self.changes: dict = {}  # laid over each answer to a GET
        self.gets: list[dict] = []
        self.server = server
        server.answer = self.answer

    def answer(self, request):
        headers = {"ETag": self.etag} if self.etag else {}
        if request.method == "HEAD":
            reply = {"body": self.content, "headers": headers}
            if self.after_head is not None:
                self.after_head()
                self.after_head = None
            return reply
        self.gets.append(request.headers)
        reply = {"body": self.content, "headers": headers}
        asked = re.match(r"bytes=(\d+)-$", request.headers.get("range", ""))
        if asked and self.ranges and request.headers.get("if-range", self.etag) == self.etag:
            start, total = int(asked[1]), len(self.content)
            if start >= total:
                reply = {"status": 416, "headers": {"Content-Range": f"bytes */{total}"}}
            else:
                ranged = {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
                reply = {
                    "status": 206,
                    "body": self.content[start:],
                    "headers": headers | ranged,
                }
        if self.cuts:
            reply["cut_after"] = self.cuts.pop(0)
        return reply | self.changes


@pytest.fixture
def storage(server):
    return Storage(server)


@pytest.fixture
def get(storage, make_settings, tmp_path):
    """Download the object to `tmp_path/live.parquet`."""

    def run(name=NAME, progress=None, deadline=3.0):
        transport = Transport(make_settings(storage.server.url, numebot_retry_deadline=deadline))
        url = f"{storage.server.url}/file?signature=1"
        target = tmp_path / Path(name).name
        return fetch(transport, name, lambda: url, target, progress=progress)

    return run


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".part"))


def ranges(storage) -> list[str | None]:
    return [headers.get("range") for headers in storage.gets]


def test_a_file_arrives_whole(get, storage, tmp_path):
    seen = []
    download = get(progress=lambda done, total: seen.append((done, total)))
    assert download.path == tmp_path / "live.parquet"
    assert download.path.read_bytes() == NEW
    assert (download.size, download.sha256) == (len(NEW), hashlib.sha256(NEW).hexdigest())
    assert download.remote.etag == '"new"'
    assert seen[-1] == (len(NEW), len(NEW))
    assert seen == sorted(seen)
    assert parts(tmp_path) == []


def test_an_older_file_in_its_place_is_replaced_even_if_it_has_the_same_size(get, tmp_path):
    (tmp_path / "live.parquet").write_bytes(b"x" * len(NEW))
    assert get().path.read_bytes() == NEW


def test_a_cut_connection_is_resumed(get, storage):
    storage.cuts = [100_000, 5_000]
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == [None, "bytes=100000-", "bytes=105000-"]
    assert {headers.get("if-range") for headers in storage.gets[1:]} == {'"new"'}


def test_each_byte_renews_the_patience(get, storage):
    storage.cuts, storage.changes = [15_000] * 10, {"delay": 0.1}
    started = time.monotonic()
    assert get(deadline=0.8).path.read_bytes() == NEW
    assert time.monotonic() - started > 0.8


@pytest.mark.parametrize(
    ("changes", "cuts"), [({"drip": 0.05}, []), ({}, [1] * 10_000), ({"delay": 0.4}, [100] * 100)]
)
def test_next_to_nothing_renews_no_patience(get, storage, changes, cuts):
    """Twenty bytes a second, in one answer or in many that are cut."""
    storage.changes, storage.cuts = changes, cuts
    started = time.monotonic()
    with pytest.raises(NumeraiUnavailable):
        get(deadline=0.5)
    assert time.monotonic() - started < 4


def test_a_deadline_ends_even_a_lively_download(storage, make_settings, tmp_path):
    storage.cuts, storage.changes = [3000] * 1000, {"delay": 0.05}
    transport = Transport(make_settings(storage.server.url, numebot_retry_deadline=10.0))
    started = time.monotonic()
    with pytest.raises(NumeraiUnavailable, match="the live data may take 1 s"):
        fetch(
            transport.within(Deadline.after(1.0, "the live data")),
            NAME,
            lambda: f"{storage.server.url}/file",
            tmp_path / "live.parquet",
        )
    assert time.monotonic() - started < 3


def test_a_later_call_takes_up_what_a_killed_one_left(get, storage, tmp_path):
    storage.cuts = [50_000] + [0] * 50
    with pytest.raises(NumeraiUnavailable):
        get(deadline=0.3)
    assert len(parts(tmp_path)) == 1
    assert not (tmp_path / "live.parquet").exists()
    storage.cuts, storage.gets = [], []
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == ["bytes=50000-"]
    assert parts(tmp_path) == []


def test_a_part_that_was_whole_needs_no_request(get, storage, tmp_path):
    remote = remote_file(NAME, {"ETag": '"new"', "Content-Length": str(len(NEW))})
    (tmp_path / f".live.parquet.{remote.stamp}.part").write_bytes(NEW)
    assert get().path.read_bytes() == NEW
    assert storage.gets == []


def test_a_part_that_is_too_long_is_thrown_away(get, storage, tmp_path):
    remote = remote_file(NAME, {"ETag": '"new"', "Content-Length": str(len(NEW))})
    (tmp_path / f".live.parquet.{remote.stamp}.part").write_bytes(NEW + b"more")
    assert get().path.read_bytes() == NEW


def test_the_part_of_an_older_object_is_never_built_upon(get, storage, tmp_path):
    storage.content, storage.etag = OLD, '"old"'
    storage.cuts = [50_000] + [0] * 50
    with pytest.raises(NumeraiUnavailable):
        get(deadline=0.3)
    [stale] = parts(tmp_path)
    storage.content, storage.etag, storage.cuts, storage.gets = NEW, '"new"', [], []
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == [None]
    assert stale not in parts(tmp_path)


def test_an_object_that_changes_during_the_download_is_fetched_anew(get, storage):
    def change():
        storage.content, storage.etag = OLD, '"old"'

    storage.cuts = [50_000]
    original = storage.answer

    def answer(request):
        reply = original(request)
        if "cut_after" in reply:
            change()
        return reply

    storage.server.answer = answer
    download = get()
    assert download.path.read_bytes() == OLD
    assert download.remote.etag == '"old"'


def test_an_object_that_changes_after_it_was_identified(get, storage):
    def change():
        storage.content, storage.etag = OLD, '"old"'

    storage.after_head = change
    download = get()
    assert download.path.read_bytes() == OLD
    assert (download.remote.etag, download.size) == ('"old"', len(OLD))


def test_an_object_that_keeps_changing_is_given_up(get, storage, tmp_path):
    original, count = storage.answer, iter(range(100))

    def answer(request):
        storage.etag = f'"{next(count)}"'
        return original(request)

    storage.server.answer = answer
    with pytest.raises(DownloadFailed, match="changed 3 times"):
        get()
    assert not (tmp_path / "live.parquet").exists()


def test_a_part_never_holds_bytes_of_another_object(get, storage, tmp_path):
    """Two caches disagree about the object, and the connection is cut in between."""
    storage.cuts = [50_000, 40_000] + [0] * 50
    original = storage.answer

    def answer(request):
        if request.method == "GET" and len(storage.gets) == 1:
            storage.content, storage.etag = OLD, '"old"'
        else:
            storage.content, storage.etag = NEW, '"new"'
        return original(request)

    storage.server.answer = answer
    with pytest.raises(NumeraiUnavailable):
        get(deadline=0.3)
    for part in parts(tmp_path):
        kept = (tmp_path / part).read_bytes()
        assert kept == NEW[: len(kept)]
    storage.server.answer, storage.cuts = original, []
    assert get().path.read_bytes() == NEW


def test_a_server_that_ignores_range_is_read_from_the_start(get, storage):
    storage.ranges = False
    storage.cuts = [50_000]
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == [None, "bytes=50000-"]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_tag_nothing_is_resumed_or_kept(get, storage, tmp_path, etag):
    storage.etag = etag
    storage.cuts = [50_000]
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == [None, None]
    storage.cuts = [50_000] + [0] * 50
    with pytest.raises(NumeraiUnavailable):
        get(deadline=0.3)
    assert parts(tmp_path) == []


def test_another_range_than_asked_for_is_not_taken(get, storage):
    storage.cuts = [50_000]
    original = storage.answer
    wrong = {"status": 206, "body": NEW[10:], "headers": {"ETag": '"new"'}}
    wrong["headers"] |= {"Content-Range": f"bytes 10-{len(NEW) - 1}/{len(NEW)}"}

    def answer(request):
        reply = original(request)
        first_resume = reply.get("status") == 206 and len(storage.gets) == 2
        return wrong if first_resume else reply

    storage.server.answer = answer
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == [None, "bytes=50000-", None]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (NAME, NEW[:-1000], "live.parquet"),
        (NAME, b"<html>sorry</html>", "not a whole Parquet file"),
        (NAME, b"", "not a whole Parquet file"),
        ("v5.3/features.json", b'{"feature_sets": ', "features.json did not arrive whole"),
        ("v5.3/features.json", b"\xff\xfe", "features.json did not arrive whole"),
    ],
)
def test_what_is_no_whole_file_never_gets_the_name(get, storage, tmp_path, name, content, text):
    (tmp_path / Path(name).name).write_bytes(b"the one before")
    storage.content = content
    with pytest.raises(DownloadFailed, match=text):
        get(name)
    assert (tmp_path / Path(name).name).read_bytes() == b"the one before"
    assert parts(tmp_path) == []


def test_a_whole_json_file_arrives(get, storage):
    storage.content = b'{"feature_sets": {}, "targets": ["target"]}'
    assert get("v5.3/features.json").path.read_bytes() == storage.content


def test_a_refused_file_is_named_without_its_signature(get, storage):
    storage.changes = {"status": 404, "body": b"NoSuchKey"}
    with pytest.raises(DownloadFailed, match=r"live.parquet: .*NoSuchKey") as caught:
        get()
    assert "signature" not in str(caught.value)


PROCESS = """
import sys
from pathlib import Path
from numebot_dagster.numerai.downloads import fetch
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.settings import Settings
url, target = sys.argv[1:]
transport = Transport(Settings(_env_file=None, numerai_api_url=url))
print(fetch(transport, "v5.3/live.parquet", lambda: url + "/file", Path(target)).sha256)
"""


def test_two_processes_do_not_harm_each_other(storage, tmp_path):
    storage.changes = {"delay": 1.0}
    target = tmp_path / "live.parquet"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, storage.server.url, str(target)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in running]
    digest = hashlib.sha256(NEW).hexdigest()
    assert ended == [(f"{digest}\n", "", 0)] * 2
    assert target.read_bytes() == NEW
    assert parts(tmp_path) == []


def test_what_a_killed_process_left_is_taken_up(get, storage, tmp_path):
    storage.cuts = [100_000]
    target = tmp_path / "live.parquet"
    original = storage.answer

    def answer(request):
        reply = original(request)
        return reply | {"delay": 30.0} if "range" in request.headers else reply

    storage.server.answer = answer
    arguments = [sys.executable, "-c", PROCESS, storage.server.url, str(target)]
    with subprocess.Popen(arguments) as child:
        while len(storage.gets) < 2:
            assert child.poll() is None
            time.sleep(0.02)
        child.kill()
    assert not target.exists()
    [part] = parts(tmp_path)
    assert (tmp_path / part).read_bytes() == NEW[:100_000]
    storage.server.answer, storage.gets = original, []
    assert get().path.read_bytes() == NEW
    assert ranges(storage) == ["bytes=100000-"]
    assert parts(tmp_path) == []


def test_a_part_that_another_process_is_writing_is_left_alone(get, tmp_path):
    remote = remote_file(NAME, {"ETag": '"new"', "Content-Length": str(len(NEW))})
    theirs = tmp_path / f".live.parquet.{remote.stamp}.part"
    older = tmp_path / ".live.parquet.0123456789ab.part"
    with theirs.open("wb") as newer, older.open("wb") as other:
        for file in (newer, other):
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(b"half")
            file.flush()
        assert get().path.read_bytes() == NEW
        assert (theirs.read_bytes(), older.read_bytes()) == (b"half", b"half")
    assert parts(tmp_path) == sorted([theirs.name, older.name])
    get()
    assert parts(tmp_path) == []
