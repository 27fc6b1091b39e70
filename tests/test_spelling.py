"""Which name may be meant by one that does not exist."""

from __future__ import annotations

import pytest

from numebot_dagster.spelling import meant

NAMES = ["example_model", "lightgbm_model", "m3", "m4"]


@pytest.mark.parametrize(
    ("name", "names", "text"),
    [
        ("lightgbm_modle", NAMES, "did you mean lightgbm_model? `list` lists all 4"),
        ("Lightgbm_Model", NAMES[1:3], "did you mean lightgbm_model?"),
        ("mod5", ["mod3", "mod4"], "did you mean mod4 or mod3?"),
        ("else", NAMES, "`list` lists all 4"),
        ("else", NAMES[2:], "the names are m3 and m4"),
        ("else", ["a", "b", "c"], "the names are a, b and c"),
        ("else", [], "there is none"),
    ],
)
def test_the_closest_names_are_named(name, names, text):
    assert meant(name, names, "list") == text
