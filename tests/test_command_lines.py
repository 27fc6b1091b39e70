"""Tests of `command_lines.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from numebot_dagster import command_lines as lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (lines.run(), "numebot run"),
        (lines.run(1310, ["a"]), "numebot run --round 1310 --models a"),
        (
            lines.run(1310, ["a", "b c"], late=True),
            "numebot run --round 1310 --models 'a,b c' --late",
        ),
        (lines.run(1310, list("abcdef"), force=True), "numebot run --round 1310 --force"),
        (lines.train(), "numebot train"),
        (lines.train("a", "b"), "numebot train --models a,b"),
        (lines.try_model("a"), "numebot models try a"),
        (lines.diagnose("a", 1308), "numebot models diagnose a --vintage 1308"),
        (lines.up(Path("/my demo")), "numebot up --folder '/my demo'"),
        (lines.practice("serve"), "numebot practice serve"),
        (lines.practice("state", folder=Path("a b")), "numebot practice state --folder 'a b'"),
    ],
)
def test_a_command_can_be_typed_as_it_is_printed(line: str, expected: str) -> None:
    assert line == expected
