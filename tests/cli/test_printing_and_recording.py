"""Neither the terminal nor Dagster's record of a run decides whether a round is played."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys

import pytest
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from numebot_dagster.cli.main import app
from numebot_dagster.defs import logs
from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.receipts import State

CONFIRMED = {"steady-1": State.CONFIRMED, "second": State.CONFIRMED}


def states(world, number):
    latest = receipts.latest(world.platform.lake, number)
    return {name: receipt.state for name, receipt in latest.items()}


def test_a_round_is_played_for_nobody_to_read(world):
    number = world.open_round()
    command = f"{sys.executable} -m numebot_dagster.cli.main run 2>&1 | head -c 1; exit $PIPESTATUS"
    finished = subprocess.run(
        ["bash", "-c", command], cwd=world.folder, env=world.whole_environment, timeout=120
    )
    assert finished.returncode == 0
    assert states(world, number) == CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def cannot_store(*_):
    raise OperationalError("INSERT …", {}, sqlite3.OperationalError("database or disk is full"))


@pytest.mark.parametrize(
    ("storage", "method"), [(SqliteEventLogStorage, "store_event"), (SqliteRunStorage, "add_run")]
)
def test_a_round_is_played_that_dagster_cannot_record(world, monkeypatch, storage, method):
    number = world.open_round()
    terminal = io.StringIO()
    monkeypatch.setattr(logs, "_TERMINAL", terminal)
    monkeypatch.setattr(storage, method, cannot_store)
    result = CliRunner().invoke(app, ["run"])
    said = result.stderr + terminal.getvalue()
    assert result.exit_code == 0, said
    assert said.count("Dagster cannot record this run (database or disk is full)") == 1
    assert "Traceback" not in said
    assert states(world, number) == CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
