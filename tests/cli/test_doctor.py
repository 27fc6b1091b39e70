"""`numebot doctor`, for people and for scripts."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
from datetime import UTC, datetime

from rich.console import Console

from numebot_dagster.cli import doctor, screen, session
from numebot_dagster.cli.practice.folder import TOURNAMENT
from numebot_dagster.defs.instance import add_partition
from numebot_dagster.lake import json_records
from numebot_dagster.practice.controls import Address, write_address
from numebot_dagster.practice.creation import Credentials
from tests.support.commands import numebot

NOW = datetime(2026, 6, 2, 12, 17, tzinfo=UTC)


def findings():
    text, code = numebot("doctor", "--json")
    return {finding["name"]: finding for finding in json.loads(text)}, code


def test_doctor_knows_what_is_set_what_is_coming_and_what_runs(world, monkeypatch):
    monkeypatch.setenv("NUMEBOT_HEARTBEAT_URL", "http://127.0.0.1:9/secretpart")
    monkeypatch.setenv("NUMEBOT_SILENCE", "scores-published")
    session.prepare_instance(world.platform.settings)
    add_partition("rounds", str(world.open_round()))  # makes Dagster's database
    by_name, code = findings()
    assert code == 0, by_name
    assert by_name["alerts"]["text"] == (
        "NUMEBOT_NOTIFY_URLS is not set, NUMEBOT_HEARTBEAT_URL is set; silenced: scores-published"
    )
    assert by_name["folder"]["verdict"] == by_name["instance"]["verdict"] == "ok"
    assert by_name["daemon"]["verdict"] == "warning"
    assert by_name["daemon"]["remedy"] == "numebot up"
    assert "too few to know the days of the next ones" in by_name["openings"]["text"]
    assert by_name["pre-flight"]["text"].startswith("none yet")
    assert "secretpart" not in str(by_name)

    failed = {"name": "weights", "verdict": "failure", "text": "gone", "remedy": "numebot train"}
    content = {"examined_at": NOW.isoformat(), "opening": NOW.isoformat(), "findings": [failed]}
    json_records.write(world.platform.lake.preflight_file, content)
    by_name, _ = findings()
    assert by_name["pre-flight"]["verdict"] == "warning"
    assert "Tue 02 Jun 12:17 UTC and found weights: gone" in by_name["pre-flight"]["text"]


def test_doctor_tells_a_strange_answer_from_none(world, monkeypatch):
    monkeypatch.setenv("NUMEBOT_RETRY_DEADLINE", "1.5")
    for kind in ("html", "not-json"):
        fault = world.practice.add_fault(kind, where="graphql:*")
        by_name, code = findings()
        world.practice.remove_faults(fault)
        assert code == 1
        assert "the answer is not one of Numerai's API" in by_name["endpoint"]["text"]
        assert "a proxy or a log-in page answers in its place" in by_name["endpoint"]["remedy"]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("NUMERAI_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        by_name, code = findings()
    assert code == 1
    assert by_name["endpoint"]["text"].startswith("no answer: ")
    start = "numebot practice serve with its --folder; or correct NUMERAI_API_URL"
    assert start in by_name["endpoint"]["remedy"]


def test_a_practice_tournament_that_is_off_is_named_with_what_starts_it(world, monkeypatch):
    """As `practice serve --folder` proposes it: the participant's data lie beside its own."""
    served = world.folder / "served"
    served.mkdir()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        write_address(served, Address(url, os.getpid(), Credentials("PUBLIC", "SECRET")))
        settings = {
            "NUMERAI_API_URL": url,
            "NUMERAI_DATA_FOLDER": str(served / "participant"),
            "NUMEBOT_RETRY_DEADLINE": "0.3",
        }
        start = f"is not running. To start it: numebot practice serve --folder {served}"
        for command in ("run", "status"):
            finished = world.numebot(command, **settings)
            output = finished.stderr if command == "run" else finished.stdout
            assert start in " ".join(output.split())


def test_a_registry_that_cannot_be_read_is_one_failure(world):
    (world.folder / "model_configs.csv").write_text(
        "name,model_code\nsteady-1,quick_models:Ridge\n"
    )
    by_name, code = findings()
    assert code == 1
    failed = {
        name: finding["text"]
        for name, finding in by_name.items()
        if finding["verdict"] == "failure"
    }
    assert list(failed) == ["registry"]
    assert "numerai_name is missing; did you mean name?" in failed["registry"]


def test_doctor_says_what_is_wrong_with_dagsters_own_file(world, monkeypatch):
    broken = world.folder / "broken"
    broken.mkdir()
    (broken / "dagster.yaml").write_text("concurrency: [of, the, wrong, kind]\n")
    monkeypatch.setenv("DAGSTER_HOME", str(broken))
    by_name, code = findings()
    assert code == 1
    assert by_name["instance"]["verdict"] == "failure"
    assert f"correct {broken / 'dagster.yaml'}, or delete it" in by_name["instance"]["remedy"]


def test_doctor_beside_a_practice_tournament_names_what_starts_it(world, monkeypatch):
    """As in the folder of a demo, whose tournament ended with it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("NUMEBOT_RETRY_DEADLINE", "0.3")
        monkeypatch.setenv("NUMERAI_API_URL", url)
        here = world.folder / TOURNAMENT
        here.mkdir()
        write_address(here, Address(url, os.getpid(), Credentials("PUBLIC", "SECRET")))
        by_name, _ = findings()
        text, _ = numebot("doctor")
    shutil.rmtree(here)
    remedy = f"numebot up --folder {world.folder}"
    assert by_name["endpoint"]["remedy"] == f"start its practice tournament: {remedy}"
    assert by_name["daemon"]["remedy"] == remedy
    assert f"→ {remedy}" in text


def test_doctor_wraps_its_lines_in_a_terminal_alone(world, monkeypatch):
    piped, _ = numebot("doctor")
    assert any(len(line) > 80 for line in piped.splitlines())
    out = io.StringIO()
    terminal = Console(file=out, width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(screen, "console", terminal)
    monkeypatch.setattr(doctor, "console", terminal)
    numebot("doctor")
    text = [line for line in out.getvalue().splitlines() if "→" not in line]
    long_words = max(len(word) for line in text for word in line.split())
    assert max(map(len, text)) <= max(80, 22 + long_words)
    assert any(line.startswith(" " * 22) for line in text)


def test_doctor_names_addresses_that_no_alert_can_reach(world, monkeypatch):
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", "jsn://user:secret@127.0.0.1:1/ json://127.0.0.1:1/")
    by_name, code = findings()
    assert code == 1
    assert "; invalid: jsn" in by_name["alerts"]["text"]
    assert "json" not in by_name["alerts"]["text"].partition("invalid")[2]
    assert "secret" not in str(by_name["alerts"])
    assert "correct NUMEBOT_NOTIFY_URLS" in by_name["alerts"]["remedy"]


def test_a_short_password_of_the_ui_is_named_and_not_shown(world, monkeypatch):
    for password, verdict in (("hunter2 hunt", "ok"), ("hunter2 hun", "warning")):
        monkeypatch.setenv("NUMEBOT_UI_PASSWORD", password)
        by_name, _ = findings()
        assert by_name["password"]["verdict"] == verdict
        assert "hunter2" not in str(by_name)
    assert by_name["password"]["remedy"].startswith("set NUMEBOT_UI_PASSWORD to a longer one")
