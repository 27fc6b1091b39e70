"""The chaos run: its plans, its audit, and its short form against a real tournament."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.practice.faults.book import place_fault
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import Settings
from tests.chaos import plan as chaos_plan
from tests.chaos import run
from tests.chaos.auditor.audit import audit_files, audit_round
from tests.chaos.auditor.predictions import OwnPredictions
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.template import MODELS_FILE, register, write_moods
from tests.chaos.harness.world import ChaosWorld, open_world
from tests.chaos.mutants.catalog import MUTANTS
from tests.chaos.plan import FALLBACKS, MODELS, RoundPlan
from tests.support.kill_points import HOLDS
from tests.support.world import TOURNAMENT, copy_participant

PLAYERS = MODELS[:2]
# Each costs a second or two of a core; the other defects are tried by `make test-slow`.
QUICK = {
    "each message posted five times",
    "no message near the deadline",
    "all confirmed, which is untrue",
    "uploads after the close",
    "predictions in reverse order",
    "confirmed without a download",
    "exit status 0 after a failure",
    "two uploads of one model",
    "a foreign file is replaced",
}
PLANS = [chaos_plan.plan_round(7, place, 50) for place in range(400)]


def test_a_plan_depends_on_seed_and_place_alone():
    assert [chaos_plan.plan_round(7, place, 50) for place in range(40)] == PLANS[:40]
    assert chaos_plan.plan_round(8, 1, 50) != PLANS[1]


def test_the_dice_know_every_trouble():
    attempts = [attempt for plan in PLANS for attempt in plan.attempts]
    kills = [attempt.kill for attempt in attempts if attempt.kill]
    assert {kill.victim for kill in kills} == {"run", "worker", "server", "daemon"}
    assert {kill.step for kill in kills} == {*HOLDS, None}
    assert any(attempt.twin for attempt in attempts)
    assert any(attempt.jump for attempt in attempts)
    assert any(plan.is_outage for plan in PLANS)
    assert any(plan.asleep for plan in PLANS)
    assert sum(plan.by_daemon for plan in PLANS) == 8


def test_the_tournament_knows_every_fault_that_is_planned():
    faults = [
        fault
        for plan in PLANS
        for fault in (*plan.lasting, *(planned for it in plan.attempts for planned in it.faults))
    ]
    for fault in faults:
        place_fault(fault, datetime.now(UTC))
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


# --- the auditor, on rounds that are really played


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A participant whose models have learned twice from the prepared vintage."""
    folder = tmp_path_factory.mktemp("chaos") / "trained"
    copy_participant(prepared, folder)
    shutil.copy(MODELS_FILE, folder)
    register(folder, PLAYERS)
    with PracticeServer(folder / TOURNAMENT) as practice:
        for name in PLAYERS:
            practice.add_model(name)
        key = practice.credentials
        platform = Platform(
            Settings(
                _env_file=None,
                numerai_api_url=practice.url,
                numerai_public_id=key.public_id,
                numerai_secret_key=key.secret_key,
                numerai_data_folder=folder / "data",
                model_configs_path=folder / "model_configs.csv",
            )
        )
        vintage = vintages.read_vintage(platform, platform.lake.stored_vintages()[-1])
        for number in (1, 2):
            write_moods(folder, {}, number)
            for model in platform.registry.enabled:
                trainer.train(platform, model, vintage, force=number > 1)
    return folder


@pytest.fixture(scope="module")
def chaos_world(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosWorld]:
    """The world of all tests here; each opens rounds of its own."""
    folder = tmp_path_factory.mktemp("chaos") / "participant"
    copy_participant(trained, folder)
    with open_world(folder, PLAYERS) as world:
        yield world


def findings_of(world: ChaosWorld, plans: list[RoundPlan], mutant: str | None = None) -> list[str]:
    """What the auditor says of rounds that are played with a defect planted, or without one."""
    world.player.changes = MUTANTS[mutant].named_changes if mutant else {}
    stage = Stage(world, calm_attempts=1)
    try:
        rounds = [stage.play(plan) for plan in plans]
    finally:
        world.player.changes = {}
    return [str(finding) for played in rounds for finding in audit_round(world, played)]


@pytest.mark.parametrize(
    "plan",
    [
        RoundPlan(0),
        RoundPlan(0, by_hand=("alpha",)),
        pytest.param(RoundPlan(0, carried=("alpha",)), marks=pytest.mark.slow),
        pytest.param(RoundPlan(0, moods={"alpha": "raise"}), marks=pytest.mark.slow),
        pytest.param(RoundPlan(0, moods={"alpha": "newest"}), marks=pytest.mark.slow),
        pytest.param(RoundPlan(0, asleep=True), marks=pytest.mark.slow),
    ],
    ids=["calm", "by hand", "carried over", "failing", "standing in", "asleep"],
)
def test_the_auditor_finds_nothing_in_the_product_as_it_is(chaos_world, plan):
    assert findings_of(chaos_world, [plan]) == []


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MUTANTS],
)
def test_the_auditor_finds_every_planted_defect(chaos_world, name):
    mutant = MUTANTS[name]
    kind, text = mutant.finding
    findings = findings_of(chaos_world, list(mutant.plans), name)
    assert [finding for finding in findings if finding.startswith(kind) and text in finding], (
        findings
    )


def test_each_source_of_predictions_is_told_from_the_others(chaos_world):
    played = Stage(chaos_world).play(RoundPlan(0, asleep=True))
    own = OwnPredictions(played.live, chaos_world.coefficients)
    for sources in own.sources.values():
        assert len({ranks.tobytes() for _, ranks in sources}) == len(sources) >= 2


def test_a_torn_file_is_found(trained, tmp_path):
    folder = tmp_path / "participant"
    shutil.copytree(trained, folder)
    world = ChaosWorld(folder, None)
    assert list(audit_files(world)) == []
    torn = next(world.lake_folder.rglob("*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-9])
    (world.lake_folder / "half.json").write_text('{"a":')
    assert [finding.kind for finding in audit_files(world)] == ["damaged", "damaged"]


# --- the run


def test_every_victim_and_every_step_of_an_upload(chaos_world):
    """Each kind of kill once, and a round of dice; daemons are for the long form."""
    world, outcome = chaos_world, run.Outcome(len(PLAYERS))
    plans = [plan for plan in chaos_plan.every_kill() if plan.attempts]
    plans.append(chaos_plan.plan_round(5, 34, 0))  # one with many faults
    findings = [
        str(finding)
        for of_round in run.play(world, plans, outcome, Console(quiet=True))
        for finding in of_round
    ]
    assert findings == [], (world.folder / "player.log").read_text()[-5000:]
    killed = Counter(kill for record in outcome.records for kill in record.kills)
    assert [step for step in HOLDS if not killed[f"run {step}"]] == []
    assert {name.split()[0] for name in killed} == {"run", "worker", "server"}
    assert sum(outcome.records[-1].faults.values()) >= 2
    assert outcome.last_line.endswith("lost 0 doubled 0 unreported 0 wrong 0")


def test_a_run_goes_on_where_a_slice_of_it_ended(tmp_path):
    path = tmp_path / "chaos.json"
    earlier, later = run.Outcome(2), run.Outcome(2)
    finding = run.Finding("lost", 1, 1300, "alpha", "could be submitted and was not")
    for place in range(4):
        findings = [finding] if place == 1 else []
        kills = ["run before the round is read"]
        earlier.records.append(run.Record(place, {"cut": 2}, kills, 3, 0, False, 1.5, findings))
    earlier.write(path)
    later.take_up(path, 3)  # the slice before ended within the fourth round
    assert [record.place for record in later.records] == [0, 1, 2]
    assert later.findings == [finding]
    assert later.last_line == (
        "rounds 3, models 2, faults 6, kills 3: lost 1 doubled 0 unreported 0 wrong 0"
    )
