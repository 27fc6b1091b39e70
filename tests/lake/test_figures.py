"""Stored pictures."""

from __future__ import annotations

from numebot_dagster.lake import figures
from numebot_dagster.lake.figures import Figure
from numebot_dagster.lake.layout import Lake


def test_a_redrawn_picture_is_another_version(tmp_path):
    lake = Lake(tmp_path)
    first = figures.store(lake, "corr.svg", b"first", "CORR")
    second = figures.store(lake, "corr.svg", b"second", "CORR")
    assert second == Figure("corr.svg", "board/figures/corr.svg", "CORR", second.version)
    assert (tmp_path / second.path).read_bytes() == b"second"
    assert first.version != second.version
    assert figures.store(lake, "corr.svg", b"first", "CORR") == first


def test_a_picture_replaces_the_former_one_of_another_kind(tmp_path):
    lake = Lake(tmp_path)
    for name in ("corr.svg", "corr_by_day.svg", "corr.png"):
        figures.store(lake, name, b"", "")
    assert {file.name for file in lake.figure("corr.png").parent.iterdir()} == {
        "corr.png",
        "corr_by_day.svg",
    }
