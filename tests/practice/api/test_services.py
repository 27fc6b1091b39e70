"""Webhooks, diagnostics, uploaded models and profiles: what runs beside the rounds."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import requests
from numerai_tools import scoring

from numebot_dagster.practice.api.services.diagnostics import UnusableFile, read, summary
from numebot_dagster.practice.api.services.pickles import error_of_pickle
from numebot_dagster.practice.datasets.contents import WEEKS_UNKNOWN
from numebot_dagster.practice.server import PracticeServer
from tests.support.practice_processes import QuickServer
from tests.support.receiver import receiving

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL, OTHER = "example_model", "lightgbm_model"


@pytest.fixture
def tournament(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> ServedTournament:
    return connect(make_tournament())


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Waits for something that happens beside; returns what the condition returned."""
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return outcome


# --- webhooks -------------------------------------------------------------------------------------


def logs(tournament: ServedTournament, trigger_id: str) -> list[dict[str, Any]]:
    query = "query($i: ID!) {triggerLogs(triggerId: $i) {message timestamp}}"
    return tournament.post(query, variables={"i": trigger_id})["data"]["triggerLogs"]


def test_a_webhook_is_called_once_when_a_round_opens(
    tournament: ServedTournament, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver:
        assert (
            tournament.api.set_submission_webhook(tournament.model_id(MODEL), receiver.address)
            is True
        )
        stored = tournament.rows("SELECT value FROM attributes WHERE name = 'webhook'")
        assert [row["value"] for row in stored] == [receiver.address]
        query = "{account {models {name submissionWebhook}}}"
        models = tournament.post(query)["data"]["account"]["models"]
        assert {model["name"]: model["submissionWebhook"] for model in models} == {
            MODEL: receiver.address, OTHER: None,
        }  # fmt: skip
        time.sleep(0.6)
        assert receiver.messages == []  # no round is open
        tournament.controls.advance("next-open")
        until(lambda: receiver.messages)
        tournament.controls.advance(hours=0.5)
        time.sleep(0.6)
        assert [set(body) for body in receiver.messages] == [{"triggerId"}]
        trigger = receiver.messages[0]["triggerId"]
        until(lambda: len(logs(tournament, trigger)) == 2)
        assert logs(tournament, trigger)[-1]["message"] == f"{receiver.address} answered 200"
        job = tournament.rows("SELECT * FROM jobs WHERE id = ?", trigger)[0]
        assert (job["kind"], job["round"]) == ("webhook", 1280)
        monkeypatch.setenv("TRIGGER_ID", trigger)
        submission = tournament.upload(MODEL, tournament.predictions(1280, 0))
        rows = tournament.rows("SELECT trigger_id FROM submissions WHERE id = ?", submission)
        assert rows[0]["trigger_id"] == trigger
        tournament.controls.advance("next-open")
        until(lambda: len(receiver.messages) == 2)
        assert receiver.messages[1]["triggerId"] != trigger
        tournament.controls.advance(days=7)  # jumps over windows: only the one that is open now
        number = tournament.controls.state()["open_round"]
        assert number is not None
        until(lambda: len(receiver.messages) == 3)
        assert tournament.api.set_submission_webhook(tournament.model_id(MODEL), None) is True
        tournament.controls.advance("next-open")
        time.sleep(0.6)
        assert len(receiver.messages) == 3
        rounds = tournament.rows("SELECT round FROM jobs ORDER BY rowid")
        assert [row["round"] for row in rounds] == [1280, 1281, number]


def test_a_webhook_may_ask_something_back(tournament: ServedTournament) -> None:
    """The whole platform may run inside the call: nothing is locked meanwhile."""

    def react(body: dict[str, Any]) -> int:
        assert tournament.api.get_account()["username"] == "practice"
        return 200

    with receiving(react) as receiver:
        tournament.api.set_submission_webhook(tournament.model_id(MODEL), receiver.address)
        query = "mutation($m: String!) {triggerModelWebhook(modelId: $m)}"
        answer = tournament.post(query, variables={"m": tournament.model_id(MODEL)})
        trigger = answer["data"]["triggerModelWebhook"]
        assert receiver.messages == [{"triggerId": trigger}]
        job = tournament.rows("SELECT * FROM jobs WHERE id = ?", trigger)[0]
        assert (job["model_id"], job["round"]) == (tournament.model_id(MODEL), None)


@pytest.mark.parametrize("status", [500, None])
def test_a_failing_webhook_is_an_error(tournament: ServedTournament, status: int | None) -> None:
    with receiving(lambda _: status or 200) as receiver:
        url = receiver.address if status else "http://127.0.0.1:9/nobody"
        tournament.api.set_submission_webhook(tournament.model_id(MODEL), url)
        message = tournament.refusal(
            "mutation($m: String!) {triggerModelWebhook(modelId: $m)}",
            variables={"m": tournament.model_id(MODEL)},
        )
    assert f"the webhook of {MODEL} failed: {url}" in message
    trigger = tournament.rows("SELECT id FROM jobs")[0]["id"]
    assert url in logs(tournament, trigger)[-1]["message"]


def test_webhooks_are_refused(tournament: ServedTournament) -> None:
    with pytest.raises(ValueError, match="not the address of a webhook"):
        tournament.api.set_submission_webhook(tournament.model_id(MODEL), "file:///etc/passwd")
    with pytest.raises(ValueError, match="Model not found"):
        tournament.api.set_submission_webhook("x", "http://127.0.0.1:9/")
    query = "mutation($m: String!) {triggerModelWebhook(modelId: $m)}"
    message = tournament.refusal(query, variables={"m": tournament.model_id(OTHER)})
    assert message == f"{OTHER} has no webhook: set one first"


# --- profiles and models --------------------------------------------------------------------------


def test_bio_link_name_and_archive(tournament: ServedTournament) -> None:
    model_id = tournament.model_id(MODEL)
    assert tournament.api.set_bio(model_id, "ein Ü") is True
    assert tournament.api.set_link(model_id, "home", "https://example.org") is True
    profile = tournament.post(f'{{v3UserProfile(modelName: "{MODEL}") {{bio linkText linkUrl}}}}')
    assert profile["data"]["v3UserProfile"] == {
        "bio": "ein Ü", "linkText": "home", "linkUrl": "https://example.org",
    }  # fmt: skip
    assert tournament.api.public_user_profile(MODEL)["bio"] == "ein Ü"
    rename = "mutation($m: ID!, $n: String!) {renameModel(modelId: $m, name: $n) {name}}"
    assert "taken" in tournament.refusal(rename, variables={"m": model_id, "n": OTHER})
    tournament.post(rename, variables={"m": model_id, "n": "new_name"})
    assert tournament.api.get_models() == {"new_name": model_id, OTHER: tournament.model_id(OTHER)}
    for name, free in (("new_name", False), (MODEL, True), ("rival_01", False)):
        asked = f'{{modelNameAvailable(name: "{name}", tournament: 8)}}'
        assert tournament.post(asked)["data"]["modelNameAvailable"] is free
    add = f'mutation {{addModel(name: "{MODEL}", tournament: 8) {{id}}}}'
    again = tournament.post(add)["data"]["addModel"]["id"]
    assert again != model_id
    tournament.post(
        "mutation($m: ID!) {archiveModel(modelId: $m) {archived}}", variables={"m": again}
    )
    assert set(tournament.api.get_models()) == {"new_name", OTHER}
    shown = tournament.post("{account {models(showArchived: true) {name archived}}}")
    states = {model["name"]: model["archived"] for model in shown["data"]["account"]["models"]}
    assert states == {"new_name": False, OTHER: False, MODEL: True}
    tournament.post("mutation($m: ID!) {unarchiveModel(modelId: $m) {id}}", variables={"m": again})
    assert set(tournament.api.get_models()) == {"new_name", OTHER, MODEL}


# --- diagnostics ----------------------------------------------------------------------------------


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
    corr, mmc = [], []
    for era in whole:
        day = market.saturday_of(era)
        ids = market.live_ids(day)
        mine = table.set_index("id").loc[ids]
        target = pd.Series(market.realised_target(day, 60).astype(float), ids, name="target")
        row = eras[f"{502 + era:04d}"]
        corr.append(scoring.numerai_corr(mine, target)["prediction"])
        assert row["validationCorr"] == pytest.approx(corr[-1], abs=1e-12)
        benchmark = pd.Series(market.benchmarks(day)["v53_lgbm_ender60"], ids)
        bmc = scoring.correlation_contribution(mine, benchmark, target)["prediction"]
        assert row["validationBmc"] == pytest.approx(bmc, abs=1e-12)
        features = pd.DataFrame(market.live_features(day).astype(float), ids)
        exposure = scoring.max_feature_correlation(mine["prediction"], features)[1]
        assert row["validationFeatureCorrMax"] == pytest.approx(exposure, abs=1e-12)
        names = market.features_json()["feature_sets"]["fncv3_features"]
        columns = [market.feature_names.index(name) for name in names]
        neutral = scoring.feature_neutral_corr(mine, features[columns], target)["prediction"]
        assert row["validationFeatureNeutralCorrV3"] == pytest.approx(neutral, abs=1e-9)
        if era == whole[0]:
            assert row["validationMmc"] is None  # from before the meta model
            continue
        meta = pd.Series(tournament.crowd.meta_model(day), ids)
        mmc.append(scoring.correlation_contribution(mine, meta, target)["prediction"])
        assert row["validationMmc"] == pytest.approx(mmc[-1], abs=1e-12)
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
    with QuickServer(tmp_path) as practice:
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


# --- uploaded models ------------------------------------------------------------------------------


def upload_pickle(
    tournament: ServedTournament, content: bytes, tmp_path: Path, **environment: Any
) -> str:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    return tournament.api.model_upload(str(path), **environment)


PICKLE = (
    "{computePickles {id filename assignedModelSlots dataVersion dockerImageName validationStatus "
    "label triggers {status statuses {status description}}}}"
)


def test_a_model_is_uploaded(tournament: ServedTournament, tmp_path: Path) -> None:
    versions = tournament.api.model_upload_data_versions()
    assert list(versions) == ["v5.3"]
    images = tournament.api.model_upload_docker_images()
    assert list(images) == ["Python 3.10", "Python 3.11", "Python 3.12", "Python 3.13"]
    content = pickle.dumps({"a": [1, 2.5]})
    model_id = tournament.model_id(MODEL)
    identifier = upload_pickle(
        tournament, content, tmp_path, model_id=model_id, data_version="v5.3",
        docker_image="Python 3.11",
    )  # fmt: skip
    until(lambda: pickles(tournament)[0]["validationStatus"] == "success")
    uploaded = pickles(tournament)[0]
    assert uploaded["id"] == identifier
    assert uploaded["assignedModelSlots"] == [model_id]
    assert (uploaded["dataVersion"], uploaded["dockerImageName"]) == ("v5.3", "Python 3.11")
    facts = json.loads(
        tournament.rows("SELECT facts FROM jobs WHERE id = ?", identifier)[0]["facts"]
    )
    assert facts["docker_image"] == images["Python 3.11"]
    assert facts["data_version"] == versions["v5.3"]
    assert len(set(images.values())) == 4
    steps = [step["status"] for step in uploaded["triggers"][0]["statuses"]]
    assert steps == ["pending", "running", "validating", "success"]
    stored = tournament.rows("SELECT status FROM job_steps WHERE job_id = ?", identifier)
    assert [row["status"] for row in stored] == steps
    link = f'{{computePickleDownloadAuth(modelId: "{model_id}") {{url}}}}'
    url = tournament.post(link)["data"]["computePickleDownloadAuth"]["url"]
    assert requests.get(url, timeout=10).content == content
    assert requests.get(url.replace("/pickles/", "/pickles/x"), timeout=10).status_code == 403
    tournament.controls.advance("next-open")
    with pytest.raises(ValueError, match="submits by its uploaded pickle"):
        tournament.upload(MODEL, tournament.predictions(1280, 0))
    with pytest.raises(ValueError, match="submits by its uploaded pickle"):
        tournament.api.set_submission_webhook(model_id, "http://127.0.0.1:9/")
    tournament.post(f'mutation {{assignPickleToModel(modelId: "{model_id}")}}')
    assert pickles(tournament)[0]["assignedModelSlots"] == []
    assert tournament.upload(MODEL, tournament.predictions(1280, 0))
    label = f'mutation {{updatePickleLabel(label: "two", pickleId: "{identifier}") {{label}}}}'
    assert tournament.post(label)["data"]["updatePickleLabel"] == {"label": "two"}
    again = f'mutation {{triggerComputePickleUpload(pickleId: "{identifier}") {{id}}}}'
    tournament.post(again)
    until(
        lambda: [t["status"] for t in pickles(tournament)[0]["triggers"]] == ["success", "success"]
    )
    asked = f'{{diagnosticsTriggerLogs(pickleId: "{identifier}") {{message timestamp}}}}'
    assert len(tournament.post(asked)["data"]["diagnosticsTriggerLogs"]) == 8


def pickles(tournament: ServedTournament) -> list[dict[str, Any]]:
    return tournament.post(PICKLE)["data"]["computePickles"]


def test_what_is_no_pickle_fails(tournament: ServedTournament, tmp_path: Path) -> None:
    upload_pickle(tournament, b"no pickle at all", tmp_path)
    until(lambda: pickles(tournament)[0]["validationStatus"] == "failed")
    uploaded = pickles(tournament)[0]
    assert uploaded["assignedModelSlots"] == []
    assert "not a pickle" in uploaded["triggers"][0]["statuses"][-1]["description"]
    with pytest.raises(ValueError, match="'data_version' needs to be one of"):
        upload_pickle(tournament, b"N.", tmp_path, data_version="v4")
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ValueError, match="there is no data version"):
        upload_pickle(tournament, b"N.", tmp_path, data_version=unknown)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (pickle.dumps(np.arange(5)), None),
        (b"", "not a pickle"),
        (b"id,prediction\n", "not a pickle"),
        (pickle.dumps([1])[:-1], "not a pickle"),
        (pickle.dumps([1]) + b"xy", "2 bytes follow the pickle"),
    ],
)
def test_pickles_are_read_to_the_end(content: bytes, error: str | None) -> None:
    message = error_of_pickle(content)
    assert message is None if error is None else error in str(message)


class Trap:
    """Would leave a trace if it were loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path("/nonexistent/trap"),)  # type: ignore[return-value]


def test_nothing_in_a_pickle_is_run() -> None:
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickle.dumps(Trap()))
    assert error_of_pickle(pickle.dumps(Trap())) is None
