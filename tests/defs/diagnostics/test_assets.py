"""The diagnostics asset: what it shows of a vintage, and what it says when there is none."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.defs.model_assets import diagnostics_key
from numebot_dagster.lake import catalog
from numebot_dagster.operations.diagnostics.diagnosis_store import read_diagnosis
from numebot_dagster.reporting.embed import INLINE_LIMIT
from numebot_dagster.reporting.numbers import plotted
from tests.support.pictures import Drawing

OP = "models__{}__diagnostics"


@pytest.fixture
def diagnose(world, instance):
    """Run the job for one model, on the newest vintage by default."""

    def run(name, vintage=None, *, again=False):
        vintage = world.platform.lake.stored_vintages()[-1] if vintage is None else vintage
        instance.add_dynamic_partitions("vintages", [str(vintage)])
        model = world.platform.registry[name]
        return (
            world.definitions()
            .resolve_job_def("diagnose_job")
            .execute_in_process(
                instance=instance,
                partition_key=str(vintage),
                asset_selection=[diagnostics_key(model)],
                run_config={"ops": {OP.format(model.asset_name): {"config": {"again": again}}}},
                raise_on_error=False,
            )
        )

    return run


def shown(result):
    [event] = result.get_asset_materialization_events()
    assert event.asset_key.path[-1] == "diagnostics"
    return {key: value.value for key, value in event.materialization.metadata.items()}


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def svg_in(markdown):
    encoded = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,(.*)\)", markdown)
    assert encoded is not None
    return base64.b64decode(encoded.group(1))


def assert_tables_show(metadata, scores):
    """Find the figures of the view in the tables, which are in sight."""
    corr = scores["corr"]
    for table in ("held_out", "all_eras"):
        assert len(metadata[table]) < INLINE_LIMIT
        cells = {line[0]: line[1:] for line in map(cells_of, metadata[table].splitlines())}
        assert cells[f"{len(corr)} eras"][0] == "CORR"
        assert cells[f"{len(corr)} eras"][1] == f"MMC, {len(scores['mmc'])} eras"
        assert [cells[name][0] for name in ("mean", "std", "Sharpe")] == [
            f"{value:.4f}" for value in (corr.mean(), corr.std(), corr.mean() / corr.std())
        ]
        assert cells["mean"][2:] == [f"{scores[name].mean():.4f}" for name in ("bmc", "fnc")]


def assert_pictures_are_stored(metadata, lake):
    """Find the pictures of the vintage in the metadata, and as files."""
    [vintage] = lake.stored_vintages()
    assert len(metadata["corr_curve"]) < INLINE_LIMIT
    assert svg_in(metadata["corr_curve"]).startswith(b"<svg")
    for name in ("score_chart", "exposure_chart"):
        file = lake.figure(f"steady_1_{name}_{vintage}.svg")
        assert Drawing(file.read_text()).size[0] == 700
        assert f"](/numebot/figures/{file.name}?v=" in metadata[name]
        assert len(metadata[name]) < INLINE_LIMIT


def test_tables_charts_and_numbers_of_a_vintage(world, diagnose):
    result = diagnose("steady-1")
    assert result.success
    metadata, lake = shown(result), world.platform.lake
    assert "themselves: trained on eras 503 to 574" in metadata["recipe"]
    assert (metadata["target"], metadata["benchmark"]) == ("target_ender_60", "v53_lgbm_ender60")

    frame = catalog.query(lake, "from diagnostics where model = 'steady-1' order by era")
    scores = {name[0]: rows["value"].to_numpy() for name, rows in frame.group_by("metric")}
    corr = scores["corr"]
    assert_tables_show(metadata, scores)

    # Numbers to be plotted over vintages.
    summed = np.cumsum(corr)
    expected = {
        "mean_corr": corr.mean(),
        "sharpe": corr.mean() / corr.std(),
        "max_drawdown": (np.maximum.accumulate(summed) - summed).max(),
        "mean_mmc": scores["mmc"].mean(),
        "rms_exposure": scores["rms_feature_exposure"].mean(),
        "benchmark_corr": scores["benchmark_corr"].mean(),
        "with_benchmark": scores["correlation_with_benchmark"].mean(),
        "max_exposure": scores["max_feature_exposure"].max(),
        "held_out_eras": len(corr),
        "refits": 0,
    }
    rounded = {name: plotted(float(value)) for name, value in expected.items()}
    assert {name: metadata[name] for name in expected} == pytest.approx(rounded)

    assert_pictures_are_stored(metadata, lake)

    # What lies behind it.
    predictions = pl.read_parquet(metadata["predictions"])
    assert predictions.columns == ["id", "era", "prediction"]
    assert metadata["dagster/table_name"] == "diagnostics"
    assert metadata["dagster/uri"] == Path(metadata["predictions"]).parent.as_uri()


def test_a_model_that_has_seen_every_era_is_trained_anew(world, diagnose):
    registry = world.folder / "model_configs.csv"
    registry.write_text("numerai_name,model_code\ngreedy,quick_models:OnEverything\n")
    world.train("greedy")
    metadata = shown(diagnose("greedy"))
    assert "trained again 4 times walking forward over eras" in metadata["recipe"]
    assert "the weights in use have seen these eras" in metadata["recipe"]
    assert metadata["refits"] == 4
    predictions = pl.read_parquet(metadata["predictions"])
    vintage = world.platform.lake.stored_vintages()[-1]
    model = world.platform.registry["greedy"]
    by_era = read_diagnosis(world.platform, model, vintage).by_era
    judged = by_era.filter(pl.col("metric") == "corr")["era"]
    assert judged.to_list() == predictions["era"].unique().sort().to_list()
    assert len(judged) > 50  # all labelled validation eras of the practice data
    # A ridge that has learnt the very labels would score far better than any honest one.
    assert abs(metadata["mean_corr"]) < 0.1


def test_what_is_stored_is_shown_again_unless_it_shall_be_computed(world, diagnose):
    first = shown(diagnose("second"))
    second = shown(diagnose("second"))
    assert second == first
    third = shown(diagnose("second", again=True))
    assert third["seconds"] != first["seconds"]
    assert third["mean_corr"] == pytest.approx(first["mean_corr"], abs=1e-9)


def test_a_model_without_weights_names_the_command_that_makes_them(world, diagnose):
    world.register("untrained")
    result = diagnose("untrained")
    assert not result.success
    [failure] = result.get_step_failure_events()
    assert "numebot train --models untrained" in str(failure.step_failure_data.error)


def test_a_second_order_model_waits_for_its_inputs(world):
    registry = world.folder / "model_configs.csv"
    registry.write_text(
        "numerai_name,model_code,inputs\n"
        "stack,quick_models:Ridge,steady-1;second\n"
        "steady-1,quick_models:Ridge,\nsecond,quick_models:Stubborn,\n"
    )
    graph = world.definitions().resolve_asset_graph()
    models = world.platform.registry
    node = graph.get(diagnostics_key(models["stack"]))
    assert {key.to_user_string() for key in node.parent_keys} == {
        "models/stack/weights", "models/steady_1/diagnostics", "models/second/diagnostics",
    }  # fmt: skip
    for key in node.parent_keys:
        mapping = graph.get_partition_mapping(node.key, key)
        assert type(mapping).__name__ == "IdentityPartitionMapping"
