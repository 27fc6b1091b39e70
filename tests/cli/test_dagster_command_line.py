"""Dagster's own command line on a folder that `numebot` has prepared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import requests

from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State
from tests.support.ports import free_port
from tests.support.waiting import until

README_SELECTION = 'key:"rounds/*" or key:"models/*/predictions" or key:"models/*/submission"'


def test_rounds_add_and_dagster_asset_materialize(fresh_world):
    """By the settings of the environment, although Dagster reads `.env` over them."""
    world = fresh_world
    world.contradict()
    number = world.open_round()
    added = world.numebot("rounds", "add")
    assert added.returncode == 0, added.stderr
    assert added.stdout.strip() == str(number)
    assert f"export DAGSTER_HOME={world.environment['DAGSTER_HOME']}" in added.stderr
    by_default = world.numebot("rounds", "add", DAGSTER_HOME="")
    assert f"export DAGSTER_HOME={world.folder / 'data' / 'dagster'}" in by_default.stderr

    definitions = ("-m", "numebot_dagster.definitions")
    selection = ("--partition", str(number), "--select", README_SELECTION)
    materialised = dagster(world, "asset", "materialize", *definitions, *selection)
    assert materialised.returncode == 0, materialised.stderr[-3000:]
    latest = receipts.latest(world.platform.lake, number)
    assert {name: receipt.state for name, receipt in latest.items()} == {
        "steady-1": State.CONFIRMED,
        "second": State.CONFIRMED,
    }
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def dagster(world, *arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "dagster", *arguments],
        cwd=world.folder,
        env={**world.whole_environment, **more},
        capture_output=True,
        text=True,
        timeout=180,
    )


def models_served(port):
    """Return the models whose weights the web server shows, once it answers."""
    query = {"query": "{ assetNodes { assetKey { path } } }"}
    try:
        answer = requests.post(f"http://127.0.0.1:{port}/graphql", json=query, timeout=20).json()
    except requests.ConnectionError:
        return None
    paths = [node["assetKey"]["path"] for node in answer["data"]["assetNodes"]]
    return {path[1] for path in paths if path[-1] == "weights"}


@pytest.mark.slow  # `numebot up` starts the same processes, and test_up.py contradicts it too
def test_dagster_dev_follows_the_environment(world):
    world.contradict()
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-m", "numebot_dagster.definitions"]
    with (world.folder / "dev.log").open("w+") as log:
        process = subprocess.Popen(
            [*command, "-p", str(port)],
            cwd=world.folder,
            env=world.whole_environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            names = until(lambda: process.poll() is not None or models_served(port), 120)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
    assert names == {"steady_1", "second"}, (world.folder / "dev.log").read_text()


def test_dagster_home_of_two_minds_is_refused(world):
    home = world.folder / "other-home"
    home.mkdir()
    (world.folder / ".env").write_text(f"DAGSTER_HOME={home}\n")
    remedy = f"write DAGSTER_HOME={world.folder / 'dagster'} there, or remove the line"
    listed = dagster(world, "asset", "list", "-m", "numebot_dagster.definitions")
    assert listed.returncode != 0
    assert remedy in listed.stderr
    started = world.numebot("up", "--port", str(free_port()))
    assert started.returncode == 1
    assert remedy in started.stderr


def test_a_round_that_is_no_round_is_not_added(world):
    finished = world.numebot("rounds", "add", "9999")
    assert finished.returncode == 1
    assert "no round 9999" in finished.stderr
