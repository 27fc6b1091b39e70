"""`numebot status`, for people and for scripts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl

from numebot_dagster.cli import execution, session, status_grid
from numebot_dagster.defs.instance import add_partition
from numebot_dagster.lake import files, parquet
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.health.status import (
    Standing,
    Window,
)
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State
from tests.support.commands import numebot

NOW = datetime(2026, 6, 2, 12, 17, tzinfo=UTC)
OPEN = Window(1280, NOW - timedelta(minutes=17), NOW + timedelta(minutes=43))


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
        text = receipts.NOBODY_PLAYED
        receipts.append(lake, Receipt(name, played + 1, outcome=Outcome.MISSED, reason=text))

    text, code = numebot("status", "--rounds", "2")
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    dash = status_grid.LOOKS[Standing.UNPLAYED][0]
    assert f"{played + 2} to {played + 22} {dash} unplayed {dash} unplayed" in lines
    assert f"{played + 1} ✗ missed ✗ missed" in lines
    assert f"{played} Tue 02 Jun ✓ confirmed ✓ confirmed" in lines
    unseen = f"Rounds {played + 2} to {played + 22}: not played: closed before Numebot looked at it"
    assert unseen in lines
    assert text.count("unplayed") == 2
    assert f"Round {played + 1}, steady-1 and second: missed: {receipts.NOBODY_PLAYED}" in lines
    text, _ = numebot("status", "--json", "--rounds", "2")
    assert json.loads(text)["rounds_not_seen"] == list(range(played + 1, played + 23))


def record_rounds(world, number):
    """Record a played and a missed round and two days; return a damaged receipt."""
    lake = world.platform.lake
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
    for day in (1, 4):
        parquet.write(lake.day_file("leaderboard", date(2026, 5, day)), pl.DataFrame({"rank": [1]}))
    return damaged


def test_status_of_a_played_a_missed_and_an_open_round(world, monkeypatch):
    """Nothing is played for it: receipts are written as runs leave them."""
    number = world.open_round()
    damaged = record_rounds(world, number)
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", "json://127.0.0.1:9/")
    missed = Alert(Kind.ROUND_MISSED, "round/second", "second was missed", "do this")
    outbox.send(world.platform, missed)

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
