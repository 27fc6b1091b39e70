"""Bad input from Numerai: what it answers, when its rounds open and close, and its live data.

From the list of what is tried by a test (docs/bad-input.md has all of it):

- credentials missing, wrong, lacking a scope;
- endpoint down, slow, cutting, answering HTML, 401, 429, 500, wrong JSON, GraphQL errors;
- clock skew; a round that opens late, closes early, is cancelled;
- live data truncated, of a wrong type, with a NaN, with duplicate ids.

Each time the error names the cause, and the round is played when the cause is gone.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from numebot_dagster.cli.main import app
from numebot_dagster.defs.failures import chain_of
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.operations.rounds.playing import Ending, Play, play
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, State

BOTH = {"steady-1": 1, "second": 1}


@pytest.fixture
def practice(world):
    """Return the tournament, whose faults end with the test."""
    yield world.practice
    world.practice.remove_faults()


def failure_of(result):
    """Return what the step that failed says, with the causes of its error."""
    assert not result.success
    return " ".join(error.message for error in chain_of(result.get_step_failure_events()[0]))


def assert_played(world, number):
    platform = world.platform
    models = platform.registry.enabled
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, models)
    assert {result.ending for result in play(platform, Play(number, models))} == {Ending.CONFIRMED}
    assert world.submissions(number) == BOTH
    latest = receipts.latest(platform.lake, number)
    assert {name: receipt.state for name, receipt in latest.items()} == dict.fromkeys(
        BOTH, State.CONFIRMED
    )


@pytest.mark.parametrize(
    ("settings", "withdrawn", "said"),
    [
        ({"NUMERAI_PUBLIC_ID": "", "NUMERAI_SECRET_KEY": ""}, None, "set NUMERAI_PUBLIC_ID and"),
        ({"NUMERAI_SECRET_KEY": "nonsense"}, None, "check the credentials and their scopes"),
        ({}, "upload_submission", "check the credentials and their scopes"),
    ],
    ids=["missing", "wrong", "no upload"],
)
def test_credentials(world, practice, run_round, monkeypatch, settings, withdrawn, said):
    number = world.open_round()
    with monkeypatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        if withdrawn:
            practice.add_fault("scope-withdrawn", values={"scope": withdrawn})
        text = failure_of(run_round(world, number))
    assert said in text
    assert "nonsense" not in text
    assert world.submissions(number) == {}
    practice.remove_faults()
    assert_played(world, number)


def test_faults_that_pass_are_waited_out(world, practice):
    number = world.open_round()
    for kind, values in (
        ("latency", {"seconds": 0.5}),
        ("drip", {"seconds": 0.02}),
        ("cut", {}),
        ("html", {}),
        ("not-json", {}),
        ("status", {"status": 429, "retry_after": 0}),
        ("status", {"status": 500}),
    ):
        practice.add_fault(kind, where="graphql:*", times=1, values=values)
    practice.add_fault("cut", where="upload:*", times=1)
    practice.add_fault("status", where="download:*", times=1, values={"status": 503})
    assert_played(world, number)
    struck = [fault["struck"] for fault in practice.faults()]
    assert struck == [1] * 9


@pytest.mark.parametrize("kind", ["redirect", "html"])
def test_a_log_in_page_in_the_place_of_files_is_waited_out(world, practice, kind):
    """It is taken neither for live data nor for a submission, of which none is sent twice."""
    number = world.open_round()
    for where in ("download:*live*", "submission:*"):
        practice.add_fault(kind, where=where, times=1)
    assert_played(world, number)
    assert [fault["struck"] for fault in practice.faults()] == [1, 1]


def test_faults_that_stay_are_named_and_the_round_is_played_when_they_are_gone(
    world, practice, run_round, monkeypatch
):
    number = world.open_round()
    lasting = [
        ("html", {}, "did not answer with a JSON object: '<"),
        ("not-json", {}, "did not answer with a JSON object"),
        ("latency", {"seconds": 2}, "did not answer in time"),
        ("drip", {"seconds": 0.1}, "answered too slowly"),
        ("cut", {}, "the connection failed"),
        ("status", {"status": 401}, "status 401"),
        ("status", {"status": 500}, "status 500"),
        ("error", {"message": "the database is tired"}, "Numerai answered: the database is tired"),
        # The last one, because the refusal is remembered for a while.
        ("status", {"status": 429}, "Numerai's limit on"),
    ]
    with monkeypatch.context() as patch:
        patch.setenv("NUMEBOT_RETRY_DEADLINE", "0.5")
        for kind, values, said in lasting:
            fault = practice.add_fault(kind, where="graphql:*", values=values)
            with pytest.raises(NumeraiError) as caught:
                play(world.platform, Play(number, world.platform.registry.enabled))
            assert said in str(caught.value), (kind, values)
            practice.remove_faults(fault)
        # Nothing listens at all.
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            patch.setenv("NUMERAI_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
            assert "the connection failed: Connection refused" in failure_of(
                run_round(world, number)
            )
    assert_played(world, number)


def test_a_clock_that_is_skewed(world, practice):
    """This machine's clock is months from the tournament's anyway; now Numerai's own is ahead."""
    number = world.open_round()
    practice.add_fault("clock-skew", values={"seconds": 900})
    assert_played(world, number)
    accepted = receipts.latest(world.platform.lake, number)["second"].accepted_at
    opened = world.platform.client.round(number).open_time
    assert timedelta(minutes=14) < accepted - opened < timedelta(minutes=20)


def test_a_round_that_opens_late(world, practice):
    number = world.open_round()
    practice.add_fault("not-open")
    refused = CliRunner().invoke(app, ["run"])
    assert refused.exit_code == 1
    assert "no round is open at" in refused.stderr
    practice.remove_faults()
    assert_played(world, number)


def test_a_round_that_closes_early(world, practice, run_round):
    """The times that were stored when it was noticed do not count any more."""
    number = world.open_round()
    details.fetch_details(world.platform, number)
    uploads = world.uploads()
    round_ = world.platform.client.round(number)  # of an hour on weekdays, of 26 on Saturdays
    window = (round_.close_staking_time - round_.open_time) // timedelta(minutes=1)
    practice.add_fault("deadline-moved", values={"minutes": 1 - window, "round": number})
    practice.advance(hours=0.05)
    run_round(world, number)
    assert world.uploads() == uploads
    latest = receipts.latest(world.platform.lake, number)
    assert {receipt.outcome for receipt in latest.values()} == {Outcome.MISSED}
    assert "before it closed" in latest["second"].reason


def test_a_round_that_is_cancelled(world, practice, run_round):
    """Numerai knows it no more: said by its number, and what was stored stays."""
    number = world.open_round()
    details.fetch_details(world.platform, number)
    practice.add_fault("null", where="graphql:rounds", values={"field": "RootQueryType.rounds"})
    assert f"Numerai has no round {number}" in failure_of(run_round(world, number))
    assert world.submissions(number) == {}
    assert number in world.platform.lake.stored_rounds()
    practice.remove_faults()
    assert_played(world, number)


def first_feature(frame):
    return next(name for name in frame.columns if name.startswith("feature_"))


def wrong_type(frame):
    return frame.with_columns(pl.col(first_feature(frame)).cast(pl.String))


def with_nan(frame):
    name = first_feature(frame)
    rows = pl.int_range(pl.len()) == 3
    return frame.with_columns(pl.when(rows).then(float("nan")).otherwise(pl.col(name)).alias(name))


def with_null(frame):
    rows = pl.int_range(pl.len()) % 3 == 0
    return frame.with_columns(
        pl.when(rows).then(None).otherwise(pl.col("^feature_.*$")).name.keep()
    )


def doubled(frame):
    return pl.concat([frame, frame.head(1)])


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 1000])


def rewritten(change):
    def spoil(path):
        change(pl.read_parquet(path)).write_parquet(path)

    return spoil


def test_live_data_that_are_served_wrong(world):
    """Each is refused before it is stored; then a file with a single NaN is taken and played."""
    number = world.open_round()
    platform = world.platform
    platform.client.identify("v5.3/live.parquet")  # so that the server has made its file
    made = (world.folder / "tournament" / "datasets").glob("*/v5.3/live.parquet")
    served = max(made, key=lambda path: path.stat().st_mtime)
    content, stamp = served.read_bytes(), served.stat().st_mtime
    for spoil, said in (
        (truncated, "is not a whole Parquet file"),
        (rewritten(wrong_type), "feature_"),
        (rewritten(with_null), "33% of the feature values are missing"),
        (rewritten(doubled), "id"),
    ):
        served.write_bytes(content)
        spoil(served)
        os.utime(served, (stamp, stamp))
        with pytest.raises(NumeraiError) as caught:
            live_data.fetch_live(platform, number, platform.registry.enabled)
        assert "live.parquet" in str(caught.value)
        assert said in str(caught.value)
        assert platform.lake.live_folders(number) == {}
    served.write_bytes(content)
    rewritten(with_nan)(served)
    os.utime(served, (stamp, stamp))
    assert_played(world, number)
