"""Files that all data folders of a user share."""

from __future__ import annotations

import pytest

from numebot_dagster.lake import shared_files


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of the user's cache, which need not exist."""
    folder = tmp_path / "cache" / "numebot"
    monkeypatch.setattr(shared_files.platformdirs, "user_cache_path", lambda name: folder)
    return folder


def refuse():
    raise AssertionError("it is there already")


def test_a_file_is_made_once(cache):
    assert shared_files.made_once("charts-1.js", lambda: b"one") == b"one"
    assert shared_files.made_once("charts-1.js", refuse) == b"one"
    assert shared_files.made_once("charts-2.js", lambda: b"two") == b"two"
    assert [path.name for path in sorted(cache.iterdir())] == ["charts-1.js", "charts-2.js"]


def test_a_cache_that_cannot_be_had_costs_nothing(cache):
    cache.parent.mkdir()
    cache.write_text("a file where the folder would be")
    for content in (b"one", b"two"):
        assert shared_files.made_once("charts-1.js", lambda made=content: made) == content


def test_nothing_is_kept_for_a_user_without_a_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = type(tmp_path)("~/.cache/numebot")
    monkeypatch.setattr(shared_files.platformdirs, "user_cache_path", lambda name: relative)
    assert shared_files.made_once("charts-1.js", lambda: b"one") == b"one"
    assert list(tmp_path.iterdir()) == []
