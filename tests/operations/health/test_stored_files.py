"""Stored files are compared with their footer, their manifest, or the hash that names them."""

from __future__ import annotations

import errno
from datetime import date

import polars as pl
import pytest

from numebot_dagster.lake import blocks, parquet
from numebot_dagster.lake.blocks import Block
from numebot_dagster.lake.damaged import DamagedFile
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import HeldElsewhere, sole
from numebot_dagster.operations.health import stored_files, upkeep
from numebot_dagster.operations.health.stored_files import Problem, Report
from numebot_dagster.submissions import receipts, submission_file
from numebot_dagster.submissions.receipts import Receipt


def problems(lake):
    return [problem.text for problem in stored_files.examine(lake).problems]


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "locks/requests-1.json",
        "dagster/runs.json",
        ".part.parquet.host.1.ab.tmp",
        "diagnostics/.training-1/manifest.json",
        ".training-1/predictions.parquet",
        "weights/model=m/vintage=1/former=a/model.json",
    ],
)
def test_what_work_alone_needs_and_files_of_weights_are_not_looked_at(lake, name):
    (lake.root / name).parent.mkdir(parents=True, exist_ok=True)
    (lake.root / name).write_text("{")
    assert stored_files.examine(lake) == Report(0, (), ())


def broken_names(content):
    return content.replace(b"prediction", b"pred\xfftion")


def broken_data(content):
    """Spoil the first column, which the footer does not show."""
    return content[:8] + bytes(40) + content[48:]


FRAME = pl.DataFrame({"id": [f"n{n}" for n in range(5000)], "prediction": [0.5] * 5000})
DAMAGES = {
    "no letters": ("preflight/last.json", lambda _: b"\xff", "is not JSON"),
    "no end": ("alerts/kind=a/1.json", lambda _: b"[" * 100_000, "RecursionError"),
    "empty": ("rounds/skipped.json", lambda _: b"", "is not JSON"),
    "names of a table": ("scores/date=1/scores.parquet", broken_names, "is not a whole"),
    "data of a table": ("scores/date=1/scores.parquet", broken_data, "is not a whole"),
    "data of a file that is large": ("live/round=1/version=v5/live.parquet", broken_data, None),
    "footer of one": ("training/objects/train.parquet", lambda old: old[:-9], "is not a whole"),
    "columns": ("predictions/sha256=1/predictions.parquet", None, "ColumnNotFoundError"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_no_damage_ends_the_check(lake, case):
    name, damage, text = DAMAGES[case]
    path, other = lake.root / name, lake.root / "z.json"
    parquet.write(path, FRAME if damage else FRAME.drop("prediction"))
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    other.write_text("{")
    [*first, last] = problems(lake)
    assert last.startswith(f"{other} is not JSON")
    assert [line.startswith(str(path)) and text in line for line in first] == [True] * bool(text)


@pytest.mark.parametrize(
    ("error", "is_damage"),
    [
        (PermissionError(13, "Permission denied"), False),
        (OSError(5, "Input/output error"), False),
        (DamagedFile("it is damaged"), True),
        (ZeroDivisionError(), True),
        (FileNotFoundError(2, "No such file"), None),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_refusal_is_no_damage_and_what_vanishes_is_passed_over(
    lake, monkeypatch, error, is_damage, is_there
):
    path = lake.round_details(1)
    parquet.write(path, FRAME)

    def verify(path):
        if not is_there:
            path.unlink()
        raise error

    monkeypatch.setattr(parquet, "verify", verify)
    kinds = [problem.is_damage for problem in stored_files.examine(lake).problems]
    passed_over = is_damage is None or (is_damage and not is_there)
    assert kinds == ([] if passed_over else [is_damage])


def test_a_folder_that_cannot_be_listed_is_a_refusal(lake, monkeypatch):
    def walk(_root, onerror):
        onerror(PermissionError(13, "Permission denied", "scores"))
        onerror(FileNotFoundError(2, "No such file or directory", "payouts"))
        return iter(())

    monkeypatch.setattr("os.walk", walk)
    text = "[Errno 13] Permission denied: 'scores'"
    assert stored_files.examine(lake).problems == (Problem(text, is_damage=False),)


def test_a_cut_table_and_a_cut_record_are_named(lake):
    table, record = lake.round_details(1), lake.alert_file("round-missed", "round-1")
    parquet.write(table, pl.DataFrame({"round": [1]}))
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert problems(lake) == []
    table.write_bytes(table.read_bytes()[:-9])
    record.write_text("{")
    assert [text.split(" is not ")[0] for text in problems(lake)] == [str(record), str(table)]


def test_predictions_are_those_of_their_name(lake):
    ids, values = ["a", "b", "c"], pl.Series([0.25, 0.5, 0.75])
    sha256 = submission_file.prepare(ids, values.to_numpy()).sha256
    path = lake.predictions_file("m", 1, 1, sha256)
    parquet.write(path, pl.DataFrame({"id": ids, "prediction": values}))
    assert problems(lake) == []
    parquet.write(path, pl.DataFrame({"id": ids, "prediction": values.reverse()}))
    assert problems(lake) == [f"{path} does not hold the predictions that its name says"]


def test_weights_are_those_of_their_manifest(fresh_world):
    lake = fresh_world.platform.lake
    assert problems(lake) == []
    weights = next(path for path in lake.all_weights_folders()[0].path.rglob("model/*"))
    weights.write_bytes(b"")
    assert problems(lake) == [f"{weights} is not the file that was stored"]


def submitted(lake, number):
    ids, values = ["a", "b"], pl.Series([0.25, 0.5])
    sha256 = submission_file.prepare(ids, values.to_numpy()).sha256
    path = lake.predictions_file("m", number, 1, sha256)
    parquet.write(path, pl.DataFrame({"id": ids, "prediction": values}))
    receipts.append(lake, Receipt("m", number, predictions_sha256=sha256))
    return path


def test_predictions_that_a_receipt_names_must_be_there(lake):
    path = submitted(lake, 1)
    assert problems(lake) == []
    path.unlink()
    [receipt] = lake.receipts_files("m", 1)
    [problem] = problems(lake)
    assert problem.endswith(f"that receipts name are not stored: {receipt}")


def test_equal_predictions_of_another_round_are_not_those_that_a_receipt_names(lake):
    submitted(lake, 1)
    submitted(lake, 2).unlink()
    [receipt] = lake.receipts_files("m", 2)
    [problem] = problems(lake)
    assert problem.endswith(f"that receipts name are not stored: {receipt}")


def test_what_two_blocks_have_is_named(lake):
    submitted(lake, 1)
    upkeep.roll_up(lake, upkeep.Settled(frozenset({1}), frozenset({1}), date(2026, 9, 3)))
    [block] = lake.predictions_blocks(1)
    twice = block.with_name(block.name.replace("-1.", "-2."))
    twice.write_bytes(block.read_bytes())
    [problem] = problems(lake)
    assert str(block) in problem
    assert str(twice) in problem


def test_files_are_not_checked_while_they_are_rolled_up(lake):
    with sole(lake.lock_file("rollup")), pytest.raises(HeldElsewhere):
        stored_files.examine(lake)


@pytest.mark.parametrize(("number", "is_read"), [(errno.EROFS, True), (errno.ENOSPC, False)])
def test_a_folder_that_may_only_be_read_is_checked(lake, monkeypatch, number, is_read):
    def refused(path):
        raise OSError(number, "refused", str(path))

    monkeypatch.setattr(stored_files, "sole", refused)
    submitted(lake, 1)
    if is_read:
        assert problems(lake) == []
    else:
        with pytest.raises(OSError, match="refused"):
            problems(lake)


def test_what_was_rolled_up_is_compared_with_what_it_had_been(lake):
    submitted(lake, 1)
    submitted(lake, 2)
    what = upkeep.Settled(frozenset({1, 2}), frozenset({1, 2}), date(2026, 9, 3))
    assert upkeep.roll_up(lake, what).rolled_up == 4
    assert problems(lake) == []
    [block] = lake.predictions_blocks(2)
    whole = blocks.read(block)
    changed = Block(whole.frame.with_columns(prediction=pl.lit(0.5)), whole.originals)
    blocks._write_groups(block, changed)
    problem, missing = problems(lake)
    assert problem.startswith(f"{block} no longer holds what predictions/model=m/round=2/")
    names = (original.path for original in blocks.originals(lake.receipts_block(2)))
    [receipt] = (name for name in names if "/round=2/" in name)
    assert missing.endswith(f"are not stored: {lake.root / receipt}")
