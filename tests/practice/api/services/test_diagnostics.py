"""Diagnostics of uploaded validation predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numerai_tools import scoring

from numebot_dagster.practice.api.services.diagnostics import UnusableFile, read, summary
from numebot_dagster.practice.datasets.contents import WEEKS_UNKNOWN
from numebot_dagster.practice.server import PracticeServer
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL = "example_model"


def validation(tournament: ServedTournament, eras: list[int]) -> pd.DataFrame:
    market = tournament.market
    days = [market.saturday_of(era) for era in eras]
    return pd.concat(
        pd.DataFrame({"id": market.live_ids(d), "prediction": market.rival_predictions(d, 0.5, 9)})
        for d in days
    )


def finished(tournament: ServedTournament, identifier: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        result = tournament.api.diagnostics(tournament.model_id(MODEL), identifier)[0]
        return None if result["status"] in ("pending", "running") else result

    return until(ended, 60)


def era_scores(tournament: ServedTournament, table: pd.DataFrame, era: int) -> dict[str, float]:
    """Score the predictions of an era by numerai-tools, MMC where there was a meta model."""
    market = tournament.market
    day = market.saturday_of(era)
    ids = market.live_ids(day)
    mine = table.set_index("id").loc[ids]
    target = pd.Series(market.realised_target(day, 60).astype(float), ids, name="target")
    benchmark = pd.Series(market.benchmarks(day)["v53_lgbm_ender60"], ids)
    features = pd.DataFrame(market.live_features(day).astype(float), ids)
    names = market.features_json()["feature_sets"]["fncv3_features"]
    columns = [market.feature_names.index(name) for name in names]
    scores = {
        "validationCorr": scoring.numerai_corr(mine, target)["prediction"],
        "validationBmc": scoring.correlation_contribution(mine, benchmark, target)["prediction"],
        "validationFeatureCorrMax": scoring.max_feature_correlation(mine["prediction"], features)[
            1
        ],
        "validationFeatureNeutralCorrV3": scoring.feature_neutral_corr(
            mine, features[columns], target
        )["prediction"],
    }
    if era > tournament.market.scale.train_eras + 1:
        meta = pd.Series(tournament.crowd.meta_model(day), ids)
        mmc = scoring.correlation_contribution(mine, meta, target)["prediction"]
        scores["validationMmc"] = mmc
    return scores


def test_diagnostics_are_those_of_numerai_tools(tournament: ServedTournament) -> None:
    market, scale = tournament.market, tournament.market.scale
    newest = market.last_validation_era(pd.Timestamp("2026-06-01").date())
    labelled = newest - WEEKS_UNKNOWN[60]
    whole = [scale.train_eras + 1, labelled - 1, labelled]
    table = validation(tournament, [*whole, scale.train_eras + 2, newest])
    broken = market.live_ids(market.saturday_of(scale.train_eras + 2))[0]
    table = table[table["id"] != broken]  # one row of an era is missing
    identifier = tournament.api.upload_diagnostics(df=table, model_id=tournament.model_id(MODEL))
    result = finished(tournament, identifier)
    assert (result["status"], result["message"], result["trainedOnVal"]) == ("done", None, False)
    assert result["erasAcceptedCount"] == 3
    eras = {era["era"]: era for era in result["perEraDiagnostics"]}
    assert list(eras) == [f"{502 + era:04d}" for era in whole]
    scored = [era_scores(tournament, table, era) for era in whole]
    for era, scores in zip(whole, scored, strict=True):
        row = eras[f"{502 + era:04d}"]
        for name, score in scores.items():
            tolerance = 1e-9 if "Neutral" in name else 1e-12
            assert row[name] == pytest.approx(score, abs=tolerance), name
    corr = [scores["validationCorr"] for scores in scored]
    assert eras[f"{502 + whole[0]:04d}"]["validationMmc"] is None  # from before the meta model
    mmc = [scores["validationMmc"] for scores in scored[1:]]
    assert result["validationCorrMean"] == pytest.approx(np.mean(corr), abs=1e-12)
    assert result["validationCorrStd"] == pytest.approx(np.std(corr), abs=1e-12)
    assert result["validationCorrSharpe"] == pytest.approx(np.mean(corr) / np.std(corr), abs=1e-9)
    assert result["validationMmcMean"] == pytest.approx(np.mean(mmc), abs=1e-12)
    missing = tournament.post(f'{{diagnostics(id: "{identifier}") {{erasMissing filename}}}}')
    incomplete = missing["data"]["diagnostics"][0]
    assert len(incomplete["erasMissing"]) == labelled - scale.train_eras - 3
    assert "0576" in incomplete["erasMissing"]
    delete = f'mutation {{deleteDiagnostics(v2DiagnosticsIds: ["{identifier}"])}}'
    assert tournament.post(delete)["data"]["deleteDiagnostics"] == "true"
    assert tournament.api.diagnostics(tournament.model_id(MODEL), identifier) == []


def test_diagnostics_of_an_unfit_file_fail_and_say_why(tournament: ServedTournament) -> None:
    live = tournament.market.live_ids(tournament.market.start)[:3]
    table = pd.DataFrame({"id": live, "prediction": 0.5})
    identifier = tournament.api.upload_diagnostics(df=table, model_id=tournament.model_id(MODEL))
    result = finished(tournament, identifier)
    assert result["status"] == "failed"
    assert result["message"] == "the file has no era of the validation data in full"
    assert result["perEraDiagnostics"] is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a table"),
        ("prediction,id\n0.1,a\n", "columns must be id and prediction"),
        ("id,prediction,era\na,0.1,1\n", "columns must be id and prediction"),
        ("id,prediction\na,0.1\na,0.2\n", "occurs twice"),
        ("id,prediction\na,1.5\n", "between 0 and 1"),
        ("id,prediction\na,\nb,0.4\n", "between 0 and 1"),
        ("id,prediction\na,x\n", "between 0 and 1"),
    ],
)
def test_unfit_files(content: str, message: str) -> None:
    with pytest.raises(UnusableFile, match=message):
        read(content.encode())


def test_the_figures_of_a_validation() -> None:
    names = ("validationBmc", "validationFeatureCorrMax", "validationFeatureNeutralCorrV3",
             "examplePredsCorr")  # fmt: skip
    corr, mmc = [0.02, -0.03, 0.01, 0.04], [None, 0.01, -0.01, 0.02]
    eras = [
        {"validationCorr": c, "validationMmc": m, **dict.fromkeys(names, c)}
        for c, m in zip(corr, mmc, strict=True)
    ]
    figures = summary(eras)
    expected = {
        "validationCorrMean": 0.01,
        "validationCorrStd": 0.02549509756796392,
        "validationCorrSharpe": 0.39223227027636806,
        "validationMaxDrawdown": 0.03,
        "validationMmcMean": 0.02 / 3,
        "validationCorrPlusMmcMean": (-0.02 + 0.0 + 0.06) / 3,
        "validationBmcMean": 0.01,
        "validationFeatureCorrMax": 0.04,
        "validationAutocorr": np.corrcoef(corr[1:], corr[:-1])[0, 1],
        "validationApy": ((1.02 * 0.97 * 1.01 * 1.04) ** 13 - 1) * 100,
    }
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, abs=1e-12)


@pytest.mark.server
def test_diagnostics_go_on_after_a_crash(
    tmp_path: Path, tournament_of: Callable[[PracticeServer], ServedTournament]
) -> None:
    with PracticeServer(tmp_path) as practice:
        tournament = tournament_of(practice)
        first = tournament.market.scale.train_eras + 1
        table = validation(tournament, list(range(first, first + 4)))
        identifier = tournament.api.upload_diagnostics(
            df=table, model_id=tournament.model_id(MODEL)
        )
        until(lambda: len(tournament.rows("SELECT * FROM job_steps")) == 2)  # pending, running
        practice.kill()
        assert len(tournament.rows("SELECT * FROM job_steps")) == 2
        practice.start()
        tournament = tournament_of(practice)
        result = finished(tournament, identifier)
        assert (result["status"], result["erasAcceptedCount"]) == ("done", 4)
