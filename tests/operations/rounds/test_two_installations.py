"""Two data folders that use one account: each says what the other did, and neither fights."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from numebot_dagster.lake.installation import Installation, installation_id
from numebot_dagster.lake.layout import Lake
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.health.round_alerts import round_alerts
from numebot_dagster.operations.health.status import Standing, standing_of
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import acceptance, details, follow_up, live_data
from numebot_dagster.operations.rounds.playing import Ending, Play, play
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.file_names import name_for, uploader
from numebot_dagster.submissions.receipts import State


@pytest.mark.parametrize(
    ("filename", "who"),
    [
        ("round-1405-0123abcd-k3f9xy-dMpHpYMPIUAF.csv", "the installation k3f9xy of Numebot"),
        ("round-1405-0123abcd-k3f9xy.csv", "the installation k3f9xy of Numebot"),
        ("round-1405-0123abcd-dMpHpYMPIUAF.csv", "an older installation of Numebot"),
        ("predictions-dMpHpYMPIUAF.csv", "something other than Numebot"),
        ("model57-dMpHpYMPIUAF.csv", "something other than Numebot"),
        (None, "something other than Numebot"),
    ],
)
def test_a_file_name_says_who_has_uploaded_it(filename, who):
    assert uploader(filename) == who


def test_a_folder_keeps_its_id_and_a_copy_gets_another(tmp_path):
    first = Lake(tmp_path / "data")
    own = installation_id(first)
    assert installation_id(Lake(tmp_path / "data")) == own
    assert own in uploader(name_for(1405, "0123abcd" * 8, own))
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    copy = installation_id(Lake(tmp_path / "copy"))
    assert copy != own
    assert installation_id(Lake(tmp_path / "copy")) == copy
    (tmp_path / "data").rename(tmp_path / "moved")
    assert installation_id(Lake(tmp_path / "moved")) == own
    (tmp_path / "moved" / "installation.json").write_text("{")
    assert installation_id(Lake(tmp_path / "moved")) == installation_id(Lake(tmp_path / "moved"))


@pytest.mark.parametrize(
    ("changes", "is_copy"),
    [
        ({}, False),
        ({"path": "/moved"}, False),
        ({"inode": 3}, False),  # mounted anew
        ({"inode": 3, "path": "/copy"}, True),
        ({"machine": "other"}, True),  # the clone of a volume, whose root has the same inode
        ({"machine": None}, False),
    ],
)
def test_a_copy_is_told_from_the_folder_itself(changes, is_copy):
    stored = Installation("k3f9xy", 2, "/data", "this")
    assert stored.is_copied_to(replace(stored, **changes)) is is_copy
    of_an_earlier_version = Installation("k3f9xy", 2)
    assert not of_an_earlier_version.is_copied_to(stored)


def another(world):
    """Return the same participant on another machine: its own data folder, the same account."""
    shutil.copytree(world.folder / "data", world.folder / "other")
    settings = world.platform.settings.model_copy(
        update={"numerai_data_folder": world.folder / "other"}
    )
    return Platform(settings)


def played(platform, number):
    models = platform.registry.enabled
    return {result.model.name: result for result in play(platform, Play(number, models))}


def play_at_once(platforms, number, monkeypatch):
    """Let both register in the same moment."""
    at_once, create = threading.Barrier(2, timeout=60), NumeraiClient.create_submission

    def create_at_once(client, *arguments, **more):
        at_once.wait()
        return create(client, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(NumeraiClient, "create_submission", create_at_once)
        threads = [
            threading.Thread(target=played, args=(platform, number)) for platform in platforms
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_two_that_start_in_the_same_second(fresh_world, monkeypatch):
    world = fresh_world
    monkeypatch.setattr(acceptance, "SELECTION_PATIENCE", 0.3)
    world.register("second")
    number = world.open_round()
    both = [world.platform, another(world)]
    for platform in both:
        details.fetch_details(platform, number)
        live_data.fetch_live(platform, number, platform.registry.enabled)
    play_at_once(both, number, monkeypatch)
    assert world.submissions(number) == {"second": 2}

    round_ = both[0].client.round(number)
    submission = both[0].client.fleet().submission_of("second", number)
    [winner] = [platform for platform in both if platform.installation in submission.filename]
    [loser] = [platform for platform in both if platform is not winner]
    for platform in both:  # the next look
        follow_up.recheck(platform, round_, platform.registry.enabled)
    stands = {
        platform.installation: receipts.latest(platform.lake, number)["second"] for platform in both
    }
    assert stands[winner.installation].state is State.CONFIRMED
    theirs = stands[loser.installation]
    assert theirs.is_foreign
    assert f"uploaded by the installation {winner.installation} of Numebot" in theirs.reason
    assert standing_of(theirs) is Standing.ELSEWHERE

    for platform in both:  # nobody fights
        [again] = played(Platform(platform.settings), number).values()
        assert again.ending is Ending.SKIPPED
        assert again.receipt == receipts.latest(platform.lake, number)["second"]
    assert world.submissions(number) == {"second": 2}

    assert_alerts_name(winner, round_, loser.registry.enabled, theirs)


def assert_alerts_name(winner, round_, models, receipt):
    latest = {"second": receipt}
    [alert] = round_alerts(round_, models, latest, round_.open_time)
    assert alert.kind is Kind.SUBMITTED_ELSEWHERE
    assert winner.installation in alert.text
    assert "--force" in alert.text
    later = round_.close_staking_time + timedelta(minutes=10)
    after = round_alerts(round_, models, latest, later)
    assert [alert.kind for alert in after] == [Kind.SUBMITTED_ELSEWHERE]  # and not missed


def test_a_submission_by_hand_is_no_failure(fresh_world):
    """The command ends well, says who submitted, and the closed round is not called missed."""
    world = fresh_world
    world.register("second")
    number = world.open_round()
    client = world.platform.client
    model = client.fleet().models["second"].id
    other = another(world)
    details.fetch_details(other, number)
    live_data.fetch_live(other, number, other.registry.enabled)
    [theirs] = played(other, number).values()
    content = client.download_submission(theirs.receipt.submission_id)
    target = client.authorise_upload(model, "by-hand.csv")
    client.put_upload(target, content)
    client.create_submission(model, target.filename)

    finished = world.numebot("run")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "something other than Numebot" in " ".join(finished.stdout.split())
    assert world.submissions(number) == {"second": 2}
    receipt = receipts.latest(world.platform.lake, number)["second"]
    assert (receipt.is_foreign, standing_of(receipt)) == (True, Standing.ELSEWHERE)

    world.practice.advance("next-close")
    platform = world.platform
    assert follow_up.settle(platform, client.round(number), platform.registry.enabled) == {}
    status = world.numebot("status")
    assert "elsewhere" in status.stdout
    assert "missed" not in status.stdout
