"""A bad week, played against a client that does its best and against one that does nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from numebot_dagster.cli.practice import app
from numebot_dagster.practice.clock import Refused
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.fault_kinds import KINDS
from numebot_dagster.practice.scenario import BAD_WEEK, Act, Stage
from numebot_dagster.practice.server import PracticeServer

WEEK = (
    Act("A stumble", ({"kind": "error", "where": "graphql:*", "times": 2},)),
    Act("Quiet", ()),
)


def uploads(
    practice: PracticeServer, world_of: Callable, models: list[str]
) -> Callable[[float], None]:
    """Returns what uploads a valid file for each model, trying again a few times."""

    def play(_: float) -> None:
        world = world_of(practice)
        number = practice.state()["open_round"]
        for name in models:
            for _ in range(4):
                with suppress(Exception):  # numerapi raises whatever the fault makes of it
                    world.upload(name, world.predictions(number, 1))
                    break
                time.sleep(0.05)

    return play


def test_the_outcome_is_the_tournaments_own(tmp_path: Path, world_of: Callable) -> None:
    with PracticeServer(tmp_path, Plan(models=("one", "two"))) as practice:
        said: list[str] = []
        play = uploads(practice, world_of, ["one"])
        outcomes = Stage(practice, patience=0.2, play=play, say=said.append).perform(WEEK)
        assert practice.faults() == []
        assert practice.state()["open_round"] is None
    assert said == ["round 1280: A stumble", "round 1281: Quiet"]
    assert [dict(one.statuses) for one in outcomes] == [{"one": "on-time", "two": "missed"}] * 2
    assert [one.on_time for one in outcomes] == [1, 1]
    assert [dict(one.struck) for one in outcomes] == [{"error": 2}, {}]
    assert outcomes[1].attempts["one"] == 1
    assert outcomes[1].seconds["one"] < 60


def test_faults_of_ones_own_are_not_mixed_in(tmp_path: Path) -> None:
    with PracticeServer(tmp_path, Plan(models=("one",))) as practice:
        practice.add_fault("html")
        with pytest.raises(Refused, match="faults already"):
            Stage(practice, patience=0.1).perform(WEEK)
        assert len(practice.faults()) == 1


def test_the_bad_week_holds_faults_that_there_are(tmp_path: Path) -> None:
    with PracticeServer(tmp_path, Plan(models=("one",))) as practice:
        for act in BAD_WEEK:
            for fault in act.faults:
                practice.add_fault(**fault)
        kinds = {one["kind"] for one in practice.faults()}
    assert len(BAD_WEEK) == 5
    assert kinds < set(KINDS)
    assert len(kinds) >= 15


def test_the_commands(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        return result.exit_code, result.output

    at = ("--folder", str(tmp_path))
    code, text = run("fault", "list", *at)
    assert code == 1
    assert "holds no practice tournament" in text
    with PracticeServer(tmp_path, Plan(models=("one",))):
        code, text = run("fault", "add", "latency", "--times", "2", "--set", "seconds=0.5", *at)
        assert (code, text) == (0, "fault 1 added\n")
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
