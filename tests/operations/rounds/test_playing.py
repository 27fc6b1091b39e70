"""Playing a round: its order, and what Numerai held before."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.worker.messages import ModelCode
from numebot_dagster.operations.health.status import Standing, standing_of
from numebot_dagster.operations.rounds import details, ladder, live_data, planning, playing
from numebot_dagster.operations.rounds.outcomes import Ending, Play
from numebot_dagster.operations.rounds.planning import plan_the_rest, playing_order
from numebot_dagster.operations.rounds.playing import play
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, State


def model(name, *inputs):
    return RegisteredModel(name, name, "m", ModelCode("m", "M", ()), inputs=inputs)


@pytest.mark.parametrize(
    ("stakes", "expected"),
    [
        ({}, ["a", "b", "c", "d"]),
        # Unknown counts as the average of the known ones.
        ({"c": "2"}, ["a", "b", "c", "d"]),
        ({"c": "2", "b": "1"}, ["c", "a", "d", "b"]),
        ({"b": "1", "c": "2.5", "a": "0"}, ["c", "a", "d", "b"]),
        # d needs a, so a goes before d however little is staked on it.
        ({"d": "9", "b": "1"}, ["a", "d", "c", "b"]),
        ({"somebody else": "100"}, ["a", "b", "c", "d"]),
    ],
)
def test_order(stakes, expected):
    models = [model("a"), model("b"), model("c"), model("d", "a")]
    order = playing_order(models, {name: Decimal(nmr) for name, nmr in stakes.items()})
    assert [model.name for model in order] == expected


def fetched(world, number):
    """Return a platform with the round's details and live data stored."""
    platform = world.platform
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    return platform


def played(world, number, **request):
    platform = world.platform
    results = play(platform, Play(number, platform.registry.enabled, **request))
    return {result.model.name: result for result in results}


def endings(results):
    return {name: result.ending for name, result in results.items()}


BOTH_CONFIRMED = {"steady-1": Ending.CONFIRMED, "second": Ending.CONFIRMED}


def upload(world, name, seed=0):
    """Upload as a person does with numerapi in a notebook."""
    client = world.platform.client
    fleet = client.fleet()
    number = world.practice.state()["newest_round"]
    folder = world.folder / "notebook"
    ids = pl.read_parquet(
        client.download("v5.3/live.parquet", folder / "live.parquet").path, columns=["id"]
    )["id"]
    values = np.random.default_rng(seed).uniform(size=len(ids))
    content = io.BytesIO()
    pd.DataFrame({"id": ids, "prediction": values}).to_csv(content, index=False)
    target = client.authorise_upload(fleet.models[name].id, f"notebook-{number}.csv")
    client.put_upload(target, content.getvalue())
    return client.create_submission(fleet.models[name].id, target.filename)


def selected(world, number, name):
    """Return the file that Numerai counts for a model in a round."""
    fleet = world.platform.client.fleet()
    return fleet.submission_of(name, number)


def test_largest_stake_goes_first(world):
    number = world.open_round()
    platform = fetched(world, number)
    file = platform.lake.day_file("leaderboard", date(2026, 6, 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = {"model": ["steady-1", "second"], "nmr_staked": [1.0, 2.5], "own": [True, True]}
    pl.DataFrame(rows).write_parquet(file)
    try:
        assert endings(played(world, number)) == BOTH_CONFIRMED
    finally:
        file.unlink()
    order = world.rows(
        "SELECT m.name FROM uploads u JOIN models m ON m.id = u.model_id "
        "WHERE u.filename LIKE ? ORDER BY u.rowid",
        f"round-{number}-%",
    )
    assert [row["name"] for row in order] == ["second", "steady-1"]


def test_a_carried_over_upload_is_replaced_without_asking(world):
    world.open_round()
    world.practice.advance("next-close")
    late = upload(world, "second")
    number = world.open_round()
    submission = selected(world, number, "second")
    assert submission.status == "on-time"  # Numerai has made it this round's
    assert late in {row["id"] for row in world.rows("SELECT id FROM submissions")}
    fetched(world, number)
    results = played(world, number)
    assert endings(results) == BOTH_CONFIRMED
    now_held = selected(world, number, "second")
    assert now_held.submission_id not in (submission.submission_id, late)
    assert now_held.filename.startswith(f"round-{number}-")
    assert receipts.latest(world.platform.lake, number)["second"].submission_id == (
        now_held.submission_id
    )


def test_a_foreign_upload_is_replaced_only_by_force(world):
    number = world.open_round()
    foreign = upload(world, "second")
    fetched(world, number)
    results = played(world, number)
    assert endings(results) == {"steady-1": Ending.CONFIRMED, "second": Ending.SKIPPED}
    assert "uploaded by something other than Numebot" in results["second"].text
    assert selected(world, number, "second").submission_id == foreign
    latest = receipts.latest(world.platform.lake, number)["second"]
    assert (latest.outcome, latest.state) == (Outcome.ON_TIME, State.ACCEPTED)
    assert latest.is_foreign
    assert "--force replaces it" in latest.reason
    assert standing_of(latest) is Standing.ELSEWHERE

    forced = played(world, number, force=True)
    assert endings(forced) == {"steady-1": Ending.SKIPPED, "second": Ending.CONFIRMED}
    submission = selected(world, number, "second")
    assert submission.submission_id != foreign
    assert submission.filename.startswith(f"round-{number}-")


def test_ours_that_somebody_replaced_is_noticed(world):
    """Confirmed, and then overwritten from a notebook: what counts is no longer ours."""
    number = world.open_round()
    fetched(world, number)
    assert endings(played(world, number)) == BOTH_CONFIRMED
    foreign = upload(world, "steady-1", seed=1)
    results = played(world, number)
    assert endings(results) == {"steady-1": Ending.SKIPPED, "second": Ending.SKIPPED}
    assert f"in the place of round-{number}-" in results["steady-1"].text
    assert selected(world, number, "steady-1").submission_id == foreign
    assert endings(played(world, number, force=True))["steady-1"] is Ending.CONFIRMED
    assert selected(world, number, "steady-1").submission_id != foreign


def test_a_file_that_is_uploaded_by_hand_during_the_hour_stays(world, monkeypatch):
    number = world.open_round()
    fetched(world, number)
    monkeypatch.setattr(playing, "FLEET_SECONDS", 0.0)
    foreign = []

    def uploaded_meanwhile(*arguments):  # the fleet was asked, no model has predicted
        foreign.append(upload(world, "second", seed=2))
        return plan_the_rest(*arguments)

    monkeypatch.setattr(planning, "plan_the_rest", uploaded_meanwhile)
    ends = endings(played(world, number))
    assert ends == {"steady-1": Ending.CONFIRMED, "second": Ending.SKIPPED}
    assert [selected(world, number, "second").submission_id] == foreign


def test_while_numerai_does_not_say_what_it_holds_the_models_predict(world, monkeypatch):
    number = world.open_round()
    fetched(world, number)
    with monkeypatch.context() as patch:
        patch.setenv("NUMEBOT_RETRY_DEADLINE", "0.5")
        values = {"status": 503}
        added = world.practice.add_fault("status", where="graphql:account", values=values)
        assert set(endings(played(world, number)).values()) == {Ending.FAILED}
        world.practice.remove_faults(added)
    latest = receipts.latest(world.platform.lake, number)
    predicted = {name: receipt.predictions_sha256 for name, receipt in latest.items()}
    assert all(predicted.values())
    # What the first run predicted is what the next one sends.
    assert endings(played(world, number)) == BOTH_CONFIRMED
    latest = receipts.latest(world.platform.lake, number)
    assert {name: receipt.predictions_sha256 for name, receipt in latest.items()} == predicted


def test_nothing_is_uploaded_after_the_close(world):
    number = world.open_round()
    fetched(world, number)
    world.practice.advance("next-close")
    uploads = world.uploads()
    results = played(world, number, force=True)
    assert set(endings(results).values()) == {Ending.SKIPPED}
    assert world.uploads() == uploads
    latest = receipts.latest(world.platform.lake, number)
    assert {receipt.outcome for receipt in latest.values()} == {Outcome.MISSED}
    assert "closed at" in latest["second"].reason


def test_a_round_that_closes_while_models_predict(world, monkeypatch):
    """The window is looked at again at the last moment before an upload."""
    number = world.open_round()
    platform = fetched(world, number)
    predict = ladder.predict

    def slowly(*arguments):
        prediction = predict(*arguments)
        if prediction.model == "second":
            world.practice.advance("next-close")
            platform.client.rounds()  # any answer tells the time
        return prediction

    monkeypatch.setattr(ladder, "predict", slowly)
    uploads = world.uploads()
    results = play(platform, Play(number, [platform.registry["second"]]))
    assert [result.ending for result in results] in ([Ending.FAILED], [Ending.SKIPPED])
    assert "accepts on-time submissions" in results[0].text or "closed at" in results[0].text
    assert world.uploads() == uploads
    assert receipts.latest(platform.lake, number)["second"].outcome in (
        Outcome.FAILED,
        Outcome.MISSED,
    )


def test_what_began_in_the_window_is_recorded_though_it_fails_after_the_close(world, monkeypatch):
    """Also where the data folder cannot tell when a model was first trained."""
    number = world.open_round()
    platform = fetched(world, number)

    def too_late(*_):
        world.practice.advance("next-close")
        platform.client.rounds()  # any answer tells the time
        raise ValueError("broken")

    def unreadable(*_):
        raise OSError("no folder of ours")

    monkeypatch.setattr(ladder, "predict", too_late)
    monkeypatch.setattr(Lake, "takes_part", unreadable)
    [result] = play(platform, Play(number, [platform.registry["second"]]))
    assert result.ending is Ending.FAILED
    assert receipts.latest(platform.lake, number)["second"].outcome is Outcome.FAILED
    # The round is closed from the beginning: nothing is known of when they were trained.
    assert set(endings(played(world, number)).values()) == {Ending.FAILED}


def test_predictions_only_as_asked(world):
    number = world.open_round()
    fetched(world, number)
    uploads = world.uploads()
    results = played(world, number, submit=False)
    assert set(endings(results).values()) == {Ending.PREDICTED}
    assert world.uploads() == uploads
    prediction = results["steady-1"].prediction
    frame = pl.read_parquet(prediction.path)
    served = pl.read_parquet(
        world.platform.lake.live_folder(number, "v5.3") / "live.parquet", columns=["id"]
    )
    assert frame["id"].to_list() == served["id"].to_list()
    assert 0 < frame["prediction"].min() < frame["prediction"].max() < 1
    assert receipts.latest(world.platform.lake, number) == {}


def test_predictions_are_the_models_own_ranked(world):
    """Recomputed here from the stored weights and the live file, without the platform's code."""
    number = world.open_round()
    platform = fetched(world, number)
    results = played(world, number, submit=False)
    [place] = platform.lake.weights_folders("steady-1")
    used = weight_store.read_manifest(place.path).features
    served = pl.read_parquet(platform.lake.live_folder(number, "v5.3") / "live.parquet")
    raw = (served.select(used).to_numpy().astype(float) - 2) @ np.load(
        place.path / "model" / "weights.npy"
    )
    expected = (pd.Series(raw).rank(method="average") - 0.5) / len(raw)
    stored = pl.read_parquet(results["steady-1"].prediction.path)["prediction"].to_numpy()
    np.testing.assert_allclose(stored, expected, rtol=0, atol=1e-9)
