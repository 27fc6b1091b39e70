"""Marks for what a test starts, so that those that start nothing can be run alone and quickly.

`process`, `server` and `browser` are given by hand, or by the fixtures that a test uses. An audit
hook of the interpreter sees what is started; a test that starts something unmarked fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

MARKS = ("process", "server", "browser")
BY_FIXTURE = {
    "prepared": "server",
    "make_world": "server",
    "make_tournament": "server",
    "receiver": "server",
    "server": "server",
    "zoo": "process",
    "research": "process",
    "season": "server",
    "practice": "server",
    "pair": "server",
    "_server": "server",
    "other": "server",
}
_EVENTS = {
    "subprocess.Popen": "process",
    "os.fork": "process",
    "os.posix_spawn": "process",
    "socket.bind": "server",
}
_started: set[str] = set()


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        is_server = event == "subprocess.Popen" and "numebot_dagster.practice" in str(arguments)
        _started.add("server" if is_server else _EVENTS[event])


def watch() -> None:
    """See from now on what this process starts."""
    sys.addaudithook(_note)


def mark(item: pytest.Item) -> None:
    """Mark a test for what its fixtures start."""
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in BY_FIXTURE:
            item.add_marker(BY_FIXTURE[fixture])


def forget() -> None:
    """Forget what was started before the set-up of a test."""
    _started.clear()


def require_marks(item: pytest.Item) -> Iterator[None]:
    """Fail a test that starts something, itself or by its fixtures, without any of the marks."""
    yield
    if _started and not any(item.get_closest_marker(mark) for mark in MARKS):
        pytest.fail(f"starts a {' and a '.join(sorted(_started))}: mark it so", pytrace=False)
