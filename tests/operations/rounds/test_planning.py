"""The plan of the hour: in which order, how long each takes, and who is too late."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.lake import parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker.messages import ModelCode
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import planning
from numebot_dagster.operations.rounds.planning import last_known_stakes
from numebot_dagster.settings import Settings
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecords, Rung, State

NUMBER = 1300
NAMES = ("a", "b", "c")


@pytest.fixture
def platform(tmp_path):
    (tmp_path / "some_models.py").write_text("class Model: pass\n")
    rows = [f"{name},some_models:Model" for name in NAMES]
    (tmp_path / "models.csv").write_text("\n".join(["numerai_name,model_code", *rows]))
    return Platform(
        Settings(
            _env_file=None,
            numerai_data_folder=tmp_path / "data",
            model_configs_path=tmp_path / "models.csv",
        )
    )


def round_of(number=NUMBER, seconds=3600.0, opens_in=600.0):
    opens = datetime.now(UTC) + timedelta(seconds=opens_in)
    return Round(number, opens, opens + timedelta(seconds=seconds))


def played(platform, number, **seconds):
    """Record a round of the past, in which each model took so long."""
    parquet.write(platform.lake.round_details(number), pl.DataFrame({"round": [number]}))
    for name, taken in seconds.items():
        receipts.append(platform.lake, Receipt(name, number, predict_seconds=taken))


def staked(lake, day, **stakes):
    rows = {"model": list(stakes), "nmr_staked": list(stakes.values()), "own": [True] * len(stakes)}
    frame = pl.DataFrame(rows, schema_overrides={"nmr_staked": pl.Float64})
    parquet.write(lake.day_file("leaderboard", day), frame)


def store_weights(platform, prepared, name, vintage, code, time_budget):
    [place] = Lake(prepared / "data").weights_folders("steady-1")
    folder = platform.lake.weights_folder(name, vintage, code)
    shutil.copytree(place.path, folder)
    manifest = replace(weight_store.read_manifest(folder), time_budget=time_budget)
    weight_store.write_manifest(folder, manifest)


def test_the_last_rounds_measure_each_model(platform):
    for number, taken in zip(range(1290, 1298), (900, 900, 900, 3, 1, 4, 1, 5), strict=True):
        played(platform, number, a=float(taken), b=None)
    played(platform, NUMBER, a=1000.0)  # the round itself is no past one
    stand_in = Receipt("c", 1297, rung=Rung.FALLBACK, predict_seconds=1.0)
    receipts.append(platform.lake, stand_in)
    measured = planning.measured_seconds(platform.lake, NAMES, NUMBER)
    assert measured == {"a": 3.0}  # the median of the last five


def test_a_plan_says_when_each_model_ends(platform, prepared):
    staked(platform.lake, date(2026, 6, 1), a=1.0, b=2.0, c=3.0)
    played(platform, 1299, a=10.0, b=20.0)
    store_weights(platform, prepared, "c", 1290, "old", 500.0)
    round_ = round_of(seconds=530 + planning.UPLOAD_SECONDS - 1)
    plan = planning.plan_hour(platform, platform.registry.enabled, round_)
    slots = [
        (slot.model, slot.position, slot.seconds, slot.measured, slot.fits) for slot in plan.slots
    ]
    assert slots == [
        ("c", 1, 500.0, False, True),
        ("b", 2, 20.0, True, True),
        ("a", 3, 10.0, True, False),
    ]
    ends = [(slot.ends_at - round_.open_time).total_seconds() for slot in plan.slots]
    assert ends == [500 + planning.UPLOAD_SECONDS, 520 + planning.UPLOAD_SECONDS,
                    530 + planning.UPLOAD_SECONDS]  # fmt: skip
    assert plan.measured == {"a": 10.0, "b": 20.0}
    assert "c up to 500 s, b 20 s, a 10 s" in plan.text
    assert (plan.alert.kind, plan.alert.subject) == (Kind.PLAN_TOO_LONG, f"round-{NUMBER}")
    assert "a (10 s)" in plan.alert.text
    assert f"numebot run --round {NUMBER} --models a" in plan.alert.text
    # One second more, and all fit; a round that is open already has less left.
    longer = replace(round_, close_staking_time=round_.close_staking_time + timedelta(seconds=2))
    assert planning.plan_hour(platform, platform.registry.enabled, longer).too_late == []
    open_now = round_of(seconds=1000, opens_in=-600)
    late = planning.plan_hour(platform, platform.registry.enabled, open_now).too_late
    assert [slot.model for slot in late] == ["c", "b", "a"]


def test_nothing_is_planned_for_what_is_held_already(platform):
    for name, state, rung in (
        ("a", State.CONFIRMED, Rung.LIVE),
        ("b", State.CONFIRMED, Rung.PREVIOUS),
    ):
        receipt = Receipt(name, NUMBER, outcome=Outcome.ON_TIME, state=state, rung=rung)
        receipts.append(platform.lake, receipt)
    models, records = platform.registry.enabled, RoundRecords(platform.lake, NUMBER)
    plan = planning.plan_the_rest(platform, models, round_of(), records)
    assert [slot.model for slot in plan.slots] == ["b", "c"]
    assert planning.plan_the_rest(platform, models[:1], round_of(), records).slots == ()


@pytest.mark.parametrize(("vintage", "expected"), [(None, 7.0), (1290, 9.0), (1280, 0.0)], ids=str)
def test_the_time_budget_is_that_of_the_weights_to_be_tried_first(
    platform, prepared, vintage, expected
):
    store_weights(platform, prepared, "a", 1290, "old", 9.0)
    store_weights(platform, prepared, "a", 1295, "older", 7.0)
    damaged = platform.lake.weights_folder("a", 1299, "new")
    damaged.mkdir(parents=True)
    model = replace(platform.registry["a"], vintage=vintage)
    assert planning.time_budget(platform.lake, model) == expected


def test_stakes_are_those_of_the_newest_snapshot_that_knows_them(platform):
    lake = platform.lake
    assert last_known_stakes(lake) == {}
    staked(lake, date(2026, 5, 1), a=9.0, b=9.0)  # more than a week of snapshots ago
    for day in range(1, 7):
        staked(lake, date(2026, 6, day), a=float(day))
    staked(lake, date(2026, 6, 3), a=3.0, b=0.125)
    staked(lake, date(2026, 6, 7), a=None, c=2.5)
    assert last_known_stakes(lake) == {
        "a": Decimal("6.0"),
        "b": Decimal("0.125"),
        "c": Decimal("2.5"),
    }


STAKES = st.dictionaries(st.sampled_from("abcdef"), st.decimals(0, 100, places=2), max_size=6)


@given(STAKES, st.dictionaries(st.sampled_from("bcdef"), st.sampled_from("abc"), max_size=5))
def test_an_order_loses_nobody_and_breaks_no_chain(stakes, inputs):
    """Without inputs a larger known stake always goes before a smaller one."""
    models = [
        RegisteredModel(
            *(name, name, "m", ModelCode("m", "M")),
            inputs=tuple(source for source in inputs.get(name, "") if source < name),
        )
        for name in "abcdef"
    ]
    order = planning.playing_order(models, stakes)
    assert sorted(model.name for model in order) == list("abcdef")
    place = {model.name: number for number, model in enumerate(order)}
    assert all(place[name] < place[model.name] for model in models for name in model.inputs)
    if not any(model.inputs for model in models):
        manifest = [stakes[model.name] for model in order if model.name in stakes]
        assert manifest == sorted(manifest, reverse=True)
