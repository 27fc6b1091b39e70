from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from numebot_dagster.lake import catalog, parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State

NOON = datetime(2026, 8, 28, 12, 0, 5, 250, tzinfo=UTC)
FULL = Receipt(
    model="a-b c/ü",
    round_number=1343,
    filename="predictions-x.csv",
    submission_id="id-1",
    outcome=Outcome.ON_TIME,
    state=State.CONFIRMED,
    rung=Rung.PREVIOUS,
    vintage=1340,
    predictions_sha256="ab" * 32,
    rows=6000,
    predict_seconds=12.5,
    rung_reason="live: it raised",
    submitted_at=NOON,
    accepted_at=NOON.replace(minute=1),
    confirmed_at=NOON.replace(minute=2),
    reason="because",
)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


@pytest.mark.parametrize("receipt", [FULL, Receipt("m", 1)])
def test_a_receipt_comes_back_as_it_was_written(lake, receipt):
    written = receipts.append(lake, receipt)
    assert receipts.history(lake, receipt.model, receipt.round_number) == [written]
    assert receipts.latest(lake, receipt.round_number) == {receipt.model: written}
    assert abs((written.recorded_at - datetime.now(UTC)).total_seconds()) < 5


def test_receipts_of_an_earlier_version_are_read_as_well(lake):
    """They lack the columns that were added since; so does their view, until a new one is there."""
    added = ["predict_seconds", "rung_reason"]
    receipts.append(lake, FULL)
    [path] = lake.receipts_folder(FULL.model, FULL.round_number).iterdir()
    parquet.write(path, parquet.read(path).drop(added))
    [old] = receipts.history(lake, FULL.model, FULL.round_number)
    assert replace(old, recorded_at=None) == replace(FULL, predict_seconds=None, rung_reason=None)
    query = "SELECT rows, predict_seconds, rung_reason FROM receipts ORDER BY recorded_at"
    assert catalog.query(lake, query).rows() == [(6000, None, None)]
    receipts.append(lake, FULL)
    assert catalog.query(lake, query).rows() == [
        (6000, None, None),
        (6000, 12.5, "live: it raised"),
    ]


def test_every_event_is_kept_and_the_newest_counts(lake):
    states = [State.PENDING, State.ACCEPTED, State.CONFIRMED]
    for state in states:
        receipts.append(lake, Receipt("m", 7, state=state))
    receipts.append(lake, Receipt("other", 7))
    receipts.append(lake, Receipt("m", 8))
    history = receipts.history(lake, "m", 7)
    assert [one.state for one in history] == states
    assert receipts.latest(lake, 7) == {
        "m": history[-1],
        "other": receipts.history(lake, "other", 7)[0],
    }
    assert receipts.history(lake, "nobody", 7) == []
    assert receipts.latest(lake, 9) == {}


def test_a_clock_that_is_set_back_does_not_change_the_order(lake, monkeypatch):
    receipts.append(lake, Receipt("m", 7, reason="first"))
    monkeypatch.setattr("time.time_ns", lambda: 10**18)  # the year 2001
    receipts.append(lake, Receipt("m", 7, reason="second"))
    assert [one.reason for one in receipts.history(lake, "m", 7)] == ["first", "second"]


def test_writers_that_meet_on_one_moment_lose_nothing(lake, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000 * 10**9)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: receipts.append(lake, Receipt("m", 7, rows=n)), range(24)))
    history = receipts.history(lake, "m", 7)
    assert sorted(one.rows for one in history) == list(range(24))
    assert len({one.recorded_at for one in history}) == 24


def test_the_catalog_shows_the_newest_receipt(lake):
    receipts.append(lake, Receipt(FULL.model, 1343, vintage=1340))
    receipts.append(lake, FULL)
    with catalog.connect(lake) as connection:
        rows = connection.execute(
            "select model, round, state, outcome, rung, vintage, rows, confirmed_at "
            "from submissions"
        ).fetchall()
        events = connection.execute("select count(*) from receipts").fetchone()
    assert events == (2,)
    [(*values, confirmed_at)] = rows
    assert values == ["a-b c/ü", 1343, "confirmed", "on_time", "previous", 1340, 6000]
    assert confirmed_at == FULL.confirmed_at


P, A, C, INVALID = State.PENDING, State.ACCEPTED, State.CONFIRMED, State.INVALID


@pytest.mark.parametrize(
    ("states", "which"),
    [
        ([], None),
        ([P], 0),
        ([P, P], 1),
        ([P, A], 1),
        ([P, A, C], 2),
        ([P, A, C, P], 2),  # a forced attempt says nothing of what Numerai holds
        ([P, A, C, P, P], 2),
        ([P, A, P], 1),
        ([P, A, C, P, A], 4),
        ([P, A, INVALID], 2),
        ([P, A, INVALID, P], 3),  # nothing stands that it could hide
        ([P, A, INVALID, P, A], 4),
    ],
)
def test_the_receipt_that_stands(tmp_path, states, which):
    lake = Lake(tmp_path)
    stored = [receipts.append(lake, Receipt("m", 1343, state=one)) for one in states]
    expected = None if which is None else stored[which]
    assert receipts.standing(receipts.history(lake, "m", 1343)) == expected
    assert receipts.latest(lake, 1343).get("m") == expected
    shown = catalog.query(lake, "SELECT recorded_at FROM submissions")["recorded_at"].to_list()
    assert shown == ([] if expected is None else [expected.recorded_at])
