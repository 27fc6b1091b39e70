"""Out-of-sample predictions scored by the practice tournament, with numerai-tools, over HTTP."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.numerai import diagnostics
from numebot_dagster.numerai.errors import DiagnosticsRefused, NumeraiError, NumeraiUnavailable
from numebot_dagster.operations.diagnostics import at_numerai
from numebot_dagster.operations.diagnostics.at_numerai import diagnose_at_numerai, slot_of
from numebot_dagster.operations.diagnostics.diagnosis import diagnose
from numebot_dagster.reporting.diagnostics_tables import (
    comparison_table,
    largest_differences,
    shared_eras,
)

# The practice tournament makes each era anew to score it: a second for four of them.
# The newest have a meta model, the oldest have none.
OLDEST, NEWEST = 2, 14


@pytest.fixture(scope="module")
def diagnosed(_module_world):
    """Return a world, its platform, and a diagnosis of which some eras are sent."""
    with pytest.MonkeyPatch.context() as patch:
        world = _module_world.enter(patch)
        platform = world.platform
        diagnosis = diagnose(platform, platform.registry["steady-1"])
        yield world, platform, replace(diagnosis, predictions=some_eras(diagnosis, world.folder))


def some_eras(diagnosis, folder, newest=NEWEST):
    frame = parquet.read(diagnosis.predictions)
    eras = frame["era"].unique().sort().to_list()
    sent = folder / f"some_eras_{newest}.parquet"
    chosen = eras[:OLDEST] + eras[len(eras) - newest :]
    frame.filter(pl.col("era").is_in(chosen)).write_parquet(sent)
    return sent


@pytest.fixture
def few(diagnosed):
    """Return the same with the oldest eras alone, where the scores do not matter."""
    world, platform, diagnosis = diagnosed
    return world, platform, replace(diagnosis, predictions=some_eras(diagnosis, world.folder, 0))


@pytest.fixture
def world(diagnosed, enter):
    world, _, _ = diagnosed
    yield enter(world)
    world.practice.remove_faults()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(diagnostics, "FIRST_PAUSE", 0.05)


def send(diagnosed, report=lambda status: None):
    world, _, diagnosis = diagnosed
    return diagnose_at_numerai(world.platform, diagnosis, report)


@pytest.fixture(scope="module")
def scored(diagnosed):
    """Return what the tournament made of them, and what was told meanwhile."""
    statuses = []
    return send(diagnosed, statuses.append), statuses


def test_our_scores_are_those_of_numerai_tools(world, scored, diagnosed):
    (official, statuses), (_, _, diagnosis) = scored, diagnosed
    rows = parquet.read(diagnosis.predictions).height
    assert statuses[0].startswith(f"sending {rows:,} predictions, ")
    assert {"running"} <= set(statuses[1:]) <= {"pending", "running"}

    eras = OLDEST + NEWEST
    assert official.eras_accepted == eras
    shared = shared_eras(diagnosis.by_era, official)
    counts = dict(shared.group_by("metric").len().iter_rows())
    assert 5 < counts.pop("mmc") <= NEWEST
    assert counts == dict.fromkeys(("corr", "bmc", "fnc", "max_feature_exposure"), eras)
    # Ranks were sent with seven decimals: what depends on ranks alone is the same to rounding.
    sizes = {
        difference.metric: difference.size
        for difference in largest_differences(diagnosis.by_era, official)
    }
    assert max(sizes["corr"], sizes["bmc"], sizes["fnc"]) < 1e-12
    assert max(sizes.values()) < 1e-6

    table = comparison_table(diagnosis.by_era, official)
    assert table["figure"].to_list() == [
        "mean", "std", "Sharpe", "max drawdown", "mean", "std", "Sharpe", "mean", "mean", "max",
    ]  # fmt: skip
    assert (table["ours"] - table["numerai"]).abs().max() < 1e-6
    # No round was touched.
    assert world.rows("SELECT count(*) AS n FROM submissions")[0]["n"] == 0


def test_predictions_of_another_model_are_seen_to_differ(scored, diagnosed):
    """The comparison can fail: the same eras with other predictions are far apart."""
    _, platform, _ = diagnosed
    official, _ = scored
    other = diagnose(platform, platform.registry["second"])
    sizes = {
        difference.metric: difference.size
        for difference in largest_differences(other.by_era, official)
    }
    assert sizes["corr"] > 1e-3


def test_faults_and_slow_answers_on_the_way_are_waited_out(world, few):
    world.practice.add_fault("status", where="graphql:diagnostics", times=2, values={"status": 503})
    world.practice.add_fault("latency", where="graphql:diagnostics", times=1, values={"seconds": 1})
    assert send(few).eras_accepted == OLDEST


def test_an_answer_that_does_not_come_in_time(world, few, monkeypatch):
    monkeypatch.setattr(at_numerai, "PATIENCE", 0.0)
    with pytest.raises(NumeraiUnavailable, match=r"not finished diagnostics \S+ after 0 s"):
        send(few)


def test_a_file_that_arrived_in_part_is_refused_with_numerais_reason(world, few):
    world.practice.add_fault("truncated-upload", where="upload:*", times=1, values={"bytes": 2000})
    with pytest.raises(DiagnosticsRefused, match=r"cannot score .*: .*era|number"):
        send(few)


def test_a_model_that_the_account_lacks(world):
    with pytest.raises(NumeraiError, match="account has no model nobody: `numebot doctor` lists"):
        slot_of(world.platform, "nobody")
