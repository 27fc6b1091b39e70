"""The chaos run: its plans, its audit, and its short form against a real tournament."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from rich.console import Console

from benchmarks import chaos, chaos_audit, chaos_plan, chaos_world
from benchmarks.chaos_plan import FALLBACKS, MODELS, STEPS, Attempt, Kill, RoundPlan
from numebot_dagster.practice.fault_checks import check, values_of
from numebot_dagster.practice.fault_kinds import KINDS
from numebot_dagster.practice.server import PracticeServer

HONEST = ("steady-1",)
PLANS = [chaos_plan.plan_round(7, place, 50) for place in range(400)]


def test_a_plan_depends_on_seed_and_place_alone():
    assert [chaos_plan.plan_round(7, place, 50) for place in range(40)] == PLANS[:40]
    assert chaos_plan.plan_round(8, 1, 50) != PLANS[1]


def test_the_dice_know_every_trouble():
    attempts = [attempt for plan in PLANS for attempt in plan.attempts]
    kills = [attempt.kill for attempt in attempts if attempt.kill]
    assert {one.victim for one in kills} == {"run", "worker", "server", "daemon"}
    assert {one.step for one in kills} == {*STEPS, None}
    assert any(attempt.twin for attempt in attempts)
    assert any(attempt.jump for attempt in attempts)
    assert any(plan.is_outage for plan in PLANS)
    assert any(plan.asleep for plan in PLANS)
    assert sum(plan.by_daemon for plan in PLANS) == 8


def test_the_tournament_knows_every_fault_that_is_planned():
    faults = [
        fault
        for plan in PLANS
        for fault in (*plan.lasting, *(one for it in plan.attempts for one in it.faults))
    ]
    for fault in faults:
        kind = KINDS[fault["kind"]]
        check(kind, fault)
        values_of(kind, fault.get("values", {}))
    assert len({fault["kind"] for fault in faults}) >= 20


def test_what_lasts_to_the_close_decides_what_can_be_submitted():
    assert all(RoundPlan(0).can_be_submitted(model) for model in MODELS)
    bad = RoundPlan(0, moods={"alpha": "newest", "beta": "hang", "gamma": "nan", "delta": "exit"})
    assert [bad.can_be_submitted(model) for model in MODELS] == [True, True, True, False, True]
    assert not any(RoundPlan(0, asleep=True).can_be_submitted(model) for model in MODELS)
    outage = next(plan for plan in PLANS if plan.is_outage)
    assert not any(outage.can_be_submitted(model) for model in MODELS)
    # Whom another model falls back to is never in a mood of its own.
    for plan in PLANS:
        assert all(FALLBACKS[name] not in plan.moods for name in plan.moods if name in FALLBACKS)


# --- the audit, on states written by hand


def world_of(folder: Path, entries: list, receipts: list, alerts: list) -> SimpleNamespace:
    """A world as its files show it: entries are (filename, content, error or None)."""
    database = sqlite3.connect(folder / "state.sqlite")
    database.row_factory = sqlite3.Row
    database.executescript(
        "CREATE TABLE models (id, name); INSERT INTO models VALUES ('m', 'alpha');"
        "CREATE TABLE uploads (filename, sha256);"
        "CREATE TABLE submissions (model_id, round, kind, filename, inserted_at, error);"
    )
    for filename, content, error in entries:
        digest = hashlib.sha256(content).hexdigest()
        database.execute("INSERT INTO uploads VALUES (?, ?)", (filename, digest))
        database.execute(
            "INSERT INTO submissions VALUES ('m', 9, 'window', ?, '', ?)", (filename, error)
        )
    data = folder / "data"
    place = data / "submissions" / "model=alpha" / "round=9"
    place.mkdir(parents=True)
    for index, (state, filename, content, rung) in enumerate(receipts):
        row = {
            "state": state,
            "outcome": "on_time",
            "filename": filename,
            "rung": rung,
            "predictions_sha256": hashlib.sha256(content).hexdigest(),
            "reason": None,
        }
        pl.DataFrame([row]).write_parquet(place / f"{index:020d}.parquet")
    for index, kind in enumerate(alerts):
        path = data / "alerts" / f"kind={kind}" / f"{index:x}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        models = "omega,alpha" if kind == "round-missed" else "alpha"
        alert = {"kind": kind, "subject": f"round-9/{models}", "title": kind}
        path.write_text(json.dumps(alert))
    return SimpleNamespace(
        models=("alpha",),
        lake_folder=data,
        receiver=SimpleNamespace(titles={*alerts}),
        rows=lambda query, *values: database.execute(query, values).fetchall(),
    )


CONFIRMED = [("pending", "a", b"1", "live"), ("confirmed", "a", b"1", "live")]
LOWER = [("confirmed", "a", b"1", "previous")]
DOOMED = RoundPlan(0, moods={"alpha": "raise"})
TROUBLED = RoundPlan(0, attempts=(Attempt(kill=Kill("run")),))


@pytest.mark.parametrize(
    ("plan", "entries", "receipts", "alerts", "kinds"),
    [
        (RoundPlan(0), [("a", b"1", None)], CONFIRMED, [], []),
        (RoundPlan(0), [], [], ["round-missed"], ["lost"]),
        (RoundPlan(0), [], [], [], ["lost", "unreported"]),
        (RoundPlan(0), [("a", b"1", "bad")], CONFIRMED, ["round-missed"], ["lost", "lost"]),
        (RoundPlan(0), [("a", b"1", None), ("b", b"1", None)], CONFIRMED, [],
         ["lost", "doubled", "unreported"]),
        (RoundPlan(0), [("a", b"2", None)], CONFIRMED, [], ["lost"]),
        (RoundPlan(0), [("a", b"1", None)], CONFIRMED[:1], [], ["unreported"]),
        (RoundPlan(0), [("a", b"1", None)], CONFIRMED, ["model-failed"], ["unfounded"]),
        (TROUBLED, [("a", b"1", None)], CONFIRMED, ["model-failed"], []),
        (TROUBLED, [("a", b"1", None)], CONFIRMED, ["round-missed"], ["unfounded"]),
        (DOOMED, [], [], ["model-failed"], []),
        (DOOMED, [], [], [], ["unreported"]),
        (DOOMED, [("a", b"1", None)], LOWER, ["fallback-used"], []),
        (DOOMED, [("a", b"1", None)], LOWER, [], ["unreported"]),
        (TROUBLED, [("a", b"1", None)], LOWER, ["fallback-used"], ["lost"]),
        (TROUBLED, [("a", b"1", None), ("b", b"2", None)],
         [*LOWER, ("confirmed", "b", b"2", "live")], ["fallback-used"], []),
        (TROUBLED, [("a", b"1", "turned invalid"), ("b", b"1", None)],
         [*CONFIRMED, ("confirmed", "b", b"1", "live")], [], []),
    ],
)  # fmt: skip
def test_the_audit_finds_what_must_not_be(tmp_path, plan, entries, receipts, alerts, kinds):
    world = world_of(tmp_path, entries, receipts, alerts)
    assert [one.kind for one in chaos_audit.audit_round(world, plan, 9)] == kinds


def test_an_alert_that_never_arrived_and_a_torn_file_are_found(tmp_path):
    world = world_of(tmp_path, [("a", b"1", None)], LOWER, ["fallback-used"])
    world.receiver.titles.clear()
    [finding] = chaos_audit.audit_round(world, DOOMED, 9)
    assert "never arrived: fallback-used" in str(finding)
    assert list(chaos_audit.audit_files(world)) == []
    torn = next(world.lake_folder.rglob("*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-9])
    (world.lake_folder / "half.json").write_text('{"a":')
    assert [one.kind for one in chaos_audit.audit_files(world)] == ["damaged", "damaged"]


# --- the short form


def test_every_victim_and_every_step_of_an_upload(prepared, tmp_path):
    """Each kind of kill once, and a round of dice; daemons are for the long form."""
    folder = tmp_path / "participant"
    shutil.copytree(prepared, folder)
    registry = "numerai_name,model_code,description\nsteady-1,quick_models:Ridge,\n"
    (folder / "model_configs.csv").write_text(registry)
    outcome = chaos.Outcome(len(HONEST))
    plans = [plan for plan in chaos_plan.every_kill() if plan.attempts]
    plans.append(chaos_plan.plan_round(5, 34, 0))  # one with many faults
    with (
        PracticeServer(folder / "tournament") as served,
        chaos_world.joined(folder, served, HONEST) as world,
    ):
        findings = [
            str(one)
            for found in chaos.play(world, plans, outcome, Console(quiet=True))
            for one in found
        ]
    assert findings == [], (folder / "player.log").read_text()[-5000:]
    killed = Counter(kill for one in outcome.played for kill in one.kills)
    assert [step for step in STEPS if not killed[f"run {step}"]] == []
    assert {name.split()[0] for name in killed} == {"run", "worker", "server"}
    assert outcome.played[-1].struck.total() >= 2
    assert outcome.last_line.endswith("lost 0 doubled 0 unreported 0")
