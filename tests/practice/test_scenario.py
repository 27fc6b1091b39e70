"""A bad week, played against a client that does its best and against one that does nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from numebot_dagster.cli.practice.commands import app
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.faults.kinds import KINDS
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.scenario import BAD_WEEK, Act, Stage
from numebot_dagster.practice.server import PracticeServer

WEEK = (
    Act("A stumble", ({"kind": "error", "where": "graphql:*", "times": 2},)),
    Act("Quiet", ()),
)


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    with PracticeServer(tmp_path_factory.mktemp("scenario"), Plan(models=("one",))) as practice:
        yield practice


@pytest.fixture
def practice(_server: PracticeServer) -> Iterator[PracticeServer]:
    """Return the module's tournament, without the faults of other tests."""
    yield _server
    _server.remove_faults()


def uploads(
    practice: PracticeServer, tournament_of: Callable, models: list[str]
) -> Callable[[float], None]:
    """Return what uploads a valid file for each model, trying again a few times."""

    def play(_: float) -> None:
        tournament = tournament_of(practice)
        number = practice.state()["open_round"]
        for name in models:
            for _ in range(4):
                with suppress(Exception):  # numerapi raises whatever the fault makes of it
                    tournament.upload(name, tournament.predictions(number, 1))
                    break
                time.sleep(0.05)

    return play


@pytest.mark.server
def test_the_outcome_is_the_tournaments_own(tmp_path: Path, tournament_of: Callable) -> None:
    with PracticeServer(tmp_path, Plan(models=("one", "two"))) as practice:
        said: list[str] = []
        play = uploads(practice, tournament_of, ["one"])
        outcomes = Stage(practice, patience=0.2, play=play, say=said.append).perform(WEEK)
        assert practice.faults() == []
        assert practice.state()["open_round"] is None
    assert said == ["round 1280: A stumble", "round 1281: Quiet"]
    assert [dict(outcome.statuses) for outcome in outcomes] == [
        {"one": "on-time", "two": "missed"}
    ] * 2
    assert [outcome.on_time for outcome in outcomes] == [1, 1]
    assert [dict(outcome.struck) for outcome in outcomes] == [{"error": 2}, {}]
    assert outcomes[1].attempts["one"] == 1
    assert outcomes[1].seconds["one"] < 60


def test_faults_of_ones_own_are_not_mixed_in(practice: PracticeServer) -> None:
    practice.add_fault("html")
    with pytest.raises(Refused, match="faults already"):
        Stage(practice, patience=0.1).perform(WEEK)
    assert len(practice.faults()) == 1


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_scenario_that_is_stopped(
    practice: PracticeServer, tmp_path: Path, number: signal.Signals
) -> None:
    played = tmp_path / "played"
    command = [sys.executable, "-m", "numebot_dagster.cli.main", "practice", "scenario"]
    play = f"echo $$ > {played}.part; mv {played}.part {played}; sleep 60"
    scenario = subprocess.Popen(
        [*command, "bad-week", "--folder", str(practice.folder), "--play", play],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not played.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = psutil.Process(int(played.read_text()))
    assert len(practice.faults()) == len(BAD_WEEK[0].faults)
    scenario.send_signal(number)
    scenario.wait(60)
    if number is signal.SIGKILL:
        child.kill()
        assert len(practice.faults()) == len(BAD_WEEK[0].faults)
        [outcome] = Stage(practice, patience=0.2).perform((Act("Quiet", ()),))
        assert outcome.struck == {}
    else:
        assert scenario.returncode == (128 + number if number is not signal.SIGINT else 130)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert practice.faults() == []


def test_faults_of_a_scenario_that_plays_are_left_alone(practice: PracticeServer) -> None:
    practice.add_fault("html", owner=f"scenario of process {os.getpid()}")
    with pytest.raises(Refused, match="faults already, as html"):
        Stage(practice, patience=0.1).perform(WEEK)
    assert len(practice.faults()) == 1


def test_the_bad_week_holds_faults_that_there_are(practice: PracticeServer) -> None:
    for act in BAD_WEEK:
        for fault in act.faults:
            practice.add_fault(**fault)
    kinds = {fault["kind"] for fault in practice.faults()}
    assert len(BAD_WEEK) == 5
    assert kinds < set(KINDS)
    assert len(kinds) >= 15


@pytest.mark.process
def test_the_commands(practice: PracticeServer, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        return result.exit_code, result.output

    code, text = run("fault", "list", "--folder", str(tmp_path))
    assert code == 1
    assert "holds no practice tournament" in text
    at = ("--folder", str(practice.folder))
    code, text = run("fault", "add", "latency", "--times", "2", "--set", "seconds=0.5", *at)
    assert code == 0
    assert re.fullmatch(r"fault \d+ added\n", text)
    code, text = run("fault", "add", "gremlins", *at)
    assert code == 1
    assert "choose one of latency" in text
    code, text = run("fault", "list", *at)
    assert code == 0
    assert "latency" in text
    assert "seconds=0.5" in text
    code, text = run("scenario", "bad-week", "--patience", "1", *at)
    assert code == 1
    assert "faults already" in text
    assert run("fault", "clear", *at) == (0, "1 removed\n")
    play = f"echo played >> {tmp_path}/played; sleep 30"
    code, text = run("scenario", "bad-week", "--patience", "1", "--play", play, *at)
    assert code == 1
    assert text.count("was stopped after 1 seconds") == 5
    assert (tmp_path / "played").read_text() == "played\n" * 5
    assert "0 of 5 submissions were on time" in text
    assert text.count("missed") == 5
    code, text = run("fault", "kinds")
    assert code == 0
    assert "deadline-moved" in text
    code, text = run("fault", "add", "--help")
    assert code == 0
    assert "webhook:" in text
    assert "invalid-later once" in text
