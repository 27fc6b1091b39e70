"""Bad input of the machine: no room on the disk, a folder that takes no file.

From the list of what is tried by a test (docs/bad-input.md has all of it): disk full; read-only
folder; registry broken.
"""

from __future__ import annotations

import errno
import json
import os

import pytest
from typer.testing import CliRunner

from numebot_dagster.cli.main import app
from numebot_dagster.lake.files import CannotWrite, explained
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State


def numebot(command):
    """Run a command in this process; return its exit status, and what it says is wrong."""
    result = CliRunner().invoke(app, [command])
    assert isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def test_a_disk_that_is_full(world):
    number = world.open_round()
    lake = world.platform.lake
    finished = world.process(str(number), driver="tests.cli.full_disk")
    assert finished.returncode == 0, finished.stderr
    no_data, no_room, room = map(json.loads, finished.stdout.splitlines())
    remedy = "File too large: free some space, or set NUMERAI_DATA_FOLDER to another disk"
    assert remedy in no_data
    for name in ("steady-1", "second"):
        ending, text = no_room[name]
        assert ending == "failed"
        assert remedy in text
        assert room[name][0] == "confirmed"
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    latest = receipts.latest(lake, number)
    assert {receipt.state for receipt in latest.values()} == {State.CONFIRMED}
    assert not list(lake.root.rglob(".*.tmp"))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "make it writable for this user"),
        (errno.EACCES, "make it writable for this user"),
    ],
)
def test_each_refusal_of_the_system_names_its_remedy(tmp_path, number, remedy):
    path = tmp_path / "receipt.parquet"
    with pytest.raises(CannotWrite, match=remedy) as caught, explained(path):
        raise OSError(number, os.strerror(number))
    assert caught.value.errno == number
    assert str(path) in str(caught.value)
    # As libraries in Rust say it, without a number of their own.
    with pytest.raises(CannotWrite, match=remedy), explained(path):
        raise OSError(f"{os.strerror(number)} (os error {number})")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT", "free some space"),
        ("(sqlite3.OperationalError) attempt to write a readonly database", "make it writable"),
    ],
)
def test_what_dagsters_database_says_is_one_line(tmp_path, text, remedy):
    with pytest.raises(CannotWrite, match=remedy) as caught, explained(tmp_path):
        raise RuntimeError(text)
    assert "SQL" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user_is_given_back(tmp_path):
    folder = tmp_path / "my data"
    (folder / "rounds").mkdir(parents=True)
    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    command = f"sudo chown -R {os.geteuid()} '{folder}'"
    os.chown(folder, 12345, -1)
    os.chown(folder / "rounds", 12345, -1)
    with (
        pytest.raises(CannotWrite, match=r"belongs to another user \(12345\)") as caught,
        explained(folder / "rounds" / "round=1" / "a.parquet"),
    ):
        raise refusal
    assert command in str(caught.value)
    os.chown(folder, os.geteuid(), -1)  # as Dagster's database, in a folder of one's own
    with pytest.raises(CannotWrite, match=f"'{folder}/rounds'"), explained(folder):
        raise refusal
    os.chown(folder / "rounds", os.geteuid(), -1)
    with pytest.raises(CannotWrite, match="make it writable"), explained(folder):
        raise refusal


def test_other_errors_are_left_alone(tmp_path):
    with pytest.raises(FileExistsError), explained(tmp_path):
        raise FileExistsError(errno.EEXIST, "exists")
    with pytest.raises(OSError, match="no number"), explained(tmp_path):
        raise OSError("no number")


@pytest.mark.parametrize("command", ["doctor", "run"])
def test_a_folder_that_takes_no_file(world, monkeypatch, command):
    """Below a file no folder can be made, by root neither."""
    (world.folder / "file").touch()
    monkeypatch.setenv("NUMERAI_DATA_FOLDER", str(world.folder / "file" / "data"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    code, said = numebot(command)
    assert code == 1
    assert "make it writable for this user, or set NUMERAI_DATA_FOLDER" in said


def test_a_registry_that_is_broken(world):
    registry = world.folder / "model_configs.csv"
    registry.write_text(
        "numerai_name,model_code\nsteady-1,quick_models:Ridge\nsecond,quick models\n"
    )
    for command in ("run", "status"):
        code, said = numebot(command)
        assert code == 1
        assert (
            "model_configs.csv, line 3, column model_code: 'quick models' is not a module" in said
        )
