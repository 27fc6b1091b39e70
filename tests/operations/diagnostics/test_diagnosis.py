"""Diagnoses: which eras are judged by what, whether the numbers are right, and what is stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numerai_tools import scoring as official

from numebot_dagster.lake import catalog, files, parquet
from numebot_dagster.modeling import TrainingData
from numebot_dagster.modeling.weights.weight_store import NoWeights
from numebot_dagster.modeling.worker import past_eras as modeling_out_of_sample
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations.diagnostics import diagnosis as diagnosing
from numebot_dagster.operations.diagnostics import diagnosis_store, era_metrics, out_of_sample
from numebot_dagster.operations.diagnostics.diagnosis import Diagnosis, NotDiagnosed, NothingToJudge
from numebot_dagster.operations.rounds.gates import GateClosed

ERA = 140


def diagnose(research, name: str, **how) -> Diagnosis:
    research.train(name)
    return diagnosing.diagnose(research.platform, research.platform.registry[name], **how)


def subject_of(research, name: str) -> out_of_sample.Subject:
    model = research.platform.registry[name]
    return out_of_sample.open_subject(research.platform, model, research.train(name))


@pytest.fixture(scope="module")
def honest(research) -> Diagnosis:
    return diagnose(research, "Honest")


@pytest.fixture(scope="module")
def honest_on_all(research) -> Diagnosis:
    return diagnose(research, "HonestOnAll")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


# Which eras


def test_weights_that_have_not_seen_the_validation_are_judged_themselves(honest) -> None:
    corr = honest.by_era.filter(metric="corr")
    assert corr["era"].to_list() == list(range(57, 161))  # 41 to 56 are purged
    assert (honest.walk_forward, honest.refits) == (False, 0)
    assert honest.recipe == (
        "The weights of vintage 1300 themselves: trained on eras 1 to 40, scored on eras 57 to "
        "160, with at least 16 eras left out between."
    )


def test_a_recipe_that_trains_on_all_is_trained_anew(research) -> None:
    subject = subject_of(research, "HonestOnAll")
    plan = out_of_sample.plan(subject, refits=4, purge=subject.purge_eras)
    assert [
        (step.train[0], step.train[-1], step.test[0], step.test[-1]) for step in plan.refits
    ] == [
        (1, 24, 41, 70),
        (1, 54, 71, 100),
        (1, 84, 101, 130),
        (1, 114, 131, 160),
    ]
    assert plan.rows == dict.fromkeys(range(41, 161), 300)
    assert plan.purge_eras == 16


def test_the_number_of_refits_can_be_chosen(research) -> None:
    plan = out_of_sample.plan(subject_of(research, "HonestOnAll"), refits=7, purge=16)
    assert [len(step.test) for step in plan.refits] == [18, 18, 18, 18, 18, 18, 12]


def test_eras_without_the_scored_label_are_not_judged_although_a_20_day_model_learns_from_them(
    research,
) -> None:
    plan = out_of_sample.plan(subject_of(research, "OfTwentyDays"), refits=1, purge=16)
    assert max(plan.rows) == 160
    assert [(step.train[-1], step.test[0], step.test[-1]) for step in plan.refits] == [
        (24, 41, 160)
    ]


def test_the_held_out_eras_are_the_newest_104_labelled_ones(honest_on_all) -> None:
    assert honest_on_all.held_out_from == 57
    assert honest_on_all.summaries["corr"].n == 120
    assert honest_on_all.held_out["corr"].n == 104
    corr = honest_on_all.by_era.filter(pl.col("metric") == "corr", pl.col("era") >= 57)["value"]
    assert honest_on_all.held_out["corr"]["mean"].value == pytest.approx(corr.mean())


@pytest.mark.parametrize("name", ["Honest", "OfTwentyDays"])
def test_what_is_held_out_lies_a_purge_after_what_may_be_tuned_on(research, name: str) -> None:
    subject = subject_of(research, name)
    targets = subject.weights.manifest.targets
    data = TrainingData(subject.yardstick.files, (), targets, "all")
    first = era_metrics.held_out_from(subject.yardstick, targets)
    assert first == 57
    assert data.for_tuning().eras.max() == first - subject.purge_eras - 1


def test_refits_are_told_as_they_are_made(research, caplog) -> None:
    with caplog.at_level(logging.INFO, "numebot"):
        diagnosis = diagnose(research, "HonestOnAll", again=True)
    assert diagnosis.refits == 4
    assert 50 < diagnosis.peak_memory_mb < 3000
    lines = [record.message for record in caplog.records if "training" in record.message]
    assert lines == [
        "HonestOnAll: training 1 of 4, on eras 1 to 24, to predict eras 41 to 70",
        "HonestOnAll: training 2 of 4, on eras 1 to 54, to predict eras 71 to 100",
        "HonestOnAll: training 3 of 4, on eras 1 to 84, to predict eras 101 to 130",
        "HonestOnAll: training 4 of 4, on eras 1 to 114, to predict eras 131 to 160",
    ]


def test_eras_of_constant_predictions_have_no_score_and_are_told(research, caplog) -> None:
    diagnosis = diagnose(research, "Mute")
    # What does not vary contributes nothing, but correlates with nothing by no number.
    assert set(diagnosis.summaries) == {"benchmark_corr", "mmc", "bmc"}
    assert diagnosis.summaries["bmc"]["mean"].value == 0
    assert diagnosis.summaries["benchmark_corr"].n == 104
    assert len(diagnosis.exposure_by_feature) == 0
    assert "Mute: 104 of 104 eras have no CORR" in caplog.text


def test_there_may_be_nothing_to_judge(research) -> None:
    subject = subject_of(research, "HonestOnAll")
    with pytest.raises(NothingToJudge, match=r"the last training era, 160\. To pin newer data"):
        out_of_sample.plan(subject, refits=0, purge=16)


# The numbers


def test_scores_of_an_era_are_those_of_numerai_tools(research, honest) -> None:
    rows = _era_of(research, honest, ERA)
    frame = rows["prediction"].to_frame()
    target = rows["target_ender_60"]
    features = rows.filter(like="feature")

    def contribution(name: str) -> float:
        return official.correlation_contribution(frame, rows[name], target)["prediction"]

    neutralisers = [name for name in features if "code" not in name and "planted" not in name]
    exposures = features.corrwith(rows["prediction"]).dropna()
    benchmark = rows["v53_lgbm_ender60"]
    powered = official.tie_kept_rank__gaussianize__pow_1_5(frame)["prediction"]
    expected = {
        "corr": official.numerai_corr(frame, target)["prediction"],
        "mmc": contribution("numerai_meta_model"),
        "bmc": contribution("v53_lgbm_ender60"),
        "fnc": official.feature_neutral_corr(frame, features[neutralisers], target)["prediction"],
        "benchmark_corr": official.numerai_corr(benchmark.to_frame(), target).iloc[0],
        "correlation_with_benchmark": official.pearson_correlation(benchmark, powered),
        "correlation_with_meta_model": official.pearson_correlation(
            rows["numerai_meta_model"], powered
        ),
        "max_feature_exposure": exposures.abs().max(),
        "rms_feature_exposure": (exposures**2).mean() ** 0.5,
    }
    scores = dict(honest.by_era.filter(era=ERA).select("metric", "value").iter_rows())
    assert scores == pytest.approx(expected, abs=1e-12)


def _era_of(research, diagnosis: Diagnosis, era: int) -> pd.DataFrame:
    """Join all that is known of an era by id and sort it, as numerai-tools wants it."""
    stored = research.vintage.files
    whole = pl.scan_parquet(stored["validation.parquet"]).filter(era=f"{era:04d}")
    for other in (
        pl.scan_parquet(stored["meta_model.parquet"]).drop("era"),
        pl.scan_parquet(stored["validation_benchmark_models.parquet"]).drop("era"),
        pl.scan_parquet(diagnosis.predictions).filter(era=era).drop("era"),
    ):
        whole = whole.join(other, on="id", how="inner")
    frame = whole.collect().to_pandas().set_index("id").sort_index()
    assert len(frame) == 300
    return frame.drop(columns="era").astype(float)


def test_the_honest_model_has_skill_and_the_yardstick_is_named(honest) -> None:
    assert honest.target == "target_ender_60"
    assert honest.benchmark == "v53_lgbm_ender60"  # not the first, but the one for the target
    assert honest.summaries["corr"]["mean"].low > 0.2
    assert honest.exposure_by_feature["feature"][0] == "feature_true_signal_now"
    assert honest.exposure_by_feature["mean_exposure"][0] > 0.9
    assert len(honest.exposure_by_feature) == 10


def test_there_is_no_mmc_where_there_is_no_meta_model(honest) -> None:
    eras = honest.by_era.filter(metric="mmc")["era"].to_list()
    assert eras == list(range(135, 161))
    assert honest.summaries["mmc"].n == 26


def test_scores_of_overlapping_eras_count_less_than_exposures(honest) -> None:
    assert honest.summaries["corr"].effective_n < 104 / 10
    assert honest.summaries["max_feature_exposure"].effective_n == 104


def test_without_a_60_day_ender_scores_are_against_what_target_is(research, tmp_path) -> None:
    by = subject_of(research, "Honest").yardstick
    renamed = {}
    for name in ("train", "validation"):
        renamed[name] = tmp_path / f"{name}.parquet"
        table = pl.read_parquet(getattr(by.files, name))
        table.rename({"target_ender_60": "target_tomorrow_60"}).write_parquet(renamed[name])
    yardstick = era_metrics.yardstick(replace(by.files, **renamed), ["feature_true_signal_now"])
    assert yardstick.target == "target_tomorrow_60"
    assert yardstick.benchmark == "v53_lgbm_ender20"  # none is made for it: the first


def test_blocks_change_nothing(research, worker, honest, tmp_path, monkeypatch) -> None:
    subject = subject_of(research, "Honest")
    plan = out_of_sample.plan(subject, refits=0, purge=16)
    # As many bytes as ten eras of all ten features take.
    monkeypatch.setattr(modeling_out_of_sample, "BLOCK_BYTES", 10 * 300 * 260)
    assert len(list(modeling_out_of_sample.blocks(plan.rows, 10))) == 11
    out_of_sample.predict(research.platform, worker, subject, plan, tmp_path)
    verdict = era_metrics.judge(subject.yardstick, tmp_path / "predictions.parquet", plan.rows)
    assert parquet.read(tmp_path / "predictions.parquet").equals(parquet.read(honest.predictions))
    assert verdict.by_era.equals(honest.by_era)
    assert verdict.exposure_by_feature.equals(honest.exposure_by_feature)


# What is stored


def test_predictions_cover_every_row_of_the_judged_eras_in_order(research, honest) -> None:
    frame = parquet.read(honest.predictions)
    validation = pl.read_parquet(
        research.vintage.files["validation.parquet"], columns=["id", "era"]
    )
    number = validation["era"].cast(pl.Int16)
    assert frame["id"].equals(validation.filter(number.is_between(57, 160))["id"])
    assert frame["era"].to_list() == [era for era in range(57, 161) for _ in range(300)]
    assert frame["prediction"].is_between(0, 1, closed="none").all()
    ranked = frame.group_by("era").agg(pl.col("prediction").mean())["prediction"].to_numpy()
    np.testing.assert_allclose(ranked, 0.5)


def test_a_stored_diagnosis_is_read_back_and_not_made_again(research, honest) -> None:
    changed = honest.predictions.stat().st_mtime_ns
    model = research.platform.registry["Honest"]
    for diagnosis in (
        diagnosing.diagnose(research.platform, model),
        diagnosing.read_diagnosis(research.platform, model, 1300),
    ):
        for name in ("by_era", "exposure_by_feature"):
            assert getattr(diagnosis, name).equals(getattr(honest, name))
        assert diagnosis.summaries == honest.summaries
        assert diagnosis.held_out == honest.held_out
        assert diagnosis.recipe == honest.recipe
        assert diagnosis.predictions == honest.predictions
    assert honest.predictions.stat().st_mtime_ns == changed
    folder = honest.predictions.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "by_era.parquet", "diagnosis.json", "exposure_by_feature.parquet", "predictions.parquet",
    ]  # fmt: skip
    again = diagnosing.diagnose(research.platform, model, again=True)
    assert again.predictions.stat().st_mtime_ns != changed
    assert again.by_era.equals(honest.by_era)


def test_the_view(research, honest) -> None:
    frame = catalog.query(
        research.platform.lake,
        "SELECT model, vintage, code_hash, walk_forward, recipe, count(*) AS eras,"
        " avg(value) AS mean, count(*) FILTER (held_out) AS held_out FROM diagnostics"
        " WHERE metric = 'corr' AND model = 'Honest' GROUP BY ALL",
    )
    (row,) = frame.to_dicts()
    assert row.pop("mean") == pytest.approx(honest.summaries["corr"]["mean"].value)
    assert row == {
        "model": "Honest",
        "vintage": 1300,
        "code_hash": honest.code_hash,
        "walk_forward": False,
        "recipe": honest.recipe,
        "eras": 104,
        "held_out": 104,
    }


def test_figures_that_an_earlier_version_did_not_compute_are_added(own_research, honest) -> None:
    folder = own_research.platform.lake.diagnosis_folder("Honest", 1300, honest.code_hash)
    stored = folder / "diagnosis.json"
    facts = json.loads(stored.read_bytes())
    for summary in (*facts["summaries"].values(), *facts["held_out"].values()):
        del summary["max"], summary["max_low"], summary["max_high"]
    stored.write_text(json.dumps(facts))
    diagnosis = diagnosis_store.read(folder)
    for metric, summary in honest.held_out.items():
        assert diagnosis.held_out[metric]["max"].value == summary["max"].value
        assert diagnosis.held_out[metric].effective_n == summary.effective_n


def test_what_cannot_be_read_names_the_remedy(own_research, honest) -> None:
    platform = own_research.platform
    model = platform.registry["Honest"]
    folder = platform.lake.diagnosis_folder("Honest", 1300, honest.code_hash)
    assert folder.is_dir()
    for path in sorted(it for it in folder.iterdir() if it.name != "predictions.parquet"):
        content = path.read_bytes()
        path.unlink()  # its content is shared with the research of all tests
        for damaged in (b"", b"{}", content[:-9], content[: len(content) // 2]):
            path.write_bytes(damaged)
            with pytest.raises(NotDiagnosed, match="--again"):
                diagnosing.read_diagnosis(platform, model, 1300)
        path.write_bytes(content)
    assert diagnosing.read_diagnosis(platform, model, 1300).held_out_from == honest.held_out_from
    with pytest.raises(NotDiagnosed, match="numebot models diagnose Honest --vintage 1299"):
        diagnosing.read_diagnosis(platform, model, 1299)


def test_a_second_order_model_stands_on_the_diagnoses_of_its_inputs(own_research) -> None:
    platform = own_research.platform
    files.remove(platform.lake.root / "diagnostics")
    with pytest.raises(NotDiagnosed, match="numebot models diagnose HonestOnAll --vintage 1300"):
        diagnose(own_research, "Follower")
    first = diagnose(own_research, "HonestOnAll")
    diagnosis = diagnose(own_research, "Follower")
    assert diagnosis.by_era.filter(metric="corr")["era"].to_list() == list(range(57, 161))
    rows = _era_of(own_research, diagnosis, ERA)
    theirs = _era_of(own_research, first, ERA)
    expected = (theirs["prediction"] + rows["v53_lgbm_ender60"].astype(np.float32)).rank()
    assert rows["prediction"].corr(expected, method="spearman") == pytest.approx(1)


def test_weights_of_other_code_are_not_judged(own_research) -> None:
    own_research.train("Honest")
    module = own_research.folder / "honest_and_not.py"
    module.write_text(module.read_text() + "\nchanged = True\n")
    model = own_research.platform.registry["Honest"]
    with pytest.raises(diagnosing.OtherCode, match="numebot train --models Honest"):
        diagnosing.diagnose(own_research.platform, model)


def test_without_weights_there_is_nothing_to_judge(own_research) -> None:
    files.remove(own_research.platform.lake.root / "weights")
    model = own_research.platform.registry["Honest"]
    with pytest.raises(NoWeights, match="numebot train --models Honest"):
        diagnosing.diagnose(own_research.platform, model)


def test_weights_that_predict_otherwise_than_when_they_were_made_are_not_judged(research) -> None:
    with pytest.raises(GateClosed, match="canary"):
        diagnose(research, "Moody")
    lake = research.platform.lake
    assert lake.diagnosis_folders("Moody", 1300) == []
    assert list((lake.root / "diagnostics" / "model=Moody").rglob("*.parquet")) == []
