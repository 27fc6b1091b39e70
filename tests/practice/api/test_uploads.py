"""Uploads and what becomes of them, from one round to the next."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import requests

from numebot_dagster.practice.rules.clock import Refused, Round

if TYPE_CHECKING:
    from pathlib import Path

    from tests.practice.served_tournament import ServedTournament

MODEL, OTHER = "example_model", "lightgbm_model"


def download(tournament: ServedTournament, submission_id: str) -> pd.DataFrame:
    query = "query($i: ID!) {submissionDownloadAuth(id: $i) {url}}"
    answer = tournament.post(query, variables={"i": submission_id})
    content = requests.get(answer["data"]["submissionDownloadAuth"]["url"], timeout=10)
    content.raise_for_status()
    return pd.read_csv(io.BytesIO(content.content))


def test_a_round_trip(tournament: ServedTournament, tmp_path: Path) -> None:
    tournament.controls.advance("next-open")
    assert tournament.api.get_current_round() == 1280
    assert tournament.controls.state()["open_round"] == 1280
    table = tournament.predictions(1280, 1)
    first = tournament.upload(MODEL, tournament.predictions(1280, 0))
    second = tournament.upload(MODEL, table)
    assert tournament.status(MODEL) == {1280: ("on-time", second), 1279: ("none", None)}
    rows = tournament.rows("SELECT * FROM submissions ORDER BY inserted_at")
    assert [(row["id"], row["round"], row["kind"]) for row in rows] == [
        (first, 1280, "window"), (second, 1280, "window"),
    ]  # fmt: skip
    path = tournament.api.download_submission(second, dest_path=str(tmp_path / "back.csv"))
    pd.testing.assert_frame_equal(pd.read_csv(path), table)
    newest = tournament.api.download_submission(
        model_id=tournament.model_id(MODEL), dest_path=str(tmp_path / "newest.csv")
    )
    pd.testing.assert_frame_equal(pd.read_csv(newest), table)
    receipt = tournament.rows("SELECT * FROM uploads WHERE filename = ?", rows[1]["filename"])[0]
    content = (tournament.folder / "uploads" / rows[1]["filename"]).read_bytes()
    assert (receipt["size"], receipt["sha256"]) == (
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    assert [submission["selected"] for submission in selected(tournament)] == [True, False]
    assert tournament.status(OTHER)[1280] == ("none", None)
    query = "query($i: ID) {submissions(id: $i) {id selected}}"
    submissions = tournament.post(query, variables={"i": second})["data"]["submissions"]
    assert submissions == [{"id": second, "selected": True}]


def selected(tournament: ServedTournament, name: str = MODEL) -> list[dict]:
    query = "query($m: ID) {submissions(modelId: $m) {id selected round {number}}}"
    return tournament.post(query, variables={"m": tournament.model_id(name)})["data"]["submissions"]


@pytest.mark.parametrize("name", ["my predictions #2.csv", "../../etc/x.csv", "a?b&c.csv", "x"])
def test_any_file_name_will_do(tournament: ServedTournament, name: str, tmp_path: Path) -> None:
    tournament.controls.advance("next-open")
    table = tournament.predictions(1280, 0)
    submission = tournament.api.upload_predictions(name, tournament.model_id(MODEL), df=table)
    path = tournament.api.download_submission(submission, dest_path=str(tmp_path / "back.csv"))
    pd.testing.assert_frame_equal(pd.read_csv(path), table)
    stored = tournament.rows("SELECT filename FROM submissions")[0]["filename"]
    assert (tournament.folder / "uploads" / stored).is_file()
    assert stored.startswith(name.rpartition("/")[2].removesuffix(".csv") + "-")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda table: table.iloc[1:], "invalid_submission_ids: Not enough stocks"),
        (lambda table: table.assign(prediction=0.5), "non-zero standard deviation"),
        (lambda table: table[["prediction", "id"]], "invalid_submission_headers"),
    ],
)
def test_an_invalid_file_never_counts(
    tournament: ServedTournament, spoil: Callable[[pd.DataFrame], pd.DataFrame], error: str
) -> None:
    tournament.controls.advance("next-open")
    bad = tournament.upload(MODEL, spoil(tournament.predictions(1280, 0)))
    assert tournament.status(MODEL)[1280] == ("none", None)
    assert error in tournament.rows("SELECT error FROM submissions WHERE id = ?", bad)[0]["error"]
    good = tournament.upload(MODEL, tournament.predictions(1280, 0))
    tournament.upload(MODEL, spoil(tournament.predictions(1280, 1)))
    assert tournament.status(MODEL)[1280] == ("on-time", good)
    assert [submission["status"] for submission in tournament.controls.state()["submissions"]] == [
        "invalid", "on-time", "invalid",
    ]  # fmt: skip


def test_a_late_upload_is_queued_and_becomes_the_next_rounds(tournament: ServedTournament) -> None:
    tournament.controls.advance("next-open")
    on_time = tournament.upload(OTHER, tournament.predictions(1280, 5))
    tournament.controls.advance("next-close")
    table = tournament.predictions(1280, 0)
    late = tournament.upload(MODEL, table)
    tournament.upload(OTHER, tournament.predictions(1280, 6))
    status = tournament.status(MODEL)
    carried = status[1281][1]
    assert status == {1281: ("queued", carried), 1280: ("late", late), 1279: ("none", None)}
    assert tournament.status(OTHER)[1280] == ("on-time", on_time)
    assert [(row["round"]["number"], row["selected"]) for row in selected(tournament)] == [
        (1281, False), (1280, True),
    ]  # fmt: skip
    assert carried is not None
    pd.testing.assert_frame_equal(download(tournament, carried), table)

    tournament.controls.advance("next-open")
    assert tournament.status(MODEL)[1281] == ("on-time", carried)
    assert tournament.status(MODEL)[1280] == ("late", late)
    mapped = download(tournament, carried)
    now, before = Round(1281).opened, Round(1280).opened
    assert list(mapped["id"]) == list(tournament.market.live_ids(now))
    stock_now = dict(zip(mapped["id"], tournament.market.stock_of(now), strict=True))
    predictions = dict(zip(tournament.market.stock_of(before), table["prediction"], strict=True))
    expected = [predictions.get(stock_now[name], 0.5) for name in mapped["id"]]
    assert mapped["prediction"].tolist() == expected
    assert 0 < sum(value in predictions for value in stock_now.values()) <= len(mapped)

    replacing = tournament.upload(MODEL, tournament.predictions(1281, 2))
    assert tournament.status(MODEL)[1281] == ("on-time", replacing)


def test_the_day_before_the_first_round_fills_it(tournament: ServedTournament) -> None:
    submission = tournament.upload(MODEL, tournament.predictions(1279, 0))
    assert tournament.status(MODEL)[1279] == ("late", submission)
    assert tournament.status(MODEL)[1280][0] == "queued"


def test_predictions_on_the_former_rounds_data(tournament: ServedTournament) -> None:
    tournament.controls.advance("next-open")
    tournament.controls.advance("next-open")
    table = tournament.predictions(1280, 0)
    refused = tournament.upload(MODEL, table)
    assert tournament.status(MODEL)[1281] == ("none", None)
    assert "Not enough stocks" in tournament.rows(
        "SELECT error FROM submissions WHERE id = ?", refused
    )[0]["error"]  # fmt: skip
    slow = tournament.upload(MODEL, table, data_datestamp=20260601)
    assert tournament.status(MODEL)[1281] == ("on-time", slow)
    assert list(download(tournament, slow)["id"]) == list(
        tournament.market.live_ids(Round(1281).opened)
    )
    with pytest.raises(ValueError, match="dataDatestamp 20250101 is not that of a recent round"):
        tournament.upload(MODEL, table, data_datestamp=20250101)


def test_creating_needs_the_bytes_under_the_authorised_name(tournament: ServedTournament) -> None:
    tournament.controls.advance("next-open")
    auth = tournament.authorise(MODEL)
    assert auth["filename"].startswith("p-")
    assert len(auth["filename"]) == len("p-123456789012.csv")
    message = tournament.create(MODEL, auth["filename"])["errors"][0]["message"]
    assert message == f"{auth['filename']} was authorised but never uploaded: PUT its bytes first"
    assert (
        "no upload of x.csv was authorised"
        in tournament.create(MODEL, "x.csv")["errors"][0]["message"]
    )
    assert requests.put(auth["url"] + "x", data=b"id", timeout=10).status_code == 403
    stolen = auth["url"].replace("/uploads/", "/uploads/0-")
    assert requests.put(stolen, data=b"id", timeout=10).status_code == 403
    content = tournament.predictions(1280, 0).to_csv(index=False).encode()
    assert requests.put(auth["url"], data=content, timeout=10).status_code == 200
    assert "errors" in tournament.create(OTHER, auth["filename"])
    answer = tournament.create(MODEL, auth["filename"])["data"]["createSubmission"]
    stored = tournament.rows("SELECT * FROM submissions")
    assert [row["id"] for row in stored] == [answer["id"]]
    assert answer["triggerId"] == stored[0]["trigger_id"] == "t-1"
    assert answer["sourcePlatform"] == stored[0]["source"] == "me"
    assert answer["selected"] is True


def test_scopes(tournament: ServedTournament) -> None:
    tournament.controls.advance("next-open")
    tournament.upload(MODEL, tournament.predictions(1280, 0))
    with sqlite3.connect(tournament.folder / "state.sqlite") as db:
        for scope in ("upload_submission", "read_submission_info", "read_user_info"):
            row = (scope.upper(), "SECRET", "practice", scope, scope)
            db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", row)
    queries = {
        "{account {id}}": "read_user_info",
        '{model(modelId: "MODEL") {id}}': "read_user_info",
        "{pendingModelPayouts(tournament: 8) {actual {payoutNmr}}}": "read_user_info",
        '{submissions(modelId: "MODEL") {id}}': "read_submission_info",
        '{submissionUploadAuth(filename: "p.csv", tournament: 8, modelId: "MODEL") {url}}': (
            "upload_submission"
        ),
        '{submissionDownloadAuth(id: "S") {url}}': "download_submission",
        'mutation {createSubmission(filename: "p.csv", tournament: 8, modelId: "MODEL") {id}}': (
            "upload_submission"
        ),
    }
    for query, needed in queries.items():
        text = query.replace("MODEL", tournament.model_id(MODEL))
        for scope in ("upload_submission", "read_submission_info", "read_user_info"):
            answer = tournament.post(text, f"Token {scope.upper()}$SECRET")
            said = [error["message"] for error in answer.get("errors", [])]
            assert (f"Insufficient permission for {needed}" in said) is (scope != needed)
    latest = tournament.post(
        "{account {models {latestSubmissions {id}}}}", "Token READ_USER_INFO$SECRET"
    )
    assert latest["errors"][0]["message"] == "Insufficient permission for read_submission_info"
    info = tournament.post(
        "{apiTokenInfo {name scopes accountUsername}}", "Token READ_USER_INFO$SECRET"
    )
    assert info["data"]["apiTokenInfo"] == {
        "name": "read_user_info", "scopes": ["read_user_info"], "accountUsername": "practice",
    }  # fmt: skip


def test_controls(tournament: ServedTournament) -> None:
    identifier = tournament.controls.add_model("third")
    assert tournament.api.get_models()["third"] == identifier
    with pytest.raises(Refused, match="the model name third is taken"):
        tournament.controls.add_model("third")
    with pytest.raises(Refused, match="a model needs a name"):
        tournament.controls.add_model(" ")
    with pytest.raises(Refused, match="has no model nobody"):
        tournament.controls.set_position("nobody", "1")
    for amount in ("much", "-1", "NaN"):
        with pytest.raises(Refused, match=amount):
            tournament.controls.set_position("third", amount)
    tournament.controls.set_position("third", "1.5")
    tournament.controls.set_position("third", "7", 1281)
    tournament.controls.advance("next-open")
    tournament.upload("third", tournament.predictions(1280, 0))
    at_stake = {model["name"]: model["at_stake"] for model in tournament.controls.state()["models"]}
    assert at_stake["third"] == "0"  # positions are fixed at the close
    tournament.controls.advance("next-close")
    with pytest.raises(Refused, match="round 1280 has closed; its positions are fixed"):
        tournament.controls.set_position("third", "9", 1280)
    assert tournament.controls.state()["models"][2]["at_stake"] == "1.5"
    tournament.controls.advance("next-open")
    tournament.upload("third", tournament.predictions(1281, 0))
    tournament.controls.advance("next-close")
    assert tournament.controls.state()["models"][2]["at_stake"] == "8.5"
    tournament.controls.advance("next-open")
    tournament.controls.advance("next-close")
    tournament.upload("third", tournament.predictions(1282, 0))  # late: cannot be staked
    assert tournament.controls.state()["models"][2]["at_stake"] == "8.5"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"to": "2026-05-31T23:00:00Z"}, "cannot go back"),
        ({"to": "2026-06-03T00:00:00"}, "has no time zone"),
        ({"to": "tomorrow"}, "neither next-open, next-close"),
        ({"to": "resolve"}, "no unresolved round has a submission"),
        ({"days": -1}, "cannot go back"),
        ({"days": "many"}, "could not convert"),
        ({"weeks": 1}, "unknown: weeks; known: to, days, hours"),
        ([1], "must be a JSON object"),
    ],
)
def test_the_clock_is_not_advanced_by_nonsense(
    tournament: ServedTournament, body: object, message: str
) -> None:
    answer = requests.post(f"{tournament.controls.url}/practice/advance", json=body, timeout=10)
    assert answer.status_code == 400
    assert message in answer.json()["errors"][0]["message"]
    assert tournament.controls.state()["clock"]["now"] == "2026-06-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("steps", "now"),
    [
        ([{"to": "next-open"}], "2026-06-02T12:00:01"),
        ([{"to": "next-close"}], "2026-06-02T13:00:01"),
        ([{"to": "next-open"}, {"to": "next-close"}], "2026-06-02T13:00:01"),
        ([{"to": "next-score"}], "2026-06-02T10:00:01"),
        ([{"to": "next-open"}, {"to": "next-score"}], "2026-06-03T10:00:01"),
        ([{"days": 5}, {"hours": 1.5}], "2026-06-06T01:30:00"),
        ([{"to": "2026-06-06T14:00:00+02:00"}, {"to": "next-close"}], "2026-06-07T14:00:01"),
    ],
)
def test_the_clock_is_advanced_and_dates_the_answers(
    tournament: ServedTournament, steps: list[dict], now: str
) -> None:
    for step in steps:
        tournament.controls.advance(**step)
    assert tournament.controls.state()["clock"]["now"] == f"{now}+00:00"
    dated = requests.get(f"{tournament.controls.url}/practice/health", timeout=10).headers["Date"]
    assert pd.Timestamp(dated) == pd.Timestamp(now, tz="UTC")


def test_a_fleet_uploads_at_once(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> None:
    names = tuple(f"model_{number}" for number in range(6))
    tournament = connect(make_tournament(models=names))
    tournament.controls.advance("next-open")
    tables = {name: tournament.predictions(1280, seed) for seed, name in enumerate(names * 2)}
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda name: tournament.upload(name, tables[name]), names * 2))
    assert len(set(made)) == 12
    stored = tournament.rows("SELECT * FROM submissions")
    assert {row["id"] for row in stored} == set(made)
    assert all(row["error"] is None for row in stored)
    for name in names:
        own = [row for row in stored if row["model_id"] == tournament.model_id(name)]
        newest = max(own, key=lambda row: row["inserted_at"])
        assert len({row["inserted_at"] for row in own}) == 2
        assert tournament.status(name)[1280] == ("on-time", newest["id"])
