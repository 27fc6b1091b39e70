"""Neither the terminal nor Dagster's record of a run decides whether a round is played."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys

import pytest
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from sqlalchemy.exc import DatabaseError, OperationalError
from typer.testing import CliRunner

from numebot_dagster.cli import execution
from numebot_dagster.cli.main import app
from numebot_dagster.defs import logs
from numebot_dagster.defs.instance import open_instance
from numebot_dagster.lake.damaged import is_damaged_database
from numebot_dagster.lake.files import CannotWrite
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State

CONFIRMED = {"steady-1": State.CONFIRMED, "second": State.CONFIRMED}


def states(world, number):
    latest = receipts.latest(world.platform.lake, number)
    return {name: receipt.state for name, receipt in latest.items()}


def test_a_round_is_played_for_nobody_to_read(world):
    number = world.open_round()
    with subprocess.Popen(
        [sys.executable, "-m", "numebot_dagster.cli.main", "run"],
        cwd=world.folder,
        env=world.whole_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.stdout.close()  # as of `numebot run | head -c 1`
        assert process.wait(120) == 0
    assert states(world, number) == CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def cannot_store(*_):
    raise OperationalError("INSERT …", {}, sqlite3.OperationalError("database or disk is full"))


@pytest.mark.parametrize(
    ("storage", "method"),
    [
        (SqliteEventLogStorage, "add_dynamic_partitions"),
        (SqliteEventLogStorage, "store_event"),
        (SqliteRunStorage, "add_run"),
    ],
)
def test_a_round_is_played_that_dagster_cannot_record(world, monkeypatch, storage, method):
    number = world.open_round()
    terminal = io.StringIO()
    monkeypatch.setattr(logs, "_TERMINAL", terminal)
    monkeypatch.setattr(storage, method, cannot_store)
    monkeypatch.setattr(execution, "set_databases_aside", pytest.fail)  # a full disk is no damage
    result = CliRunner().invoke(app, ["run"])
    said = result.stderr + terminal.getvalue()
    assert result.exit_code == 0, said
    assert said.count("Dagster cannot record this run (database or disk is full)") == 1
    assert "Traceback" not in said
    assert states(world, number) == CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SourceNotFound("no module quick_models on the search path"), "no module quick_models"),
        (PermissionError(13, "Permission denied", "/models/own.py"), "access to it"),
        (CannotWrite(28, "No space left", "/data"), "No space left"),
    ],
)
def test_definitions_that_cannot_be_loaded_are_no_fault_of_the_record(
    world, monkeypatch, error, text
):
    world.open_round()

    def cannot_load(_):
        raise error

    monkeypatch.setattr("numebot_dagster.defs.training.weights.build_weights", cannot_load)
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "cannot record" not in result.stderr
    assert result.stderr.count("error: ") == 1
    assert text in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("error", "is_damaged"),
    [
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (DatabaseError("SELECT", {}, sqlite3.DatabaseError("file is not a database")), True),
        (sqlite3.OperationalError("database is locked"), False),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full")), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_only_damage_has_the_databases_read_as_a_whole(error, is_damaged):
    assert is_damaged_database(error) is is_damaged


def test_a_damaged_home_of_dagster_costs_its_record_alone(world, monkeypatch, caplog):
    number = world.open_round()
    terminal = io.StringIO()
    monkeypatch.setattr(logs, "_TERMINAL", terminal)
    home = world.folder / "damaged"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    names = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"no database at all" * 1000)
    result = CliRunner().invoke(app, ["run"])
    said = result.stdout + result.stderr + terminal.getvalue()
    assert result.exit_code == 0, said
    assert "Traceback" not in said
    assert said.count("Dagster cannot record this run (file is not a database)") == 1
    for name in names:
        assert (home / f"{name}.damaged").is_file()
        assert caplog.text.count(f"{home / name} cannot be read and was set aside") == 1
    assert states(world, number) == CONFIRMED
    with open_instance() as instance:  # made anew
        assert instance.get_dynamic_partitions("rounds") == []
