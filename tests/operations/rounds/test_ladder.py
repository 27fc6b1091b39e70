"""The ladder of fallbacks: weights whose moods make them fail, and what stands in for them."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import code_hash
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.operations.rounds.outcomes import Ending, Play
from numebot_dagster.operations.rounds.planning import UPLOAD_SECONDS
from numebot_dagster.operations.rounds.playing import play
from numebot_dagster.operations.rounds.predicting import newest_file, stored_prediction
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord, Rung, State

OLD, NEW = 1278, 1279  # vintages
BUDGET = 2.0  # seconds to predict
MOODY = "moody_models:Moody"


@dataclass(frozen=True)
class Stage:
    """A world whose weights are made to measure."""

    world: object
    template: Path

    def register(self, rows):
        """Write rows of the registry: name, code, inputs, fallback."""
        lines = ["numerai_name,model_code,inputs,fallback", *(",".join(row) for row in rows)]
        (self.world.folder / "model_configs.csv").write_text("\n".join(lines))

    def store(self, name, vintage, mood="good", **manifest):
        """Store whole weights of a mood, as a training of that vintage would have left them."""
        platform = self.world.platform
        code = code_hash(platform.registry[name])
        folder = platform.lake.weights_folder(name, vintage, code)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.template, folder)
        (folder / "model" / "mood.txt").write_text(mood)
        own = replace(weight_store.read_manifest(folder), model=name, vintage=vintage, **manifest)
        weight_store.write_manifest(folder, replace(own, files=weight_store.list_files(folder)))
        return folder

    def open_round(self):
        """Return a platform with the next round's live data, and the number of the round."""
        number = self.world.open_round()
        platform = self.world.platform
        details.fetch_details(platform, number)
        live_data.fetch_live(platform, number, platform.registry.enabled)
        return platform, number

    def content(self, submission_id):
        """Return what the tournament was sent, past its server and our lake."""
        query = "SELECT filename FROM submissions WHERE id = ?"
        [row] = self.world.rows(query, submission_id)
        return (self.world.folder / "tournament" / "uploads" / row["filename"]).read_bytes()


@pytest.fixture
def stage(world, prepared):
    shutil.copy(Path(__file__).with_name("moody_models.py"), world.folder)
    broken = "raise ImportError('no library of that name')\nclass Moody: pass\n"
    (world.folder / "broken_models.py").write_text(broken)
    for folder in ("weights", "submissions"):  # nothing of an earlier test
        shutil.rmtree(world.platform.lake.root / folder, ignore_errors=True)
    [place] = Lake(prepared / "data").weights_folders("steady-1")
    return Stage(world, place.path)


def played(platform, number, *names, **request):
    models = [model for model in platform.registry.enabled if not names or model.name in names]
    return {result.model.name: result for result in play(platform, Play(number, models, **request))}


def endings(results):
    return {name: result.ending for name, result in results.items()}


FAILURES = {
    "steady-1": ("raises", {}, "ArithmeticError: the stars are not right"),
    "second": ("exits", {}, "ended its process with exit code 3"),
    "raising": ("nan", {}, "1 of "),
    "constant": ("constant", {}, "numerai_submission_rules: "),
    "forgetful": ("hoards", {"memory_budget": 0.7}, "used more than 0.7 GB of memory"),
    "sleeper": ("hangs", {"time_budget": BUDGET}, f"took longer than {BUDGET:g} s"),
    "contrarian": ("damaged", {}, "is not the file that was stored"),
}


def test_each_kind_of_failure_falls_to_the_previous_vintage(stage):
    stage.register([(name, MOODY, "", "") for name in FAILURES])
    for name, (mood, manifest, _) in FAILURES.items():
        stage.store(name, OLD, **manifest)
        folder = stage.store(name, NEW, mood, **manifest)
        if mood == "damaged":
            (folder / "model" / "weights.npy").write_bytes(b"no array")
    platform, number = stage.open_round()
    results = played(platform, number)

    assert set(endings(results).values()) == {Ending.CONFIRMED}
    assert stage.world.submissions(number) == dict.fromkeys(FAILURES, 1)
    latest = receipts.latest(platform.lake, number)
    for name, (_, _, reason) in FAILURES.items():
        receipt = latest[name]
        assert (receipt.rung, receipt.vintage, receipt.state) == (
            Rung.PREVIOUS,
            OLD,
            State.CONFIRMED,
        )
        assert receipt.rung_reason.startswith(f"the weights of vintage {OLD} stand in. live: ")
        assert reason in receipt.rung_reason
        assert 0 < receipt.predict_seconds < 30


def assert_model_stands_in(latest):
    """Find another model's predictions, made before its own turn, and not a second time."""
    standing_in, own = latest["raising"], latest["steady-1"]
    assert (standing_in.rung, own.rung) == (Rung.FALLBACK, Rung.LIVE)
    assert standing_in.predictions_sha256 == own.predictions_sha256
    assert standing_in.rung_reason == (
        "the model steady-1 stands in. live: raising failed to import: ImportError: no library of "
        "that name"
    )
    assert standing_in.predict_seconds is None


def assert_benchmark_stands_in(stage, number, benchmark):
    """Find the benchmark's very order in what was sent, and its name where it is stored."""
    lake = stage.world.platform.lake
    assert (benchmark.rung, benchmark.vintage) == (Rung.FALLBACK, None)
    assert benchmark.rung_reason.startswith(
        "Numerai's benchmark model v53_lgbm_ender60 stands in. live: second failed to predict: "
    )
    assert "; previous: numerai_submission_rules: " in benchmark.rung_reason
    served = pl.read_parquet(lake.live_folder(number, "v5.3") / "live_benchmark_models.parquet")
    sent = pd.read_csv(io.BytesIO(stage.content(benchmark.submission_id)))
    assert sent["id"].tolist() == served["id"].to_list()
    np.testing.assert_array_equal(
        sent["prediction"].rank(), served["v53_lgbm_ender60"].to_pandas().rank()
    )

    query = "SELECT DISTINCT vintage, sha256 FROM predictions WHERE model = 'second' AND round = ?"
    assert catalog.query(lake, query, [number]).rows() == [(None, benchmark.predictions_sha256)]
    query = "SELECT rung_reason FROM submissions WHERE model = 'second' AND round = ?"
    assert catalog.query(lake, query, [number]).rows() == [(benchmark.rung_reason,)]


def assert_nothing_stands_in(failed):
    """See that a stand-in does not stand in for others: sleeper has nothing of its own to give."""
    assert (failed.state, failed.outcome) == (State.PENDING, Outcome.FAILED)
    for reason in (
        "constant: all that was tried failed. live: failed to predict: ArithmeticError",
        "previous: failed to predict: WrongPredictions: 1 of ",
        "fallback: sleeper has no weights; to make some: numebot train --models sleeper",
    ):
        assert reason in failed.reason


def assert_dagster_shows(result, benchmark):
    """Find the rung and the failures where the user of Dagster looks."""
    assert not result.success
    made = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    for kind in ("predictions", "submission"):
        shown = made[f"models/second/{kind}"]
        assert shown["rung"].value == "fallback"
        assert shown["rung_reason"].value == benchmark.rung_reason
        assert shown["vintage"].value == ""
    assert "rung_reason" not in made["models/steady_1/predictions"]
    [failure] = result.get_step_failure_events()
    assert "2 of 7 models failed" in failure.step_failure_data.error.message


def test_the_lowest_rungs_and_the_second_order(stage, run_round):
    """Another model, the benchmark, and nothing at all; and what becomes of those fed by them."""
    stage.register(
        [
            ("raising", "broken_models:Moody", "", "steady-1"),  # not predicted yet when needed
            ("steady-1", MOODY, "", ""),
            ("second", MOODY, "", "benchmark"),
            ("constant", MOODY, "", "sleeper"),
            ("sleeper", MOODY, "", "benchmark"),
            ("untrained", MOODY, "second", ""),
            ("contrarian", MOODY, "constant", ""),
        ]
    )
    for name in ("raising", "steady-1", "untrained", "contrarian"):
        stage.store(name, NEW)
    for name, older in (("second", "constant"), ("constant", "nan")):
        stage.store(name, OLD, older)
        stage.store(name, NEW, "raises")
    number = stage.world.open_round()
    result = run_round(stage.world, number)
    lake = stage.world.platform.lake
    latest = receipts.latest(lake, number)

    assert_model_stands_in(latest)
    assert_benchmark_stands_in(stage, number, latest["second"])
    assert latest["sleeper"].rung is Rung.FALLBACK  # never trained
    assert_nothing_stands_in(latest["constant"])
    # Second order: fed by the input's stand-in; without any input, failed alone and by name.
    assert (latest["untrained"].rung, latest["untrained"].state) == (Rung.LIVE, State.CONFIRMED)
    assert latest["untrained"].predictions_sha256 == latest["second"].predictions_sha256
    assert "contrarian needs the predictions of constant" in latest["contrarian"].reason
    assert "the stars are not right" in latest["contrarian"].reason
    confirmed = {"raising", "steady-1", "second", "sleeper", "untrained"}
    assert stage.world.submissions(number) == dict.fromkeys(confirmed, 1)

    assert_dagster_shows(result, latest["second"])
    platform = stage.world.platform
    stored = pl.read_parquet(newest_file(platform, RoundRecord(platform.lake, "second", number)))
    live = pl.read_parquet(lake.live_folder(number, "v5.3") / "live_benchmark_models.parquet")
    assert stored.height == live.height


def test_a_higher_rung_replaces_a_lower_one_and_is_tried_for_again(stage, caplog):
    stage.register([("second", MOODY, "", "benchmark")])
    stage.store("second", NEW, "raises")
    platform, number = stage.open_round()
    assert endings(played(platform, number)) == {"second": Ending.CONFIRMED}
    first = receipts.latest(platform.lake, number)["second"]
    assert first.rung is Rung.FALLBACK

    # Live fails again: what Numerai holds stays, confirmed as it was.
    uploads = stage.world.uploads()
    assert endings(played(platform, number)) == {"second": Ending.SKIPPED}
    assert receipts.latest(platform.lake, number)["second"] == first
    said = [line for line in caplog.messages if "what Numerai holds stays" in line]
    assert len(said) == 1
    assert said[0].startswith("second: no rung above `fallback` could be played, ")
    # Force is no reason to replace it by less, or by the same.
    assert endings(played(platform, number, force=True)) == {"second": Ending.SKIPPED}
    assert stage.world.uploads() == uploads

    # A previous vintage is better than a stand-in, and live better than both.
    stage.store("second", OLD)
    assert endings(played(platform, number)) == {"second": Ending.CONFIRMED}
    assert receipts.latest(platform.lake, number)["second"].rung is Rung.PREVIOUS
    assert endings(played(platform, number)) == {"second": Ending.SKIPPED}
    # The weights are the same, and so are the predictions: they are recorded and not sent again.
    stage.store("second", NEW)
    assert endings(played(platform, number)) == {"second": Ending.SKIPPED}
    last = receipts.latest(platform.lake, number)["second"]
    assert (last.rung, last.rung_reason, last.vintage) == (Rung.LIVE, None, NEW)
    assert stage.world.submissions(number) == {"second": 2}
    submission = platform.client.fleet().submission_of("second", number)
    assert submission.submission_id == last.submission_id
    assert endings(played(platform, number)) == {"second": Ending.SKIPPED}


def test_rungs_that_would_cost_the_others_more_than_one_budget_wait_for_them(stage):
    """A hanging model, twice over, and one fed by it, before an honest one."""
    stage.register(
        [
            ("sleeper", MOODY, "", "benchmark"),
            ("untrained", MOODY, "sleeper", ""),
            ("raising", MOODY, "", "sleeper"),  # whose previous vintage has to wait
            ("steady-1", MOODY, "", ""),
        ]
    )
    stage.store("raising", NEW, "raises")
    stage.store("sleeper", OLD, "hangs", time_budget=1.0)
    stage.store("sleeper", NEW, "hangs", time_budget=1.0)
    stage.store("untrained", NEW)
    stage.store("steady-1", NEW)
    platform, number = stage.open_round()
    results = played(platform, number)
    assert endings(results) == {
        "sleeper": Ending.CONFIRMED,
        "untrained": Ending.CONFIRMED,
        "raising": Ending.FAILED,
        "steady-1": Ending.CONFIRMED,
    }
    assert (
        results["raising"].text.count("; fallback: sleeper: all that was tried failed. live: ") == 1
    )
    order = stage.world.rows(
        "SELECT m.name FROM uploads u JOIN models m ON m.id = u.model_id "
        "WHERE u.filename LIKE ? ORDER BY u.rowid",
        f"round-{number}-%",
    )
    assert order[0]["name"] == "steady-1"
    latest = receipts.latest(platform.lake, number)
    assert latest["sleeper"].rung_reason.count("took longer than 1 s") == 2
    assert latest["untrained"].predictions_sha256 == latest["sleeper"].predictions_sha256


def test_nothing_is_begun_that_cannot_end_before_the_close(stage, caplog):
    """Four seconds are left beside those for the upload: half of them for what hangs."""
    stage.register([("second", MOODY, "", "benchmark"), ("raising", MOODY, "", "benchmark")])
    stage.store("second", NEW, "hangs", time_budget=60.0)
    stage.store("raising", NEW, time_budget=60.0)
    platform, earlier = stage.open_round()
    receipts.append(platform.lake, Receipt("raising", earlier, predict_seconds=30.0))
    platform, number = stage.open_round()
    stage.world.practice.advance(hours=(left(platform, number) - UPLOAD_SECONDS - 4) / 3600)
    assert set(endings(played(platform, number)).values()) == {Ending.CONFIRMED}
    latest = receipts.latest(platform.lake, number)
    assert {receipt.rung for receipt in latest.values()} == {Rung.FALLBACK}
    assert re.search(r"second did not end in the [12] s left for it", latest["second"].rung_reason)
    assert "raising was not begun: " in latest["raising"].rung_reason
    assert "and it takes about 30 s" in latest["raising"].rung_reason
    assert caplog.text.count("raising: the live rung failed, the next is tried: was not begun") == 1
    [alert] = [stored for stored in alerts_of(platform.lake) if stored["kind"] == "plan-too-long"]
    assert alert["subject"] == f"round-{number}"
    assert "raising (30 s)" in alert["text"]
    assert "second (up to 60 s)" in alert["text"]

    # What could not be sent any more is not predicted either.
    stage.register([("constant", MOODY, "", ""), ("untrained", MOODY, "", "benchmark")])
    stage.store("constant", NEW)
    stage.world.practice.advance(hours=(left(platform, number) - UPLOAD_SECONDS / 2) / 3600)
    results = played(stage.world.platform, number)
    assert results["constant"].text.startswith("constant was not begun: 0 s are left for it")
    assert endings(results) == {"constant": Ending.FAILED, "untrained": Ending.CONFIRMED}


def left(platform, number):
    round_ = platform.client.round(number)
    return (round_.close_staking_time - platform.client.now()).total_seconds()


def alerts_of(lake):
    return [json.loads(path.read_text()) for path in lake.alert_files()]


def test_a_damaged_predictions_file_is_as_if_missing(stage):
    stage.register([("second", MOODY, "", "")])
    stage.store("second", NEW)
    platform, number = stage.open_round()
    played(platform, number)
    receipt = receipts.latest(platform.lake, number)["second"]
    whole = stored_prediction(platform, receipt)
    assert whole.seconds == receipt.predict_seconds
    content = whole.path.read_bytes()
    frame = pl.read_parquet(whole.path)
    for damage in (
        lambda: whole.path.write_bytes(content[:-100]),
        lambda: whole.path.write_bytes(b""),
        lambda: frame.reverse().write_parquet(whole.path),
        lambda: frame.select("id").write_parquet(whole.path),
        whole.path.unlink,
    ):
        damage()
        assert stored_prediction(platform, receipt) is None
    # The same predictions, made again, take the place of the damaged file.
    whole.path.write_bytes(content[:-100])
    assert endings(played(platform, number, submit=False)) == {"second": Ending.PREDICTED}
    assert whole.path.read_bytes() == content
    assert stored_prediction(platform, receipt).submission == whole.submission
