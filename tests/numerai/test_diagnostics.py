"""Diagnostics sent to Numerai: the file, the words of its status, and how long it is waited for."""

from __future__ import annotations

import io
import json

import numpy as np
import polars as pl
import pytest

from numebot_dagster.numerai import diagnostics
from numebot_dagster.numerai.errors import (
    DiagnosticsRefused,
    NotAuthorised,
    NumeraiUnavailable,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.submissions.submission_file import rank_to_unit_interval

ERA = {
    "era": "0575", "validationCorr": 0.01, "validationMmc": None, "validationBmc": 0.002,
    "validationFeatureNeutralCorrV3": 0.006, "validationFeatureCorrMax": 0.1,
}  # fmt: skip
DONE = {
    "id": "d-1", "status": "done", "message": None, "erasAcceptedCount": 1,
    "erasMissing": ["0576"], "trainedOnVal": False, "validationCorrMean": 0.01,
    "validationCorrSharpe": 1.5, "validationMmcMean": None, "perEraDiagnostics": [ERA],
}  # fmt: skip


def answer(**data):
    return {"body": json.dumps({"data": data}).encode()}


def state(**changes):
    return answer(diagnostics=[{**DONE, "perEraDiagnostics": None, **changes}])


def refusal(text):
    return {"body": json.dumps({"data": None, "errors": [{"message": text}]}).encode()}


@pytest.fixture
def transport(server, make_settings, monkeypatch):
    monkeypatch.setattr(diagnostics, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(diagnostics, "LONGEST_PAUSE", 0.05)
    return Transport(make_settings(server.url, numebot_retry_deadline=0.5))


def wait(transport, seconds=5.0, report=lambda status: None):
    return diagnostics.wait(transport, "m-1", "d-1", seconds=seconds, on_status=report)


# --- the file -------------------------------------------------------------------------------------


def test_the_file_holds_ranks_within_each_era_and_keeps_ties():
    frame = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e"],
            "era": [1, 2, 1, 1, 2],
            "prediction": [30.0, -1.0, 10.0, 10.0, -2.0],
        }
    )
    assert diagnostics.prepare(frame).decode().splitlines() == [
        "id,prediction", "a,0.8333333", "b,0.7500000", "c,0.3333333", "d,0.3333333", "e,0.2500000",
    ]  # fmt: skip


def test_seven_decimals_lose_no_rank_of_a_large_era():
    values = np.random.default_rng(1).integers(0, 15_000, size=20_000).astype(float)
    frame = pl.DataFrame({"id": map(str, range(20_000)), "era": 7, "prediction": values})
    written = pl.read_csv(io.BytesIO(diagnostics.prepare(frame)))["prediction"].to_numpy()
    assert np.array_equal(rank_to_unit_interval(written), rank_to_unit_interval(values))


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf")])
def test_a_prediction_that_is_none_is_not_sent(bad):
    frame = pl.DataFrame({"id": ["a", "b"], "era": [8, 9], "prediction": [0.5, bad]})
    with pytest.raises(DiagnosticsRefused, match=r"1 of 2 predictions .* first in era 9"):
        diagnostics.prepare(frame)


# --- the way there --------------------------------------------------------------------------------


def test_a_file_is_announced_put_and_registered(server, transport):
    server.replies = [
        answer(diagnosticsUploadAuth={"filename": "d-x.csv", "url": f"{server.url}/put/d-x.csv"}),
        {},
        answer(createDiagnostics={"id": "d-1"}),
    ]
    assert diagnostics.upload(transport, "m-1", b"id,prediction\na,0.5\n") == "d-1"
    ask, put, create = server.requests
    assert (put.method, put.path, put.body) == ("PUT", "/put/d-x.csv", b"id,prediction\na,0.5\n")
    asked = json.loads(ask.body)["variables"]
    assert asked == {"tournament": 8, "modelId": "m-1", "filename": "diagnostics.csv"}
    assert json.loads(create.body)["variables"] == {
        "tournament": 8, "modelId": "m-1", "filename": "d-x.csv",
    }  # fmt: skip


def test_numerai_refuses_the_model(server, transport):
    server.replies = [refusal("Model not found")]
    with pytest.raises(DiagnosticsRefused, match=r"refused the diagnostics: .*Model not found"):
        diagnostics.upload(transport, "m-1", b"")


def test_the_storage_refuses_the_file_and_nothing_is_registered(server, transport):
    server.replies = [
        answer(diagnosticsUploadAuth={"filename": "d-x.csv", "url": f"{server.url}/put/d-x.csv"}),
        {"status": 403, "body": b"expired"},
    ]
    with pytest.raises(DiagnosticsRefused, match=r"upload was refused.*403"):
        diagnostics.upload(transport, "m-1", b"")
    assert [call.method for call in server.requests] == ["POST", "PUT"]


def test_a_token_without_the_scope_is_not_the_files_fault(server, transport):
    server.replies = [{"status": 401, "body": b""}]
    with pytest.raises(NotAuthorised):
        diagnostics.upload(transport, "m-1", b"")


# --- the answer -----------------------------------------------------------------------------------


def test_it_is_waited_for_with_each_status_told(server, transport):
    server.replies = [
        state(status="pending"), state(status=None), state(status="RUNNING"),
        answer(diagnostics=[{**DONE, "id": "d-0"}, DONE]),
    ]  # fmt: skip
    statuses = []
    answered = wait(transport, report=statuses.append)
    assert statuses == ["pending", "no status", "RUNNING"]
    assert (answered.id, answered.eras_accepted, answered.eras_missing) == (
        "d-1",
        1,
        ("0576",),
    )
    assert answered.trained_on_validation is False
    assert answered.figures == {("corr", "mean"): 0.01, ("corr", "sharpe"): 1.5}
    assert answered.by_era.schema == {"era": pl.Int16, "metric": pl.String, "value": pl.Float64}
    assert answered.by_era.rows() == [
        (575, "corr", 0.01), (575, "bmc", 0.002), (575, "fnc", 0.006),
        (575, "max_feature_exposure", 0.1),
    ]  # fmt: skip
    assert json.loads(server.requests[0].body)["variables"] == {"id": "d-1", "modelId": "m-1"}


@pytest.mark.parametrize(
    ("status", "scored", "over"),
    [
        ("done", True, True), ("Completed", True, True), ("a new word", True, True),
        ("a new word", False, False), ("running", True, False), (None, False, False),
    ],
)  # fmt: skip
def test_when_it_is_over(server, transport, status, scored, over):
    rows = [ERA] if scored else None
    server.replies = [state(status=status, perEraDiagnostics=rows)]
    if over:
        assert wait(transport).eras_accepted == 1
        return
    with pytest.raises(NumeraiUnavailable, match=r"not finished diagnostics d-1 after 0 s"):
        wait(transport, seconds=0.2)
    assert len(server.requests) > 2


def test_numerais_reason_is_told(server, transport):
    server.replies = [
        state(status="pending"), state(status="failed", message="era 0575 is incomplete"),
    ]  # fmt: skip
    with pytest.raises(DiagnosticsRefused, match=r"cannot score .*era 0575 is incomplete"):
        wait(transport)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer(diagnostics=[]), "has no diagnostics d-1"),
        (answer(diagnostics=None), "has no diagnostics d-1"),
        (state(status="done", message="nothing fits"), "as done, but without scores: nothing fits"),
    ],
)
def test_an_answer_that_is_none(server, transport, reply, text):
    server.replies = [reply]
    with pytest.raises(UnexpectedAnswer, match=text):
        wait(transport)


def test_a_fault_on_the_way_is_only_a_delay(server, transport):
    server.replies = [state(status="pending"), {"status": 502}, answer(diagnostics=[DONE])]
    assert wait(transport).id == "d-1"
    assert len(server.requests) == 3


def test_questions_become_seldom(server, transport, monkeypatch):
    monkeypatch.setattr(diagnostics, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(diagnostics, "LONGEST_PAUSE", 0.2)
    server.replies = [*[state(status="pending")] * 6, answer(diagnostics=[DONE])]
    wait(transport)
    times = [call.at for call in server.requests]
    pauses = np.diff(times)
    assert pauses[0] >= 0.05
    assert pauses[-1] >= 0.2
    assert times[-1] - times[0] >= 0.05 + 0.075 + 0.1125 + 3 * 0.16
