"""`numebot status` and `numebot doctor`: what they tell, to people and to scripts."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from numebot_dagster.cli import doctor, execution, screen, session, status, status_grid
from numebot_dagster.cli.main import app
from numebot_dagster.cli.practice.folder import TOURNAMENT
from numebot_dagster.defs.instance import add_partition
from numebot_dagster.lake import files, json_records, parquet
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.health.status import (
    Moment,
    RoundModel,
    Standing,
    Window,
    days_without_leaderboard,
    standing_of,
)
from numebot_dagster.operations.rounds import follow_up
from numebot_dagster.practice.controls import Address, write_address
from numebot_dagster.practice.creation import Credentials
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State

NOW = datetime(2026, 6, 2, 12, 17, tzinfo=UTC)
OPEN = Window(1280, NOW - timedelta(minutes=17), NOW + timedelta(minutes=43))


def numebot(*arguments):
    """Runs the command in this process; what it prints, and its exit status."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout, result.exit_code


def findings():
    text, code = numebot("doctor", "--json")
    return {finding["name"]: finding for finding in json.loads(text)}, code


@pytest.mark.parametrize(
    ("receipt", "standing"),
    [
        ({}, Standing.SENDING),
        (
            {
                "state": State.ACCEPTED,
                "outcome": Outcome.ON_TIME,
                "predictions_sha256": "0" * 64,
            },
            Standing.ACCEPTED,
        ),
        ({"state": State.ACCEPTED, "outcome": Outcome.ON_TIME}, Standing.ELSEWHERE),
        ({"state": State.CONFIRMED, "outcome": Outcome.ON_TIME}, Standing.CONFIRMED),
        ({"state": State.CONFIRMED, "outcome": Outcome.LATE}, Standing.LATE),
        ({"state": State.ACCEPTED, "outcome": Outcome.QUEUED}, Standing.QUEUED),
        ({"state": State.INVALID, "outcome": Outcome.ON_TIME}, Standing.INVALID),
        ({"outcome": Outcome.FAILED}, Standing.FAILED),
        ({"outcome": Outcome.MISSED}, Standing.MISSED),
    ],
)
def test_one_word_for_a_receipt(receipt, standing):
    assert standing_of(Receipt("a", 1280, **receipt)) is standing
    assert standing in status_grid.LOOKS


def shown(overview, *, width=100, colours=False):
    """What a terminal of that width shows."""
    out = io.StringIO()
    kind = "standard" if colours else None
    console = Console(file=out, width=width, color_system=kind, markup=False)
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(screen, "console", console)
        status._show(overview)
    return out.getvalue()


def overview(models, *, windows=(OPEN,)):
    receipt = Receipt("m0", 1280, state=State.CONFIRMED, outcome=Outcome.ON_TIME)
    lower = replace(receipt, rung=Rung.PREVIOUS)
    cells = [
        RoundModel(window.number, f"m{index}", Standing.CONFIRMED, lower if index == 1 else receipt)
        for window in windows
        for index in range(models)
    ]
    cells[-1] = RoundModel(1280, cells[-1].model, Standing.FAILED, None, "it raised [oops]")
    return status.Overview(Moment(NOW, OPEN), windows, cells, {}, [], [], [])


def test_a_grid_of_few_models_has_a_cell_each():
    text = shown(overview(3))
    assert "round 1280 is open for another 43 min" in text
    [row] = [line for line in text.splitlines() if line.lstrip().startswith("1280")]
    cells = "1280 Tue 02 Jun ✓ confirmed ✓ confirmed previous ✗ failed"
    assert row.split() == cells.split()
    assert "Round 1280, m2: failed: it raised [oops]" in text
    assert "\x1b[" not in text


def test_a_grid_of_many_models_counts_them():
    text = shown(overview(50), width=80)
    assert "✓ 49 confirmed, ✗ 1 failed" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_fleet_that_missed_rounds_is_told_in_a_few_lines():
    rounds = [Window(1280 - back, NOW - timedelta(days=back)) for back in range(5)]
    names = [f"model_{number}" for number in range(20)]
    cells = [
        RoundModel(
            round_.number, name, Standing.MISSED, None, f"round {round_.number} was not played"
        )
        for round_ in rounds
        for name in names
    ]
    weights = [
        status.WeightsStatus(name, 1270, NOW, f"due for retraining: numebot train --models {name}")
        for name in names
    ]
    failures = {round_.number: f"run {round_.number}f00 failed: no memory" for round_ in rounds}
    overview = status.Overview(Moment(NOW, OPEN), rounds, cells, failures, weights, [], [])
    text = shown(overview, width=80)
    assert "Rounds 1276 to 1280: run 1280f00 failed: no memory\n" in text
    missed = (
        "Rounds 1276 to 1280, model_0, model_1, model_2 and 17 more: missed: round 1280 was not"
    )
    assert missed in " ".join(text.split())
    assert "and 17 more: due for retraining: numebot train" in " ".join(text.split())
    assert len(text.splitlines()) < 20


def test_a_run_that_failed_by_what_its_models_say_is_not_said_again():
    reason = "no run played the round before it closed"
    cells = [RoundModel(1280, name, Standing.MISSED, None, reason) for name in "ab"]
    failures = {1280: f"run a00 failed: Round 1280 was missed: a and b: {reason}"}
    overview = status.Overview(Moment(NOW, OPEN), [OPEN], cells, failures, [], [], [])
    text = " ".join(shown(overview, width=80).split())
    assert text.count(reason) == 1
    assert f"Round 1280, a and b: missed: {reason}" in text


def test_rounds_that_nobody_looked_at_hide_none_that_was_played(fresh_world):
    """As after `numebot practice advance --to resolve`: dozens have opened and closed meanwhile."""
    world = fresh_world
    lake = world.platform.lake
    played = world.open_round()
    for name in ("steady-1", "second"):
        confirmed = Receipt(name, played, "f.csv", "s1", Outcome.ON_TIME, State.CONFIRMED)
        receipts.append(lake, confirmed)
    session.prepare_instance(world.platform.settings)
    for number in range(played, played + 23):  # as the sensor registers them
        add_partition("rounds", str(number))
    for name in ("steady-1", "second"):  # as the sensor's first run has recorded it
        text = follow_up.NOBODY_PLAYED
        receipts.append(lake, Receipt(name, played + 1, outcome=Outcome.MISSED, reason=text))

    text, code = numebot("status", "--rounds", "2")
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    dash = status_grid.LOOKS[Standing.UNPLAYED][0]
    assert f"{played + 1} to {played + 22} {dash} unplayed {dash} unplayed" in lines
    assert f"{played} Tue 02 Jun ✓ confirmed ✓ confirmed" in lines
    unseen = f"Rounds {played + 1} to {played + 22}: not played: closed before Numebot looked at it"
    assert unseen in lines
    assert text.count("unplayed") == 2
    assert follow_up.NOBODY_PLAYED not in text
    text, _ = numebot("status", "--json", "--rounds", "2")
    assert json.loads(text)["rounds_not_seen"] == list(range(played + 1, played + 23))


def test_colours_are_for_a_terminal():
    text = shown(overview(3), colours=True)
    assert "\x1b[32m✓ confirmed" in text
    assert "\x1b[1;31m✗ failed" in text


def test_status_of_a_played_a_missed_and_an_open_round(world, monkeypatch):
    """Nothing is played for it: receipts are written as runs leave them."""
    lake = world.platform.lake
    number = world.open_round()
    details = {
        "open_time": NOW - timedelta(days=1),
        "close_staking_time": NOW - timedelta(hours=23),
    }
    parquet.write(lake.round_details(number - 1), pl.DataFrame([details]))
    confirmed = Receipt(
        "steady-1", number - 1, "f.csv", "s1", Outcome.ON_TIME, State.CONFIRMED, Rung.FALLBACK,
        rung_reason="it raised", vintage=1279,
    )  # fmt: skip
    receipts.append(lake, confirmed)
    receipts.append(lake, Receipt("second", number - 1, outcome=Outcome.MISSED, reason="no power"))
    damaged = lake.receipts_folder("second", number) / "00000000000000000001.parquet"
    files.replace_bytes(damaged, b"no Parquet")
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", "json://127.0.0.1:9/")
    missed = Alert(Kind.ROUND_MISSED, "round/second", "second was missed", "do this")
    outbox.send(world.platform, missed)
    for day in (1, 4):
        parquet.write(lake.leaderboard_file(date(2026, 5, day)), pl.DataFrame({"rank": [1]}))

    text, code = numebot("status", "--json")
    assert code == 0
    overview = json.loads(text)
    assert overview["open_round"]["round"] == number
    assert 3500 < overview["open_round"]["seconds_left"] <= 3600
    standings = {(cell["round"], cell["model"]): cell["standing"] for cell in overview["rounds"]}
    assert standings == {
        (number, "steady-1"): "waiting", (number, "second"): "unreadable",
        (number - 1, "steady-1"): "confirmed", (number - 1, "second"): "missed",
    }  # fmt: skip
    assert overview["days_without_leaderboard"][:2] == ["2026-05-02", "2026-05-03"]
    assert [alert["title"] for alert in overview["alerts_not_sent"]] == ["second was missed"]

    text, code = numebot("status")
    assert code == 0
    assert "confirmed fallback" in text
    assert "fallback predictions were used: it raised" in " ".join(text.split())
    assert f"Round {number - 1}, second: missed: no power" in text
    assert "Alert not sent yet: second was missed" in text
    assert "No leaderboard was stored on" in text
    damaged.with_name(f"{damaged.name}.damaged").unlink()
    monkeypatch.delenv("NUMEBOT_NOTIFY_URLS")
    assert "second was missed" not in numebot("status")[0]


def test_a_round_whose_run_failed_before_anything_was_stored(world, monkeypatch):
    """Only Dagster knows of it: by the partition, and by the run that failed."""
    number = world.open_round()
    with monkeypatch.context() as patch:
        patch.setenv("NUMEBOT_RETRY_DEADLINE", "0.2")
        patch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
        add_partition("rounds", str(number))
        assert not execution.execute(execution.Request("round_job", str(number))).success
    world.practice.advance("next-close")
    text, _ = numebot("status", "--json")
    overview = json.loads(text)
    assert "the connection failed: Connection refused" in overview["run_failures"][str(number)]
    standings = {
        cell["model"]: cell["standing"] for cell in overview["rounds"] if cell["round"] == number
    }
    assert standings == {"steady-1": "unplayed", "second": "unplayed"}
    assert f"Round {number}: run " in numebot("status")[0]


def test_without_numerai_status_says_by_which_clock(world, monkeypatch):
    monkeypatch.setenv("NUMEBOT_RETRY_DEADLINE", "0.5")
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    text, code = numebot("status")
    assert code == 0
    text = " ".join(text.split())
    assert "by this machine's clock; Numerai was not reached" in text
    assert "Days without a leaderboard are not checked" in text
    assert json.loads(numebot("status", "--json")[0])["days_without_leaderboard"] is None


def test_days_without_leaderboard_end_yesterday(world):
    lake = world.platform.lake
    for day in lake.stored_days("leaderboard"):
        lake.leaderboard_file(day).unlink()
    assert days_without_leaderboard(world.platform, NOW) == []
    for day in (date(2026, 5, 29), date(2026, 6, 1)):
        parquet.write(lake.leaderboard_file(day), pl.DataFrame({"rank": [1]}))
    missing = days_without_leaderboard(world.platform, NOW)
    assert missing == [date(2026, 5, 30), date(2026, 5, 31)]


def test_doctor_knows_what_is_set_what_is_coming_and_what_runs(world, monkeypatch):
    monkeypatch.setenv("NUMEBOT_HEARTBEAT_URL", "http://127.0.0.1:9/secretpart")
    monkeypatch.setenv("NUMEBOT_SILENCE", "scores-published")
    world.open_round()
    by_name, code = findings()
    assert code == 0, by_name
    assert by_name["alerts"]["text"] == (
        "NUMEBOT_NOTIFY_URLS is not set, NUMEBOT_HEARTBEAT_URL is set; silenced: scores-published"
    )
    assert by_name["folder"]["verdict"] == by_name["instance"]["verdict"] == "ok"
    assert by_name["daemon"]["verdict"] == "warning"
    assert by_name["daemon"]["remedy"] == "numebot up"
    assert "the next rounds are expected on" in by_name["openings"]["text"]
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
