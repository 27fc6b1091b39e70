"""The table of bad input names tests that exist, and names every kind that was promised."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "docs" / "bad-input.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+)::(\w+)`", TABLE)))

PROMISED = """
credentials missing, credentials wrong, scope; endpoint down, slow, cutting, HTML, 401, 429, 500,
wrong JSON, GraphQL errors; clock skew; opens late, closes early, cancelled; late, truncated, stale,
unknown, missing feature, wrong type, NaN, duplicate ids; new data version; constant, short, out of
range, shuffled; registry broken; disk full; read-only folder; weights truncated, another library
version; prints, forks, exits, recurses, exceeds its memory, never returns
"""


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_named_test_exists(path, name):
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_names_a_test():
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row] == []


@pytest.mark.parametrize("kind", re.split(r"[;,]\s*", " ".join(PROMISED.split())))
def test_each_promised_kind_is_in_the_table(kind):
    first_cells = " ".join(
        line.split("|")[1] for line in TABLE.splitlines() if line.startswith("| ")
    )
    assert kind in first_cells
