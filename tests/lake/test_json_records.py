"""JSON records: what is written is read back, and what is no such record is named."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from numebot_dagster.lake import json_records
from numebot_dagster.lake.damaged import DamagedFile
from numebot_dagster.lake.json_records import NumberOrNull


@dataclass(frozen=True)
class Kept(json_records.Record):
    text: str
    tries: int = 0


@dataclass(frozen=True)
class Note:
    text: str
    written_at: datetime
    figure: NumberOrNull = math.nan
    names: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


NOTE = Note(
    "é", datetime(2026, 11, 29, 12, tzinfo=UTC), names=("a",), parameters={"x": math.nan, "y": None}
)
STORED = """{
  "text": "é",
  "written_at": "2026-11-29T12:00:00+00:00",
  "figure": null,
  "names": [
    "a"
  ],
  "parameters": {
    "x": NaN,
    "y": null
  }
}
"""


def test_a_record_is_written_for_people_and_read_back(tmp_path):
    path = tmp_path / "deep" / "note.json"
    json_records.create(path, NOTE)
    assert path.read_text() == STORED
    read = json_records.read(path, Note)
    assert math.isnan(read.figure)
    assert math.isnan(read.parameters["x"])
    assert (read.text, read.written_at, read.names) == (NOTE.text, NOTE.written_at, NOTE.names)
    with pytest.raises(FileExistsError):
        json_records.create(path, Note("other", NOTE.written_at))
    json_records.write(path, Note("other", NOTE.written_at, 0.5))
    assert json_records.read(path, Note) == Note("other", NOTE.written_at, 0.5)


@pytest.mark.parametrize(
    ("added", "reported"),
    [
        ({}, None),
        ({"new": {"b": 1}}, "new"),
        ({"z": None, "a": [math.inf, "é"]}, "a, z"),
    ],
)
def test_fields_of_a_newer_version_are_kept(tmp_path, caplog, monkeypatch, added, reported):
    monkeypatch.setattr(json_records, "_reported", set())
    path = tmp_path / "kept.json"
    path.write_text(json.dumps({"text": "a", "tries": 1, **added}))
    for tries in (2, 3):  # in a file read and written again each time
        record = json_records.read(path, Kept)
        json_records.write(path, replace(record, tries=tries))
        assert json.loads(path.read_bytes()) == {"text": "a", "tries": tries, **added}
    texts = [message for message in caplog.messages if "does not know" in message]
    if reported is None:
        assert texts == []
    else:
        assert [f"does not know: {reported}. A newer" in text for text in texts] == [True]
        assert str(path) in texts[0]
    assert record == Kept("a", 2)
    assert "new" not in repr(record)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "Invalid JSON: EOF"),
        (b"{torn", "Invalid JSON"),
        (b"\xff\xfe{}", "Invalid JSON"),
        (b"[1]", "Input should be an object"),
        (b'{"text": "a"}', "written_at: Field required"),
        (b'{"text": 5, "written_at": "2026-11-29"}', "text: Input should be a valid string"),
        (b'{"text": "a", "written_at": "soon"}', "written_at: Input should be a valid datetime"),
        (b"[" * 100_000, "Invalid JSON"),
    ],
)
def test_what_is_no_record_is_named_and_set_aside(tmp_path, caplog, content, problem):
    path = tmp_path / "note.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=problem):
        json_records.read(path, Note)
    assert json_records.read_or_set_aside(path, Note) is None
    assert problem in caplog.text
    assert path.with_name("note.json.damaged").read_bytes() == content
    assert json_records.read_or_set_aside(path, Note) is None  # it is gone


def test_a_missing_file_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        json_records.read(tmp_path / "none.json", Note)
    assert json_records.read_or_set_aside(tmp_path / "none.json", Note) is None
