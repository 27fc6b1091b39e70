"""Rolling up: never a row more or less, wherever it is killed, and whatever comes after it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numebot_dagster.lake import blocks, catalog, files, json_records, parquet, rollups
from numebot_dagster.lake.blocks import Block
from numebot_dagster.lake.days import days_version, read_day, stored_days
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import HeldElsewhere, sole
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.health import upkeep
from numebot_dagster.operations.health.upkeep import Settled
from numebot_dagster.submissions import receipts, submission_file
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord, Rung, State
from tests.support.kill_points import killed_before_change

MODELS = ("a-b c/d%20", "007")
TODAY = date(2026, 9, 3)
RAISED = datetime(2026, 1, 2, tzinfo=UTC)
VIEWS = ("receipts", "submissions", "predictions", "scores", "leaderboard", "payouts", "alerts")
WHAT = Settled(frozenset({1298, 1299, 1300}), frozenset({1298, 1299, 1300, 1350}), TODAY)


def predict(lake: Lake, model: str, number: int, rows: int = 3) -> str:
    ids, values = [f"n{row}" for row in range(rows)], [(row + 1) / 9 for row in range(rows)]
    frame = pl.DataFrame({"id": ids, "prediction": values})
    sha256 = submission_file.prepare(ids, frame["prediction"].to_numpy()).sha256
    parquet.write(lake.predictions_file(model, number, 1290, sha256), frame)
    return sha256


def play(lake: Lake, model: str, number: int) -> None:
    receipt = Receipt(model, number, predictions_sha256=predict(lake, model, number))
    receipts.append(lake, receipt)
    receipts.append(lake, replace(receipt, state=State.ACCEPTED, outcome=Outcome.ON_TIME))


def collect(lake: Lake, day: date, value: float, **more: object) -> None:
    score = {"model": MODELS[0], "round": 1299, "metric": "corr60", "day": 1, "date": day}
    parquet.write(lake.day_file("scores", day), pl.DataFrame(score | {"value": value, **more}))
    own = {"model": "x", "rank": 1, "nmr_staked": 1.5, "own": True, f"rep_{day.month}": value}
    parquet.write(lake.day_file("leaderboard", day), pl.DataFrame(own))
    paid = {"model": MODELS[0], "round": 1299, "payout_nmr": value}
    empty = pl.DataFrame(paid).clear() if day.day == 1 else pl.DataFrame(paid)
    parquet.write(lake.day_file("payouts", day), empty)


def alert(lake: Lake, subject: str, at: datetime = RAISED) -> None:
    raised = {"kind": "round-missed", "subject": subject, "title": "ü", "text": "x\n"}
    more = {"raised_at": at.isoformat(), "sent": True, "added_tomorrow": [1]}
    json_records.write(lake.alert_file("round-missed", subject), raised | more)


def filled(root: Path) -> Lake:
    lake = Lake(root)
    for number in (1298, 1299, 1300, 1350, 1351):
        for model in MODELS:
            play(lake, model, number)
    for back in (0, 1, 2, 3, 33, 34):
        collect(lake, TODAY - timedelta(days=back), back / 8)
    alert(lake, "round-1299/a")
    alert(lake, "now", datetime.now(UTC))
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    root = tmp_path / "data [1]*'s"
    root.mkdir()
    return filled(root)


def shown(lake: Lake) -> dict[str, list[Any]]:
    """Return the rows of all views, in any order, by the names of their columns."""
    with catalog.connect(lake) as connection:
        return {view: _rows(connection, view) for view in VIEWS}


def _rows(connection: Any, view: str) -> list[Any]:
    answer = connection.execute(f"FROM {view}")
    names = [column[0] for column in answer.description]
    rows = (dict(zip(names, row, strict=True)) for row in answer.fetchall())
    return sorted(
        sorted((name, str(value)) for name, value in row.items() if value is not None)
        for row in rows
    )


def contents(lake: Lake) -> dict[str, Any]:
    """Return what every file holds that is no block; lock files hold nothing of interest."""
    return {
        lake.relative(path): path.read_bytes() if path.suffix == ".json" else rows_of(path)
        for path in lake.stored_files()
        if path.suffix in (".json", ".parquet") and "rollup" not in path.parts
    }


def rows_of(path: Path) -> tuple[Any, ...]:
    frame = parquet.read(path)
    return tuple(frame.schema.items()), tuple(frame.rows())


def names(lake: Lake) -> set[str]:
    return {name.split("/")[0] + "/" + name.split("/")[-3] for name in contents(lake)}


def test_what_can_no_longer_change_is_rolled_up_and_nothing_else(lake: Lake) -> None:
    before = shown(lake)
    result = upkeep.roll_up(lake, WHAT)
    assert result.problems == []
    assert shown(lake) == before
    left = contents(lake)
    assert {name for name in left if "/round=1" in name} == {
        name for name in left if "/round=1350/" in name or "/round=1351/" in name
    }
    assert {name.split("/")[1] for name in left if name.startswith("scores/")} == {
        "date=2026-09-02",
        "date=2026-09-03",
    }
    assert [json.loads(left[name])["subject"] for name in left if "alerts" in name] == ["now"]
    # Two blocks of receipts, three rounds, two months of three tables, one kind of alert.
    assert len(rollups.all_blocks(lake)) == 2 + 3 + 9 + 1
    assert result.rolled_up == 3 * 2 * 3 + 3 * 4 + 1


def test_a_roll_up_can_be_repeated_and_undone(lake: Lake) -> None:
    before, views = contents(lake), shown(lake)
    upkeep.roll_up(lake, WHAT)
    assert upkeep.roll_up(lake, WHAT).rolled_up == 0
    assert upkeep.unroll(lake).restored == 3 * 2 * 3 + 3 * 4 + 1
    assert contents(lake) == before
    assert shown(lake) == views
    assert rollups.all_blocks(lake) == []


def test_records_days_and_first_rounds_are_read_from_blocks(lake: Lake) -> None:
    numbers = (1298, 1299, 1350, 1351)
    histories = [RoundRecord(lake, model, n).history for model in MODELS for n in numbers]
    standing = receipts.latest(lake, 1299)
    days = {table: stored_days(lake, table) for table in ("scores", "leaderboard", "payouts")}
    upkeep.roll_up(lake, WHAT)
    assert [RoundRecord(lake, model, n).history for model in MODELS for n in numbers] == histories
    assert receipts.latest(lake, 1299) == standing
    assert {table: stored_days(lake, table) for table in days} == days
    past = read_day(lake, "leaderboard", TODAY - timedelta(days=33), ["rank", "own"])
    assert past is not None
    assert past.rows() == [(1, True)]
    assert [lake.takes_part(MODELS[0], number) for number in (1297, 1298)] == [False, True]


def test_a_day_whose_block_has_no_such_column_costs_nothing(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    day = TODAY - timedelta(days=33)
    past = read_day(lake, "leaderboard", day, ["rank", "added_tomorrow"])
    assert past is not None
    assert past.rows() == [(1, None)]
    assert read_day(lake, "leaderboard", day - timedelta(days=9), ["rank"]) is None
    assert list(lake.root.rglob("*.damaged")) == []


def test_a_receipt_of_a_newer_version_costs_no_other_of_its_block(lake: Lake) -> None:
    [first, second] = lake.receipts_files(MODELS[0], 1299)
    newer = parquet.read(second).with_columns(state=pl.lit("added_tomorrow"))
    parquet.write(second, newer)
    older = parquet.read(first).drop("rung", "state")
    parquet.write(first, older)
    upkeep.roll_up(lake, WHAT)
    [left] = RoundRecord(lake, MODELS[0], 1299).history
    assert (left.rung, left.state) == (Rung.LIVE, State.PENDING)
    assert len(RoundRecord(lake, MODELS[1], 1299).history) == 2
    assert list(lake.root.rglob("*.damaged")) == []


@pytest.mark.parametrize("undone", [False, True])
def test_a_history_is_whole_while_the_folder_is_rolled_up_or_written_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    if undone:
        upkeep.roll_up(lake, WHAT)
    files_of = Lake.receipts_files

    def listed(self: Lake, model: str, number: int) -> list[Path]:
        monkeypatch.setattr(Lake, "receipts_files", files_of)
        if undone:
            upkeep.unroll(lake)
            return files_of(self, model, number)
        paths = files_of(self, model, number)
        upkeep.roll_up(lake, WHAT)
        return paths

    monkeypatch.setattr(Lake, "receipts_files", listed)
    assert len(RoundRecord(lake, MODELS[0], 1299).history) == 2


@pytest.mark.parametrize("undone", [False, True])
def test_no_day_is_hidden_while_it_is_rolled_up_or_written_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    days = stored_days(lake, "scores")
    if undone:
        upkeep.roll_up(lake, WHAT)
    day_blocks = Lake.day_blocks

    def changed_before(self: Lake, table: str) -> list[Path]:
        monkeypatch.setattr(Lake, "day_blocks", day_blocks)
        upkeep.unroll(lake) if undone else upkeep.roll_up(lake, WHAT)
        return day_blocks(self, table)

    monkeypatch.setattr(Lake, "day_blocks", changed_before)
    assert stored_days(lake, "scores") == days


def test_alerts_and_days_that_are_rolled_up_while_they_are_listed_are_passed_over(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = lake.alert_files()
    days = lake.stored_days("scores")
    upkeep.roll_up(lake, WHAT)
    changed = outbox._changed_since(paths, timedelta(days=1))
    assert changed == lake.alert_files()
    version = days_version(lake, "scores")
    monkeypatch.setattr(Lake, "stored_days", lambda *_: days)
    assert days_version(lake, "scores") == version


def test_predictions_of_a_resolved_round_are_there_when_asked_for(lake: Lake) -> None:
    before = contents(lake)
    upkeep.roll_up(lake, WHAT)
    [path] = rollups.predictions_files(lake, MODELS[0], 1299)
    assert rows_of(path) == before[lake.relative(path)]
    assert shown(lake)["predictions"]
    upkeep.roll_up(lake, WHAT)
    assert not path.exists()


def test_a_day_that_was_rolled_up_can_be_written_again(lake: Lake) -> None:
    before, day = contents(lake), TODAY - timedelta(days=33)
    upkeep.roll_up(lake, WHAT)
    path = rollups.day_file(lake, "scores", day)
    assert rows_of(path) == before[lake.relative(path)]
    parquet.write(path, parquet.read(path).with_columns(resolved=pl.lit(True)))
    assert upkeep.roll_up(lake, WHAT).rolled_up == 1
    resolved = catalog.query(lake, "select date from scores where resolved")
    assert resolved["date"].to_list() == [day]


def test_what_comes_later_counts_beside_and_is_rolled_up_next(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    late = receipts.append(lake, Receipt(MODELS[1], 1299, state=State.INVALID))
    predict(lake, MODELS[1], 1299, rows=5)
    collect(lake, TODAY - timedelta(days=33), 9.0, added_tomorrow=1)  # instead of what there was
    before = shown(lake)
    assert RoundRecord(lake, MODELS[1], 1299).newest == late
    assert len(before["scores"]) == 6
    assert any(
        ("added_tomorrow", "1") in row and ("value", "9.0") in row for row in before["scores"]
    )
    assert upkeep.roll_up(lake, WHAT).rolled_up == 2 + 3
    assert shown(lake) == before
    assert RoundRecord(lake, MODELS[1], 1299).newest == late


def test_other_clients_have_the_same_rows(lake: Lake) -> None:
    import duckdb

    before = shown(lake)
    for killed_before in (0, 25, 10_000):
        with killed_before_change(killed_before):
            upkeep.roll_up(lake, WHAT)
        catalog.rebuild(lake)
        with duckdb.connect(str(lake.catalog_file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            assert {view: _rows(connection, view) for view in VIEWS} == before


@pytest.mark.parametrize("is_killed", [False, True])
def test_other_clients_have_all_rows_before_an_original_goes(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    import duckdb

    before = shown(lake)
    catalog.rebuild(lake)
    seen = []
    remove = files.remove_unless_changed

    def seen_by_others() -> Any:
        with duckdb.connect(str(lake.catalog_file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return {view: _rows(connection, view) for view in VIEWS}

    def removed(path: Path, version: tuple[int, int, int]) -> bool:
        answer = remove(path, version)
        seen.append(path)
        if is_killed and "scores" in path.parts:
            raise KeyboardInterrupt
        assert len(seen) % 9 or seen_by_others() == before
        return answer

    monkeypatch.setattr(files, "remove_unless_changed", removed)
    with suppress(KeyboardInterrupt):
        assert upkeep.roll_up(lake, WHAT).problems == []
    assert len(seen) > 9
    assert seen_by_others() == before


def test_a_damaged_original_stays_and_is_named(lake: Lake) -> None:
    path = lake.day_file("scores", TODAY - timedelta(days=3))
    path.write_bytes(b"no parquet")
    result = upkeep.roll_up(lake, WHAT)
    assert [str(path) in problem for problem in result.problems] == [True]
    assert path.read_bytes() == b"no parquet"


def test_a_damaged_block_is_set_aside_and_costs_no_other(lake: Lake) -> None:
    before = shown(lake)
    upkeep.roll_up(lake, WHAT)
    block = lake.day_block("scores", TODAY)
    block.write_bytes(block.read_bytes()[:-100])
    assert len(catalog.query(lake, "from scores")) == len(before["scores"]) - 1
    assert block.with_name(f"{block.name}.damaged").exists()
    assert shown(lake)["receipts"] == before["receipts"]


def test_an_unsound_block_is_named(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    assert upkeep.verify(lake).problems == []
    block = lake.receipts_block(1300)
    block.write_bytes(block.read_bytes()[:-100])
    [problem] = upkeep.verify(lake).problems
    assert str(block) in problem


def rot(lake: Lake, block: Path, name: str) -> None:
    """Change the rows of one original in a block, whose footer goes on saying what they were."""
    whole = blocks.read(block)
    rows = pl.col(blocks.ORIGINAL) == name
    changed = pl.when(rows).then(pl.lit(None)).otherwise(pl.col("predictions_sha256"))
    frame = whole.frame.with_columns(predictions_sha256=changed)
    blocks._write_groups(block, Block(frame, whole.originals))


@pytest.mark.parametrize("content", [b"rot", "another"])
def test_unrolling_trusts_no_original_that_is_not_what_it_was(
    lake: Lake, content: bytes | str
) -> None:
    before = contents(lake)
    upkeep.roll_up(lake, WHAT)
    path, other = lake.receipts_files(MODELS[0], 1350)
    path.write_bytes(content if isinstance(content, bytes) else other.read_bytes())
    assert upkeep.unroll(lake).problems == []
    assert contents(lake) == before
    assert path.with_name(f"{path.name}.damaged").exists()


def test_unrolling_keeps_a_day_that_was_written_again(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    day = TODAY - timedelta(days=33)
    collect(lake, day, 9.0)
    upkeep.unroll(lake)
    kept = read_day(lake, "scores", day, ["value"])
    assert kept is not None
    assert kept["value"].to_list() == [9.0]


def test_a_day_that_is_written_again_as_soon_as_it_is_restored_stays(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep.roll_up(lake, WHAT)
    day, take_name = TODAY - timedelta(days=33), files._take_name

    def rewritten_after(temporary: Path, path: Path) -> None:
        take_name(temporary, path)
        if path == lake.day_file("scores", day):
            collect(lake, day, 9.0)

    monkeypatch.setattr(files, "_take_name", rewritten_after)
    assert upkeep.unroll(lake).problems == []
    kept = read_day(lake, "scores", day, ["value"])
    assert kept is not None
    assert kept["value"].to_list() == [9.0]
    assert list(lake.root.rglob("*.damaged")) == []


def test_wrong_keys_of_a_block_are_named_and_do_not_outlive_unrolling(lake: Lake) -> None:
    before, views = contents(lake), shown(lake)
    upkeep.roll_up(lake, WHAT)
    block = lake.day_block("leaderboard", TODAY)
    whole = blocks.read(block)
    wrong = whole.frame.with_columns(date=pl.lit(date(1999, 1, 1)))
    blocks._write_groups(block, Block(wrong, whole.originals))
    [problem] = upkeep.verify(lake).problems
    assert str(block) in problem
    assert upkeep.unroll(lake).problems == []
    assert contents(lake) == before
    assert upkeep.roll_up(lake, WHAT).problems == []
    assert shown(lake) == views


def test_rotten_rows_of_a_block_cost_no_others(lake: Lake) -> None:
    before = contents(lake)
    upkeep.roll_up(lake, WHAT)
    [name, *_] = (path for path in before if path.startswith("submissions/") and "=1299/" in path)
    block = lake.receipts_block(1299)
    rot(lake, block, name)
    receipts.append(lake, Receipt(MODELS[0], 1299))  # would have to go into that block
    collect(lake, TODAY - timedelta(days=34), 9.0)
    rows = len(shown(lake)["receipts"])
    [problem] = upkeep.roll_up(lake, WHAT).problems
    assert name in problem
    assert not lake.day_file("scores", TODAY - timedelta(days=34)).exists()
    assert len(shown(lake)["receipts"]) == rows
    [problem] = upkeep.unroll(lake).problems
    assert name in problem
    assert rollups.all_blocks(lake) == [block]
    left = contents(lake)
    written = {path for path in left if "=1299/" in path and path.startswith("submissions/")}
    assert {path for path in before if "=1299/" in path and path.startswith("sub")} - written == {
        name
    }
    assert len(shown(lake)["receipts"]) == rows


def test_rotten_rows_of_an_original_that_is_there_are_written_anew(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    path = lake.receipts_files(MODELS[0], 1350)[0]
    rot(lake, lake.receipts_block(1350), lake.relative(path))
    every = WHAT.closed
    assert upkeep.roll_up(lake, Settled(every, every, TODAY)).problems == []
    assert upkeep.verify(lake).problems == []
    assert not path.exists()


def test_an_original_that_changed_replaces_no_copy(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    path, other = lake.receipts_files(MODELS[0], 1350)
    parquet.write(path, parquet.read(other))
    before = shown(lake)["receipts"]
    every = WHAT.closed
    [problem] = upkeep.roll_up(lake, Settled(every, every, TODAY)).problems
    assert str(lake.relative(path)) in problem
    assert path.exists()
    assert shown(lake)["receipts"] == before


def test_predictions_of_one_name_are_in_one_block(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    [path] = rollups.predictions_files(lake, MODELS[0], 1299)
    parquet.write(path, parquet.read(path).with_columns(prediction=pl.lit(0.5)))
    before = shown(lake)["predictions"]
    [problem] = upkeep.roll_up(lake, WHAT).problems
    assert lake.relative(path) in problem
    assert len(lake.predictions_blocks(1299)) == 1
    assert shown(lake)["predictions"] == before


def test_rotten_predictions_are_not_brought_back(lake: Lake) -> None:
    upkeep.roll_up(lake, WHAT)
    [block] = lake.predictions_blocks(1299)
    whole = blocks.read(block)
    blocks._write_groups(block, Block(whole.frame.with_columns(id=pl.lit("x")), whole.originals))
    assert rollups.predictions_files(lake, MODELS[0], 1299) == []
    assert block.exists()


def test_copies_that_somebody_made_cost_only_themselves(lake: Lake) -> None:
    before = shown(lake)
    day = TODAY - timedelta(days=3)
    originals = [
        lake.receipts_folder(MODELS[0], 1299),
        lake.predictions_folder(MODELS[0], 1299),
        lake.day_file("scores", day).parent,
    ]
    upkeep.roll_up(lake, replace(WHAT, resolved=frozenset({1298})))
    upkeep.unroll(lake)
    upkeep.roll_up(lake, replace(WHAT, resolved=frozenset({1298}), today=day))
    for folder in originals:
        shutil.copytree(folder, folder.with_name(f"{folder.name} (copy)"))
    for view in ("predictions", "receipts", "scores"):
        assert len(catalog.query(lake, f"from {view}")) == len(before[view])
    assert upkeep.roll_up(lake, WHAT).problems == []
    assert shown(lake) == before


def test_one_failure_stops_no_other_work(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    (lake.root / "submissions" / "model=007" / "round=1299.bak").mkdir()
    path = lake.day_file("scores", TODAY - timedelta(days=3))
    remove = files.remove_unless_changed

    def refused(asked: Path, version: tuple[int, int, int]) -> bool:
        if asked == path:
            raise PermissionError(13, "refused", str(asked))
        return remove(asked, version)

    monkeypatch.setattr(files, "remove_unless_changed", refused)
    before = shown(lake)
    [problem] = upkeep.roll_up(lake, WHAT).problems
    assert str(path) in problem
    assert shown(lake) == before
    assert len(rollups.all_blocks(lake)) == 2 + 3 + 9 + 1


def test_a_full_disk_ends_the_work(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rollups, "roll_up", full)
    with pytest.raises(OSError, match="No space"):
        upkeep.roll_up(lake, WHAT)


def test_one_roll_up_at_a_time(lake: Lake) -> None:
    for work in (lambda: upkeep.roll_up(lake, WHAT), lambda: upkeep.verify(lake)):
        with sole(lake.lock_file("rollup")), pytest.raises(HeldElsewhere):
            work()


def test_a_kill_at_any_change_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Kill before each change of a file in turn: the next roll-up goes on from what is left."""
    lake = filled(tmp_path)
    before, views = contents(lake), shown(lake)
    for work in (lambda: upkeep.roll_up(lake, WHAT), lambda: upkeep.unroll(lake)):
        ended, number = False, 0
        while not ended:
            with killed_before_change(number):
                work()
                ended = True
            number += 3 if number < 40 else 17
            assert shown(lake) == views
    assert contents(lake) == before


@dataclass
class Participant:
    """What was written, to be compared with what the views show."""

    lake: Lake
    resolved: set[int] = field(default_factory=set)
    receipts: int = 0
    days: dict[date, float] = field(default_factory=dict)

    def submit(self, number: int) -> None:
        receipts.append(self.lake, Receipt(MODELS[number % 2], number, rows=self.receipts))
        self.receipts += 1

    def collect(self, number: int) -> None:
        day = TODAY - timedelta(days=number % 40)
        self.days[day] = float(self.receipts + number)
        collect(self.lake, day, self.days[day])

    def resolve(self, number: int) -> None:
        self.resolved.add(number)

    def roll_up(self, number: int) -> None:
        rounds = frozenset(self.resolved)
        with killed_before_change(number):
            upkeep.roll_up(self.lake, Settled(rounds, rounds | {1300}, TODAY))

    def unroll(self, number: int) -> None:
        with killed_before_change(number):
            upkeep.unroll(self.lake)

    def check(self) -> None:
        rows = catalog.query(self.lake, "select rows from receipts order by rows")["rows"]
        assert rows.to_list() == list(range(self.receipts))
        scores = catalog.query(self.lake, "select date, value from scores").rows()
        assert sorted(scores) == sorted(self.days.items())


STEPS: tuple[Callable[[Participant, int], None], ...] = (
    Participant.submit,
    Participant.collect,
    Participant.resolve,
    Participant.roll_up,
    Participant.unroll,
)


@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.sampled_from([1299, 1300, 0, 3, 7, 12, 20])),
        max_size=12,
    )
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_order_of_work_and_kills_keeps_every_row(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Callable[[Participant, int], None], int]],
) -> None:
    participant = Participant(Lake(tmp_path_factory.mktemp("lake")))
    for step, number in steps:
        step(participant, number)
    participant.check()
    participant.roll_up(10_000)
    participant.check()
