"""Dagster's own command line on a folder that `numebot` has prepared."""

from __future__ import annotations

import subprocess
import sys

from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.receipts import State

README_SELECTION = 'key:"rounds/*" or key:"models/*/predictions" or key:"models/*/submission"'


def test_rounds_add_and_dagster_asset_materialize(fresh_world):
    world = fresh_world
    number = world.open_round()
    added = world.numebot("rounds", "add")
    assert added.returncode == 0, added.stderr
    assert added.stdout.strip() == str(number)
    assert f"export DAGSTER_HOME={world.environment['DAGSTER_HOME']}" in added.stderr

    materialised = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize"),
            *("-m", "numebot_dagster.definitions", "--partition", str(number)),
            *("--select", README_SELECTION),
        ],
        cwd=world.folder,
        env=world.whole_environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert materialised.returncode == 0, materialised.stderr[-3000:]
    latest = receipts.latest(world.platform.lake, number)
    assert {name: one.state for name, one in latest.items()} == {
        "steady-1": State.CONFIRMED,
        "second": State.CONFIRMED,
    }
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def test_a_round_that_is_no_round_is_not_added(world):
    finished = world.numebot("rounds", "add", "9999")
    assert finished.returncode == 1
    assert "no round 9999" in finished.stderr
