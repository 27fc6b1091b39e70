"""Wherever a run is killed, the next one ends with one confirmed submission per model."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import requests

from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, RoundRecord, State
from tests.operations.rounds.killed_run import DEATHS
from tests.support.kill_points import HOLDS, KillPoint

DRIVER = "tests.operations.rounds.killed_run"
SIGKILLED = -9


def held_by_numerai(world, number):
    """Ask the tournament as a client would for the ids of the submissions that count, by model."""
    return {
        submission.model: submission.submission_id
        for submission in world.platform.client.fleet().submissions
        if submission.round_number == number
        and submission.submission_id
        and submission.status == "on-time"
    }


def content_of(world, submission_id):
    [row] = world.rows("SELECT filename FROM submissions WHERE id = ?", submission_id)
    return (world.folder / "tournament" / "uploads" / row["filename"]).read_bytes()


def assert_all_is_well(world, number):
    submissions = held_by_numerai(world, number)
    assert set(submissions) == {"steady-1", "second"}
    lake = world.platform.lake
    latest = receipts.latest(lake, number)
    for name, submission_id in submissions.items():
        receipt = latest[name]
        assert (receipt.state, receipt.outcome) == (State.CONFIRMED, Outcome.ON_TIME)
        assert receipt.submission_id == submission_id
        stored = lake.predictions_file(name, number, receipt.vintage, receipt.predictions_sha256)
        uploaded = pd.read_csv(io.BytesIO(content_of(world, submission_id)))
        pd.testing.assert_frame_equal(uploaded, pd.read_parquet(stored), check_dtype=False)
        assert hashlib.sha256(content_of(world, submission_id)).hexdigest() == (
            receipt.predictions_sha256
        )
    # No receipt speaks of a submission that the tournament does not have.
    registered = {row["id"] for row in world.rows("SELECT id FROM submissions")}
    for name in submissions:
        history = RoundRecord(lake, name, number).history
        assert {receipt.submission_id for receipt in history if receipt.submission_id} <= registered


def test_a_run_is_killed_at_every_point():
    assert DEATHS.keys() | HOLDS.keys() == set(KillPoint)


@pytest.mark.slow  # the short form of the chaos run kills at these steps and more
@pytest.mark.parametrize(
    ("point", "registered"),
    [
        (KillPoint.UPLOAD, set()),
        (KillPoint.REGISTRATION, set()),
        (KillPoint.REGISTRATION_RECORDED, {"steady-1"}),
        (KillPoint.ACCEPTANCE_RECORDED, {"steady-1"}),
        (KillPoint.CONFIRMATION_RECORDED, {"steady-1", "second"}),
    ],
)
def test_the_next_run_takes_up_what_a_killed_one_left(world, point, registered):
    number = world.open_round()
    killed = world.process("run", driver=DRIVER, KILL_AT=point)
    assert killed.returncode == SIGKILLED, killed.stderr
    before = world.submissions(number)
    # Uploads run beside the next model's prediction, so the second one may have come as far.
    assert registered <= set(before) <= (registered | {"second"} if registered else set())
    latest = receipts.latest(world.platform.lake, number)
    assert State.CONFIRMED not in {receipt.state for receipt in latest.values()}

    finished = world.numebot("run")
    assert finished.returncode == 0, finished.stderr
    assert_all_is_well(world, number)
    # What had arrived was taken up, not sent a second time.
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def test_two_runs_at_the_same_time_make_one_submission_per_model(world):
    number = world.open_round()
    command = [sys.executable, "-m", "numebot_dagster.cli.main", "run"]
    both = [
        subprocess.Popen(
            command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    texts = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n\n".join(texts)
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    assert_all_is_well(world, number)


def test_a_download_killed_half_way_ends_as_what_the_server_holds(fresh_world):
    world = fresh_world
    world.open_round()
    shutil.rmtree(world.folder / "data")
    killed = world.process("train", driver=DRIVER, KILL_AT=KillPoint.TRAINING_DATA)
    assert killed.returncode == SIGKILLED, killed.stderr
    assert list((world.folder / "data").rglob("train.parquet")) == []

    finished = world.numebot("train")
    assert finished.returncode == 0, finished.stderr
    [stored] = (world.folder / "data").rglob("train.parquet")
    served = requests.get(world.platform.client._location("v5.3/train.parquet", None), timeout=60)
    assert stored.read_bytes() == served.content
    assert list((world.folder / "data" / "training").rglob("*.part")) == []
