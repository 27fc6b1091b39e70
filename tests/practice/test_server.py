"""Restarts, crashes and refusals of the server."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import requests

from numebot_dagster.practice.controls import Controls, read_address
from numebot_dagster.practice.creation import Plan, credentials, open_tournament
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.server import PracticeServer

pytestmark = pytest.mark.server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.practice.served_tournament import ServedTournament

MODEL = "example_model"


def everything(folder: Path) -> dict[str, list]:
    with sqlite3.connect(folder / "state.sqlite") as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall()) for name in names}


@pytest.mark.heavy
def test_nothing_is_lost(
    tmp_path: Path, tournament_of: Callable[[PracticeServer], ServedTournament]
) -> None:
    plan = Plan(stakes={MODEL: "1"})
    with PracticeServer(tmp_path, plan) as practice:
        tournament = tournament_of(practice)
        practice.advance("next-open")
        submission = tournament.upload(MODEL, tournament.predictions(1280, 0))
        auth = tournament.authorise(MODEL)
        content = tournament.predictions(1280, 1).to_csv(index=False).encode()
        assert requests.put(auth["url"], data=content, timeout=10).ok
        before, state = everything(tmp_path), practice.state()

        practice.kill()  # after the PUT, before the mutation
        assert not practice.is_up()
        practice.start()
        assert everything(tmp_path) == before
        assert practice.state() == state
        assert tournament.status(MODEL)[1280] == ("on-time", submission)
        newer = tournament.create(MODEL, auth["filename"])["data"]["createSubmission"]["id"]
        assert tournament.status(MODEL)[1280] == ("on-time", newer)

        before, state = everything(tmp_path), practice.state()
        practice.stop()
        practice.start()
        assert everything(tmp_path) == before
        assert practice.state() == state


def test_the_same_seed_makes_the_same_tournament(tmp_path: Path) -> None:
    plans = {"a": Plan(seed=7), "b": Plan(seed=7), "c": Plan(seed=8)}
    models = {}
    for name, plan in plans.items():
        tournament = open_tournament(tmp_path / name, plan)
        models[name] = tournament.state.models()
        tournament.state.close()
    assert models["a"] == models["b"]
    assert not {model.id for model in models["a"]} & {model.id for model in models["c"]}
    kinds = [model.kind for model in models["a"]]
    assert (kinds.count("user"), kinds.count("benchmark"), kinds.count("rival")) == (2, 2, 36)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(seed=1), "with seed 0, not 1: pass --seed 0 to continue it"),
        (Plan(scale="huge"), "there is no scale huge; choose one of small"),
        (Plan(minutes_a_round=5), "whose clock is still, not paced"),
        (Plan(real_clock=True), "whose clock is still, not real"),
    ],
)
def test_a_folder_keeps_its_seed_scale_and_clock(tmp_path: Path, plan: Plan, message: str) -> None:
    open_tournament(tmp_path, Plan()).state.close()
    with pytest.raises(Refused, match=message):
        open_tournament(tmp_path, plan)


def test_a_folder_of_an_earlier_version_is_refused_with_a_remedy(tmp_path: Path) -> None:
    tournament = open_tournament(tmp_path, Plan())
    tournament.state.settings["format"] = "2"
    tournament.state.close()
    with pytest.raises(Refused, match=r"another version of this software; choose another --folder"):
        open_tournament(tmp_path, Plan())


def test_a_failed_foundation_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has no model nobody"):
        open_tournament(tmp_path, Plan(stakes={"nobody": "1"}))
    tournament = open_tournament(tmp_path, Plan(seed=3))
    assert tournament.state.settings["seed"] == "3"
    tournament.state.close()


def test_a_folder_is_served_once(tmp_path: Path) -> None:
    with PracticeServer(tmp_path) as first:
        with pytest.raises(Refused, match="is already being served"):
            PracticeServer(tmp_path).start()
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(Refused, match="is taken"):
            PracticeServer(tmp_path / "other", port=port).start()
        assert first.is_up()
        former = first.url
    with PracticeServer(tmp_path) as again:
        assert again.url == former


def test_the_address_file_is_private_and_its_text_shows_no_secret(tmp_path: Path) -> None:
    with PracticeServer(tmp_path):
        address = read_address(tmp_path)
    assert (tmp_path / "practice.json").stat().st_mode & 0o077 == 0
    assert address.credentials.secret_key not in repr(address)
    assert f"NUMERAI_SECRET_KEY={address.credentials.secret_key}\n" in address.dotenv()
    tournament = open_tournament(tmp_path, Plan())
    assert credentials(tournament) == address.credentials
    tournament.state.close()
    with pytest.raises(Refused, match="numebot practice serve --folder"):
        read_address(tmp_path / "nowhere")


def test_strict_servers_refuse_the_deviations(tmp_path: Path) -> None:
    query = {"query": "{v2Leaderboard(limit: 1) {return_1_day}}"}
    with PracticeServer(tmp_path, strict=True) as practice:
        answer = requests.post(practice.url, json=query, timeout=10).json()
        assert "Cannot query field 'return_1_day'" in answer["errors"][0]["message"]
    with PracticeServer(tmp_path) as practice:
        answer = requests.post(practice.url, json=query, timeout=10).json()
        assert answer == {"data": {"v2Leaderboard": [{"return_1_day": None}]}}


def test_a_real_clock(tmp_path: Path) -> None:
    with PracticeServer(tmp_path, Plan(real_clock=True)) as practice:
        now = datetime.fromisoformat(practice.state()["clock"]["now"])
        assert abs((datetime.now(UTC) - now).total_seconds()) < 10
        with pytest.raises(Refused, match="cannot be advanced"):
            practice.advance("next-open")


def test_a_round_opens_at_once(
    tmp_path: Path, tournament_of: Callable[[PracticeServer], ServedTournament]
) -> None:
    with PracticeServer(tmp_path, Plan(real_clock=True, open_now=True)) as practice:
        tournament = tournament_of(practice)
        assert tournament.api.check_round_open()
        assert tournament.api.check_new_round()
        number = tournament.api.get_current_round()
        live = tournament.api.download_dataset("v5.3/live.parquet", str(tmp_path / "live.parquet"))
        ids = pd.read_parquet(live, columns=["era"]).index
        shares = np.linspace(0.1, 0.9, len(ids))
        tournament.upload(MODEL, pd.DataFrame({"id": ids, "prediction": shares}))
        assert tournament.status(MODEL)[number][0] == "on-time"
    with pytest.raises(Refused, match="add --real-clock"):
        open_tournament(tmp_path / "still", Plan(open_now=True))


@pytest.mark.process
def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    start = (
        "import sys, time, pathlib\n"
        "from numebot_dagster.practice.server import PracticeServer\n"
        f"PracticeServer(pathlib.Path({str(tmp_path)!r})).start()\n"
        "print('started', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"started\n"
    controls = Controls(read_address(tmp_path).url)
    assert controls.is_up()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while controls.is_up() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not controls.is_up()
