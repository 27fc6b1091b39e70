from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from numebot_dagster.lake import catalog, parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord, Rung, State

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
    predicted_at=NOON,
    peak_memory_mb=512.0,
    gates='[{"name": "canary"}]',
)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


@pytest.mark.parametrize("receipt", [FULL, Receipt("m", 1)])
def test_a_receipt_comes_back_as_it_was_written(lake, receipt):
    written = receipts.append(lake, receipt)
    assert RoundRecord(lake, receipt.model, receipt.round_number).history == [written]
    assert receipts.latest(lake, receipt.round_number) == {receipt.model: written}
    assert abs((written.recorded_at - datetime.now(UTC)).total_seconds()) < 5


def test_receipts_of_an_earlier_version_are_read_as_well(lake):
    """They lack the columns that were added since; so does their view, until a new one is there."""
    added = ["predict_seconds", "rung_reason", "predicted_at", "peak_memory_mb", "gates"]
    receipts.append(lake, FULL)
    [path] = lake.receipts_folder(FULL.model, FULL.round_number).iterdir()
    parquet.write(path, parquet.read(path).drop(added))
    [old] = RoundRecord(lake, FULL.model, FULL.round_number).history
    assert replace(old, recorded_at=None) == replace(FULL, **dict.fromkeys(added))
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
    history = RoundRecord(lake, "m", 7).history
    assert [receipt.state for receipt in history] == states
    assert receipts.latest(lake, 7) == {
        "m": history[-1],
        "other": RoundRecord(lake, "other", 7).history[0],
    }
    assert RoundRecord(lake, "nobody", 7).history == []
    assert receipts.latest(lake, 9) == {}


def test_a_record_reads_each_receipt_once_and_sees_what_others_append(lake, monkeypatch):
    receipts.append(lake, Receipt("m", 7, reason="before"))
    read, paths = receipts._read, []

    def counted(path):
        paths.append(path)
        return read(path)

    monkeypatch.setattr(receipts, "_read", counted)
    record = RoundRecord(lake, "m", 7)
    assert record.newest == record.standing == record.history[0]
    own = record.append(Receipt("m", 7, state=State.ACCEPTED, reason="own"))
    assert (record.newest, record.standing, len(paths)) == (own, own, 1)
    theirs = receipts.append(lake, Receipt("m", 7, state=State.INVALID, reason="theirs"))
    assert (record.newest, record.standing) == (theirs, theirs)
    assert [receipt.reason for receipt in record.history] == ["before", "own", "theirs"]
    assert len(paths) == 2
    assert record.history == RoundRecord(lake, "m", 7).history


def test_a_clock_that_is_set_back_does_not_change_the_order(lake, monkeypatch):
    receipts.append(lake, Receipt("m", 7, reason="first"))
    monkeypatch.setattr("time.time_ns", lambda: 10**18)  # the year 2001
    receipts.append(lake, Receipt("m", 7, reason="second"))
    assert [receipt.reason for receipt in RoundRecord(lake, "m", 7).history] == ["first", "second"]


def test_writers_that_meet_on_one_moment_lose_nothing(lake, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000 * 10**9)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: receipts.append(lake, Receipt("m", 7, rows=n)), range(24)))
    history = RoundRecord(lake, "m", 7).history
    assert sorted(receipt.rows for receipt in history) == list(range(24))
    assert len({receipt.recorded_at for receipt in history}) == 24


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


# By the states of a model's receipts in a round, oldest first: the index of the one that stands.
# P: pending, A: accepted, C: confirmed, I: invalid.
STANDING = {
    "P": 0,
    "A": 0,
    "C": 0,
    "I": 0,
    "PP": 1,
    "PA": 1,
    "PC": 1,
    "PI": 1,
    "AP": 0,  # an attempt says nothing of what Numerai holds
    "AA": 1,
    "AC": 1,
    "AI": 1,
    "CP": 0,
    "CA": 1,
    "CC": 1,
    "CI": 1,
    "IP": 1,  # nothing stands that it could hide
    "IA": 1,
    "IC": 1,
    "II": 1,
    "PAC": 2,
    "PACP": 2,
    "PACPP": 2,
    "PACPA": 4,
    "PACPI": 4,
    "PAIP": 3,
    "PAIPA": 4,
    "PAIPP": 4,
}
LETTERS = {state.name[0]: state for state in State}

# By state and outcome, of a file of ours on the live rung: all predicates that hold.
PREDICATES = {
    "P -": "pending may_be_uploaded",
    "P on_time": "pending may_be_uploaded",
    "P late": "pending may_be_uploaded",
    "P queued": "pending may_be_uploaded",
    "P failed": "pending may_be_uploaded",
    "P missed": "pending may_be_uploaded missed",
    "A -": "held on_time",
    "A on_time": "held on_time",
    "A late": "held late",
    "A queued": "held late",
    "A failed": "held",
    "A missed": "held missed",
    "C -": "held on_time confirmed settled",
    "C on_time": "held on_time confirmed settled end_known",
    "C late": "held late confirmed settled end_known",
    "C queued": "held late confirmed settled end_known",
    "C failed": "held confirmed settled end_known",
    "C missed": "held confirmed settled missed end_known",
    "I -": "invalid was_not_selected",
    "I on_time": "invalid was_not_selected",
    "I late": "invalid was_not_selected",
    "I queued": "invalid was_not_selected",
    "I failed": "invalid was_not_selected",
    "I missed": "invalid was_not_selected missed",
}
# As before, but with one field changed: what is different then.
CHANGED = {
    ("P -", "filename", None): "pending",
    ("P failed", "filename", None): "pending end_known",
    ("P missed", "filename", None): "pending missed end_known",
    ("A on_time", "predictions_sha256", None): "held on_time foreign settled end_known",
    ("A late", "predictions_sha256", None): "held late foreign settled end_known",
    ("C on_time", "rung", Rung.PREVIOUS): "held on_time confirmed end_known",
    ("I failed", "accepted_at", NOON): "invalid differs end_known",
    ("I -", "accepted_at", NOON): "invalid differs",
}
FACTS = [
    *("pending", "held", "on_time", "late", "missed", "confirmed", "invalid", "foreign"),
    *("may_be_uploaded", "was_not_selected", "differs", "settled", "end_known"),
]


def cases():
    """Yield each model's receipts, oldest first, the one that stands, and what holds of that."""
    for letters, index in STANDING.items():
        states = [LETTERS[letter] for letter in letters]
        yield letters, [Receipt(letters, 1343, state=state) for state in states], index, None
    for case, facts in PREDICATES.items():
        yield case, [_receipt(case)], 0, facts
    for (case, name, value), facts in CHANGED.items():
        model = f"{case} {name}"
        yield model, [replace(_receipt(case), model=model, **{name: value})], 0, facts


def _receipt(case):
    letter, outcome = case.split()
    return Receipt(
        case,
        1343,
        filename="file.csv",
        predictions_sha256="ab",
        state=LETTERS[letter],
        outcome=None if outcome == "-" else Outcome(outcome),
    )


def facts_of(receipt):
    return [fact for fact in FACTS if getattr(receipt, fact, False) or _is(receipt, fact)]


def _is(receipt, fact):
    return getattr(receipt, f"is_{fact}", False)


def test_code_and_view_agree_on_what_stands_and_what_it_says(lake):
    """All pairs of states, all of state and outcome: the literal answers, ours and the view's."""
    expected = {}
    for model, given, index, facts in cases():
        expected[model] = [receipts.append(lake, receipt) for receipt in given][index], facts
    sql = "SELECT *, state IN ('accepted', 'confirmed') AS is_held FROM submissions"
    shown = catalog.query(lake, sql).rows(named=True)
    by_view = {row["model"]: receipts.from_row(row) for row in shown}
    by_code = receipts.latest(lake, 1343)
    assert by_view == by_code == {model: receipt for model, (receipt, _) in expected.items()}
    assert {row["model"]: row["is_held"] for row in shown} == {
        model: receipt.is_held for model, receipt in by_code.items()
    }
    for model, (receipt, facts) in expected.items():
        assert RoundRecord(lake, model, 1343).standing == receipt
        assert facts is None or sorted(facts_of(receipt)) == sorted(facts.split()), model
