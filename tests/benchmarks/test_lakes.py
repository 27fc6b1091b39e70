"""The lakes that are measured have what real ones have, and are rolled up as they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from benchmarks import lakes
from benchmarks.lakes import History
from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.health import stored_files, upkeep

COUNTS = """
select (select count(*) from receipts) as receipts,
    (select count(*) from submissions) as submissions,
    (select count(distinct (model, round)) from predictions) as predictions,
    (select count(*) from scores) as scores, (select count(distinct day) from scores) as days,
    (select count(*) from alerts) as alerts, (select count(distinct date) from leaderboard) as dates
"""


def test_a_lake_is_filled_and_rolled_up(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    history = History(("a", "b"), 100, 175, date(2026, 6, 2))
    small = History(("a", "b"), 172, 175, date(2026, 6, 2))
    lakes.fill(lake, small)
    counts = catalog.query(lake, COUNTS)
    [row] = counts.rows(named=True)
    assert (row["receipts"], row["submissions"], row["predictions"], row["alerts"]) == (18, 6, 6, 9)
    assert row["scores"] == 2 * len(lakes.METRICS) * (1 + 2)  # days of three rounds of two models
    assert row["dates"] == (small.today - small.opened(172)).days
    assert history.settled.resolved == frozenset(range(100, 111))
    what = upkeep.Settled(frozenset(small.numbers), frozenset(small.numbers), small.today)
    assert upkeep.roll_up(lake, what).problems == []
    assert catalog.query(lake, COUNTS).equals(counts)
    assert stored_files.examine(lake).problems == ()
