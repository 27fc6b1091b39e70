"""What the web server refuses to do by GET."""

from __future__ import annotations

import pytest

from numebot_dagster.web.server import _may_change_something


def nested(depth):
    """Return a mutation beside a query that is too deep for the parser."""
    return "mutation A { x } query B " + "{ a " * depth + "}" * depth


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ("{ version }", False),
        ("query A { version } fragment F on Query { version }", False),
        ("mutation A { x }", True),
        ("query B { version } mutation A { x }", True),
        ("subscription A { x }", True),
        ("no document", True),
        ("", True),
        (nested(50), True),
        (nested(5000), True),
    ],
)
def test_what_is_no_readable_query_may_change_something(document, refused):
    assert _may_change_something(document) is refused
