"""Stored tables: what their files hold and what only their paths say."""

from __future__ import annotations

import re

import polars as pl
import pytest

from numebot_dagster.lake import tables


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.name)
def test_what_a_file_lacks_stands_in_its_path(table):
    keys = set(re.findall(r"(\w+)=\*", table.files))
    assert set(table.path_only) <= keys & set(table.columns)


def test_a_schema_has_the_types_of_the_view_without_the_path():
    assert tables.LEADERBOARD.schema == pl.Schema(
        {"model": pl.String, "rank": pl.Int64, "nmr_staked": pl.Float64, "own": pl.Boolean}
    )
    assert tables.RECEIPTS.schema["submitted_at"] == pl.Datetime("us", "UTC")
    assert tables.SCORES.schema["date"] == pl.Date
