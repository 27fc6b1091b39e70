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

    from conftest import World

MODEL, OTHER = "example_model", "lightgbm_model"


@pytest.fixture
def world(make_world: Callable[..., World], connect: Callable[[World], World]) -> World:
    return connect(make_world())


def download(world: World, submission_id: str) -> pd.DataFrame:
    query = "query($i: ID!) {submissionDownloadAuth(id: $i) {url}}"
    answer = world.post(query, variables={"i": submission_id})
    content = requests.get(answer["data"]["submissionDownloadAuth"]["url"], timeout=10)
    content.raise_for_status()
    return pd.read_csv(io.BytesIO(content.content))


def test_a_round_trip(world: World, tmp_path: Path) -> None:
    world.practice.advance("next-open")
    assert world.api.get_current_round() == 1280
    assert world.practice.state()["open_round"] == 1280
    table = world.predictions(1280, 1)
    first = world.upload(MODEL, world.predictions(1280, 0))
    second = world.upload(MODEL, table)
    assert world.status(MODEL) == {1280: ("on-time", second), 1279: ("none", None)}
    rows = world.rows("SELECT * FROM submissions ORDER BY inserted_at")
    assert [(row["id"], row["round"], row["kind"]) for row in rows] == [
        (first, 1280, "window"), (second, 1280, "window"),
    ]  # fmt: skip
    path = world.api.download_submission(second, dest_path=str(tmp_path / "back.csv"))
    pd.testing.assert_frame_equal(pd.read_csv(path), table)
    newest = world.api.download_submission(
        model_id=world.model_id(MODEL), dest_path=str(tmp_path / "newest.csv")
    )
    pd.testing.assert_frame_equal(pd.read_csv(newest), table)
    receipt = world.rows("SELECT * FROM uploads WHERE filename = ?", rows[1]["filename"])[0]
    content = (world.folder / "uploads" / rows[1]["filename"]).read_bytes()
    assert (receipt["size"], receipt["sha256"]) == (
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    assert [submission["selected"] for submission in selected(world)] == [True, False]
    assert world.status(OTHER)[1280] == ("none", None)
    query = "query($i: ID) {submissions(id: $i) {id selected}}"
    submissions = world.post(query, variables={"i": second})["data"]["submissions"]
    assert submissions == [{"id": second, "selected": True}]


def selected(world: World, name: str = MODEL) -> list[dict]:
    query = "query($m: ID) {submissions(modelId: $m) {id selected round {number}}}"
    return world.post(query, variables={"m": world.model_id(name)})["data"]["submissions"]


@pytest.mark.parametrize("name", ["my predictions #2.csv", "../../etc/x.csv", "a?b&c.csv", "x"])
def test_any_file_name_will_do(world: World, name: str, tmp_path: Path) -> None:
    world.practice.advance("next-open")
    table = world.predictions(1280, 0)
    submission = world.api.upload_predictions(name, world.model_id(MODEL), df=table)
    path = world.api.download_submission(submission, dest_path=str(tmp_path / "back.csv"))
    pd.testing.assert_frame_equal(pd.read_csv(path), table)
    stored = world.rows("SELECT filename FROM submissions")[0]["filename"]
    assert (world.folder / "uploads" / stored).is_file()
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
    world: World, spoil: Callable[[pd.DataFrame], pd.DataFrame], error: str
) -> None:
    world.practice.advance("next-open")
    bad = world.upload(MODEL, spoil(world.predictions(1280, 0)))
    assert world.status(MODEL)[1280] == ("none", None)
    assert error in world.rows("SELECT error FROM submissions WHERE id = ?", bad)[0]["error"]
    good = world.upload(MODEL, world.predictions(1280, 0))
    world.upload(MODEL, spoil(world.predictions(1280, 1)))
    assert world.status(MODEL)[1280] == ("on-time", good)
    assert [submission["status"] for submission in world.practice.state()["submissions"]] == [
        "invalid", "on-time", "invalid",
    ]  # fmt: skip


def test_a_late_upload_is_queued_and_becomes_the_next_rounds(world: World) -> None:
    world.practice.advance("next-open")
    on_time = world.upload(OTHER, world.predictions(1280, 5))
    world.practice.advance("next-close")
    table = world.predictions(1280, 0)
    late = world.upload(MODEL, table)
    world.upload(OTHER, world.predictions(1280, 6))
    status = world.status(MODEL)
    carried = status[1281][1]
    assert status == {1281: ("queued", carried), 1280: ("late", late), 1279: ("none", None)}
    assert world.status(OTHER)[1280] == ("on-time", on_time)
    assert [(row["round"]["number"], row["selected"]) for row in selected(world)] == [
        (1281, False), (1280, True),
    ]  # fmt: skip
    assert carried is not None
    pd.testing.assert_frame_equal(download(world, carried), table)

    world.practice.advance("next-open")
    assert world.status(MODEL)[1281] == ("on-time", carried)
    assert world.status(MODEL)[1280] == ("late", late)
    mapped = download(world, carried)
    now, before = Round(1281).opened, Round(1280).opened
    assert list(mapped["id"]) == list(world.market.live_ids(now))
    stock_now = dict(zip(mapped["id"], world.market.stock_of(now), strict=True))
    predictions = dict(zip(world.market.stock_of(before), table["prediction"], strict=True))
    expected = [predictions.get(stock_now[name], 0.5) for name in mapped["id"]]
    assert mapped["prediction"].tolist() == expected
    assert 0 < sum(value in predictions for value in stock_now.values()) <= len(mapped)

    replacing = world.upload(MODEL, world.predictions(1281, 2))
    assert world.status(MODEL)[1281] == ("on-time", replacing)


def test_the_day_before_the_first_round_fills_it(world: World) -> None:
    submission = world.upload(MODEL, world.predictions(1279, 0))
    assert world.status(MODEL)[1279] == ("late", submission)
    assert world.status(MODEL)[1280][0] == "queued"


def test_predictions_on_the_former_rounds_data(world: World) -> None:
    world.practice.advance("next-open")
    world.practice.advance("next-open")
    table = world.predictions(1280, 0)
    refused = world.upload(MODEL, table)
    assert world.status(MODEL)[1281] == ("none", None)
    assert "Not enough stocks" in world.rows(
        "SELECT error FROM submissions WHERE id = ?", refused
    )[0]["error"]  # fmt: skip
    slow = world.upload(MODEL, table, data_datestamp=20260601)
    assert world.status(MODEL)[1281] == ("on-time", slow)
    assert list(download(world, slow)["id"]) == list(world.market.live_ids(Round(1281).opened))
    with pytest.raises(ValueError, match="dataDatestamp 20250101 is not that of a recent round"):
        world.upload(MODEL, table, data_datestamp=20250101)


def test_creating_needs_the_bytes_under_the_authorised_name(world: World) -> None:
    world.practice.advance("next-open")
    auth = world.authorise(MODEL)
    assert auth["filename"].startswith("p-")
    assert len(auth["filename"]) == len("p-123456789012.csv")
    message = world.create(MODEL, auth["filename"])["errors"][0]["message"]
    assert message == f"{auth['filename']} was authorised but never uploaded: PUT its bytes first"
    assert (
        "no upload of x.csv was authorised" in world.create(MODEL, "x.csv")["errors"][0]["message"]
    )
    assert requests.put(auth["url"] + "x", data=b"id", timeout=10).status_code == 403
    stolen = auth["url"].replace("/uploads/", "/uploads/0-")
    assert requests.put(stolen, data=b"id", timeout=10).status_code == 403
    content = world.predictions(1280, 0).to_csv(index=False).encode()
    assert requests.put(auth["url"], data=content, timeout=10).status_code == 200
    assert "errors" in world.create(OTHER, auth["filename"])
    answer = world.create(MODEL, auth["filename"])["data"]["createSubmission"]
    stored = world.rows("SELECT * FROM submissions")
    assert [row["id"] for row in stored] == [answer["id"]]
    assert answer["triggerId"] == stored[0]["trigger_id"] == "t-1"
    assert answer["sourcePlatform"] == stored[0]["source"] == "me"
    assert answer["selected"] is True


def test_scopes(world: World) -> None:
    world.practice.advance("next-open")
    world.upload(MODEL, world.predictions(1280, 0))
    with sqlite3.connect(world.folder / "state.sqlite") as db:
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
        text = query.replace("MODEL", world.model_id(MODEL))
        for scope in ("upload_submission", "read_submission_info", "read_user_info"):
            answer = world.post(text, f"Token {scope.upper()}$SECRET")
            said = [error["message"] for error in answer.get("errors", [])]
            assert (f"Insufficient permission for {needed}" in said) is (scope != needed)
    latest = world.post(
        "{account {models {latestSubmissions {id}}}}", "Token READ_USER_INFO$SECRET"
    )
    assert latest["errors"][0]["message"] == "Insufficient permission for read_submission_info"
    info = world.post("{apiTokenInfo {name scopes accountUsername}}", "Token READ_USER_INFO$SECRET")
    assert info["data"]["apiTokenInfo"] == {
        "name": "read_user_info", "scopes": ["read_user_info"], "accountUsername": "practice",
    }  # fmt: skip


def test_controls(world: World) -> None:
    identifier = world.practice.add_model("third")
    assert world.api.get_models()["third"] == identifier
    with pytest.raises(Refused, match="the model name third is taken"):
        world.practice.add_model("third")
    with pytest.raises(Refused, match="a model needs a name"):
        world.practice.add_model(" ")
    with pytest.raises(Refused, match="has no model nobody"):
        world.practice.set_position("nobody", "1")
    for amount in ("much", "-1", "NaN"):
        with pytest.raises(Refused, match=amount):
            world.practice.set_position("third", amount)
    world.practice.set_position("third", "1.5")
    world.practice.set_position("third", "7", 1281)
    world.practice.advance("next-open")
    world.upload("third", world.predictions(1280, 0))
    at_stake = {model["name"]: model["at_stake"] for model in world.practice.state()["models"]}
    assert at_stake["third"] == "0"  # positions are fixed at the close
    world.practice.advance("next-close")
    with pytest.raises(Refused, match="round 1280 has closed; its positions are fixed"):
        world.practice.set_position("third", "9", 1280)
    assert world.practice.state()["models"][2]["at_stake"] == "1.5"
    world.practice.advance("next-open")
    world.upload("third", world.predictions(1281, 0))
    world.practice.advance("next-close")
    assert world.practice.state()["models"][2]["at_stake"] == "8.5"
    world.practice.advance("next-open")
    world.practice.advance("next-close")
    world.upload("third", world.predictions(1282, 0))  # late: cannot be staked
    assert world.practice.state()["models"][2]["at_stake"] == "8.5"


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
def test_the_clock_is_not_advanced_by_nonsense(world: World, body: object, message: str) -> None:
    answer = requests.post(f"{world.practice.url}/practice/advance", json=body, timeout=10)
    assert answer.status_code == 400
    assert message in answer.json()["errors"][0]["message"]
    assert world.practice.state()["clock"]["now"] == "2026-06-01T00:00:00+00:00"


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
    world: World, steps: list[dict], now: str
) -> None:
    for step in steps:
        world.practice.advance(**step)
    assert world.practice.state()["clock"]["now"] == f"{now}+00:00"
    dated = requests.get(f"{world.practice.url}/practice/health", timeout=10).headers["Date"]
    assert pd.Timestamp(dated) == pd.Timestamp(now, tz="UTC")


def test_a_fleet_uploads_at_once(
    make_world: Callable[..., World], connect: Callable[[World], World]
) -> None:
    names = tuple(f"model_{number}" for number in range(6))
    world = connect(make_world(models=names))
    world.practice.advance("next-open")
    tables = {name: world.predictions(1280, seed) for seed, name in enumerate(names * 2)}
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda name: world.upload(name, tables[name]), names * 2))
    assert len(set(made)) == 12
    stored = world.rows("SELECT * FROM submissions")
    assert {row["id"] for row in stored} == set(made)
    assert all(row["error"] is None for row in stored)
    for name in names:
        own = [row for row in stored if row["model_id"] == world.model_id(name)]
        newest = max(own, key=lambda row: row["inserted_at"])
        assert len({row["inserted_at"] for row in own}) == 2
        assert world.status(name)[1280] == ("on-time", newest["id"])
