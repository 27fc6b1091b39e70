"""The suggestion of stakes from scores by era that are stored, through the command."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake import parquet, tables
from numebot_dagster.lake.layout import Lake
from tests.support import quick_models
from tests.support.commands import run_here

ERAS = 200
CONFIG = {
    "name": "corr60",
    "display_name": "corr60",
    "is_payout": True,
    "default_multiplier": 3.0,
    "clip_threshold": 1.0,
    "total_score_days": 60,
}
PAID = [CONFIG, {**CONFIG, "name": "mmc60", "display_name": "mmc60", "default_multiplier": 15.0}]


class Folder:
    """A participant's folder without a tournament."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake(folder / "data")
        shutil.copy(Path(quick_models.__file__), folder)
        self.lake.root.mkdir()

    def register(self, *names: str) -> None:
        rows = "".join(f"{name},quick_models:Ridge\n" for name in names)
        (self.folder / "model_configs.csv").write_text("numerai_name,model_code\n" + rows)

    def store_round(self, configs=PAID) -> None:
        row = {"round": 1400, "score_configs": json.dumps(configs)}
        frame = pl.DataFrame([row], schema=tables.ROUNDS.schema)
        parquet.write(self.lake.round_details(1400), frame)

    def diagnose(self, model: str, corr, mmc, vintage: int = 1300, first: int = 600) -> None:
        rows = [
            (first + place, metric, float(value), False, False, "unseen eras")
            for metric, values in (("corr", corr), ("mmc", mmc))
            for place, value in enumerate(values)
        ]
        frame = pl.DataFrame(rows, schema=tables.DIAGNOSTICS.schema, orient="row")
        folder = self.lake.diagnosis_folder(model, vintage, "0123abcd")
        parquet.write(folder / "by_era.parquet", frame)

    def plan(self, *arguments: str):
        environment = {
            **os.environ,
            "NUMERAI_DATA_FOLDER": str(self.lake.root),
            "MODEL_CONFIGS_PATH": str(self.folder / "model_configs.csv"),
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "COLUMNS": "130",
        }
        return run_here(self.folder, "stake-plan", *arguments, environment=environment)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("NUMERAI_API_URL", "NUMERAI_PUBLIC_ID", "NUMERAI_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Folder(tmp_path)


@pytest.fixture
def fleet(folder):
    """Return three models: two of them almost the same."""
    random = np.random.default_rng(3)
    folder.register("a", "b", "c")
    folder.store_round()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        own = np.random.default_rng(seed)
        corr, mmc = own.normal(0.02, 0.03, ERAS), own.normal(0.003, 0.005, ERAS)
        noise = random.normal(0, 0.0003, ERAS)
        folder.diagnose(name, corr + noise, mmc + noise)
    return folder


def test_equal_weight_by_cluster(fleet):
    answer = fleet.plan("--total", "128", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    plan = json.loads(answer.stdout)
    models = {model["model"]: model for model in plan["models"]}
    assert [models[name]["cluster"] for name in "abc"] == [1, 1, 2]
    assert {name: Decimal(model["nmr"]) for name, model in models.items()} == {
        "a": Decimal("0.50"), "b": Decimal("0.50"), "c": Decimal("1.00"),
    }  # fmt: skip
    assert sum(Decimal(model["nmr"]) for model in models.values()) * 64 <= 128
    assert models["a"]["closest"][0] == "b"
    assert models["a"]["reason"] == ("one of 2 equal shares, split among 2 models that are one bet")
    assert not any(model["differs"] for model in models.values())
    assert plan["eras"] == ERAS


def test_means_are_those_of_the_rounds_own_rule(fleet):
    plan = json.loads(fleet.plan("--total", "128", "--format", "json").stdout)
    for model in plan["models"]:
        path = fleet.lake.diagnosis_folder(model["model"], 1300, "0123abcd") / "by_era.parquet"
        frame = parquet.read(path)
        corr, mmc = (
            frame.filter(pl.col("metric") == metric).sort("era")["value"].to_numpy()
            for metric in ("corr", "mmc")
        )
        returns = np.clip(3 * corr + 15 * mmc, -1, 1)
        assert model["mean"]["value"] == pytest.approx(returns.mean())
        assert model["mean"]["low"] < returns.mean() < model["mean"]["high"]


def test_the_table_says_what_it_rests_on_and_that_it_never_acts(fleet):
    text = " ".join(fleet.plan("--total", "128").stdout.split())
    for part in (
        "There is no evidence for a difference between the models",
        "3 x corr + 15 x mmc, clipped at 1 (round 1400) over 200 unseen eras",
        "2.0 NMR after 1, 32.0 NMR after 16, 64.0 NMR after 32, 96.0 NMR after 48, 128.0 NMR",
        "Numebot never moves stake",
    ):
        assert part in text, part


def test_a_model_that_is_better_beyond_chance_is_named(folder):
    folder.register("a", "b", "c")
    folder.store_round()
    for seed, (name, mean) in enumerate([("a", 0.0), ("b", 0.0), ("c", 0.2)]):
        random = np.random.default_rng(seed)
        folder.diagnose(name, random.normal(mean, 0.02, ERAS), random.normal(0, 0.002, ERAS))
    text = " ".join(folder.plan("--total", "64").stdout.split())
    assert "c earned more" in text
    assert "no evidence" not in text


def test_a_model_without_enough_eras_is_left_out_by_name(fleet):
    fleet.register("a", "c", "new")
    fleet.diagnose("new", [0.01] * 20, [0.001] * 20)
    text = " ".join(fleet.plan("--total", "64").stdout.split())
    counts = "new has 20 eras of corr and 20 eras of mmc, of 20 in its diagnosis"
    assert f"Left out, without enough eras: {counts}" in text


def test_the_newest_vintage_counts(fleet):
    fleet.register("a", "c")
    random = np.random.default_rng(9)
    fleet.diagnose("a", random.normal(0.5, 0.01, ERAS), random.normal(0, 0.001, ERAS), vintage=1390)
    plan = json.loads(fleet.plan("--total", "64", "--format", "json").stdout)
    assert plan["models"][0]["mean"]["value"] > 0.9


def test_the_total_is_what_is_at_stake(fleet):
    row = ("a", 1400, Decimal(32), "1.0", 1.0, date(2026, 12, 1), False, *(None,) * 6)
    frame = pl.DataFrame([row], schema=tables.POSITIONS.schema, orient="row")
    parquet.write(fleet.lake.day_file("positions", datetime.now(UTC).date()), frame)
    plan = json.loads(fleet.plan("--format", "json").stdout)
    assert Decimal(plan["total"]) == 32


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no stake is known: say how many NMR may be at stake, as --total 100"),
        (("--total", "much"), "--total much: write an amount of NMR above zero"),
        (("--total", "-1"), "--total -1: write an amount of NMR above zero"),
        (("--total", "1", "--models", "d"), "d is not among the enabled models"),
    ],
)
def test_what_cannot_be_meant_is_explained(fleet, arguments, text):
    answer = fleet.plan(*arguments)
    assert answer.returncode == 1
    assert text in answer.stderr


@pytest.mark.parametrize(
    ("configs", "text"),
    [
        (None, "No round is stored. To store one: numebot rounds add"),
        ([], "Round 1400 is stored without what it pays on"),
        ([{**CONFIG, "display_name": "season"}], "Round 1400 pays for season"),
        (PAID, "a has no diagnosis; to make one: numebot models diagnose a."),
    ],
)
def test_what_is_missing_is_named(folder, configs, text):
    folder.register("a")
    if configs is not None:
        folder.store_round(configs)
    answer = folder.plan("--total", "64")
    assert answer.returncode == 1
    assert text in answer.stderr


@pytest.mark.parametrize(
    ("vintage", "help_"),
    [
        (1300, ", which is of its newest weights: newer data will have more eras."),
        (1350, " of vintage 1300; to diagnose vintage 1350: numebot models diagnose a."),
    ],
)
def test_too_few_eras_are_counted(folder, vintage, help_):
    folder.register("a")
    folder.store_round()
    folder.diagnose("a", [0.01] * 55, [0.001] * 13)
    folder.lake.weights_folder("a", vintage, "0123abcd").mkdir(parents=True)
    shown = " ".join(folder.plan("--total", "64").stderr.split())
    assert "with scores of 52 eras in corr and mmc, and there is none." in shown
    assert f"a has 55 eras of corr and 13 eras of mmc, of 55 in its diagnosis{help_}" in shown


def test_models_without_common_eras(folder):
    folder.register("a", "b")
    folder.store_round()
    folder.diagnose("a", [0.01] * 60, [0.001] * 60)
    folder.diagnose("b", [0.01] * 60, [0.001] * 60, first=650)
    answer = folder.plan("--total", "64")
    assert "Only 10 eras have scores of all of a, b" in answer.stderr
