"""One selected submission per model and round, and receipts that say what Numerai holds."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from numebot_dagster.lake import catalog, files
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.numerai.errors import NumeraiError, RoundNotOpen
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import acceptance, details, follow_up, live_data, uploading
from numebot_dagster.operations.rounds.playing import Ending, Play, play
from numebot_dagster.operations.training import vintages
from numebot_dagster.settings import load_settings
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord, State

BOTH = {"steady-1", "second"}


class Killed(BaseException):
    """Passes every handler of ours, as the end of a process does."""


def fetched(world, number, platform=None):
    platform = platform or world.platform
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    return platform


def open_round(world):
    number = world.open_round()
    fetched(world, number)
    return number


def played(world, number, *names, **request):
    platform = world.platform
    models = [model for model in platform.registry.enabled if not names or model.name in names]
    return {result.model.name: result for result in play(platform, Play(number, models, **request))}


def endings(results):
    return {result.ending for result in results.values()}


def latest(world, number, name="second"):
    return receipts.latest(world.platform.lake, number).get(name)


def rechecked(world, number):
    platform = world.platform
    return follow_up.recheck(platform, platform.client.round(number), platform.registry.enabled)


def settled(world, number):
    platform = world.platform
    return follow_up.settle(platform, platform.client.round(number), platform.registry.enabled)


def submission_of(world, number, name="second"):
    return world.platform.client.fleet().submission_of(name, number)


@contextmanager
def fault(world, kind, **more):
    added = world.practice.add_fault(kind, **more)
    try:
        yield added
    finally:
        world.practice.remove_faults()


@pytest.fixture
def hasty(monkeypatch):
    """Wait only shortly for what does not come."""
    monkeypatch.setattr(acceptance, "ACCEPTANCE_PATIENCE", 0.5)
    monkeypatch.setattr(acceptance, "SELECTION_PATIENCE", 0.3)


# --- kills


def die(*_, **__):
    raise Killed


def after(function):
    def call(*arguments, **more):
        function(*arguments, **more)
        raise Killed

    return call


def after_the_second(function):
    """End after the second call: the first is at the beginning of the run."""
    calls = []

    def call(*arguments, **more):
        answer = function(*arguments, **more)
        calls.append(answer)
        if len(calls) == 2:
            raise Killed
        return answer

    return call


def after_receipt(matches):
    """End after the first receipt that matches was written."""

    def wrap(append):
        def call(lake, receipt):
            recorded = append(lake, receipt)
            if matches(receipt):
                raise Killed
            return recorded

        return call

    return wrap


def is_intent(receipt):
    return receipt.state is State.PENDING and receipt.submission_id is None


def is_registered(receipt):
    return receipt.state is State.PENDING and receipt.submission_id is not None


def is_in(state):
    return lambda receipt: receipt.state is state


# What comes right before a point is the point before. In pairs: two models in each round.
POINTS = {
    "before the authorisation": ("authorise_upload", lambda _: die, 0),
    "after the authorisation": ("authorise_upload", after, 0),
    "after the intent": ("append", after_receipt(is_intent), 0),
    "after the PUT": ("put_upload", after, 0),
    "after the registration": ("create_submission", after, 1),
    "after the id's receipt": ("append", after_receipt(is_registered), 1),
    "after the first look": ("fleet", after_the_second, 1),
    "after the accepted receipt": ("append", after_receipt(is_in(State.ACCEPTED)), 1),
    "after the download": ("download_submission", after, 1),
    "after the confirmed receipt": ("append", after_receipt(is_in(State.CONFIRMED)), 1),
}


def kill(world, number, point, model="second"):
    """Play one model until it is killed at a point."""
    name, wrap, _ = POINTS[point]
    with pytest.MonkeyPatch.context() as patch:
        place = receipts if name == "append" else NumeraiClient
        patch.setattr(place, name, wrap(getattr(place, name)))
        with pytest.raises(Killed):
            played(world, number, model)


@pytest.mark.parametrize("points", list(zip(*[iter(POINTS)] * 2, strict=True)), ids=" and ".join)
def test_killed_at_every_step_of_an_upload(world, points):
    """Each time the next run takes up what arrived, and ends with one confirmed submission."""
    number = open_round(world)
    models = dict(zip(("steady-1", "second"), points, strict=True))
    for model, point in models.items():
        kill(world, number, point, model)
        assert world.submissions(number).get(model, 0) == POINTS[point][2]
    results = played(world, number)
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    for model, point in models.items():
        done = point == "after the confirmed receipt"
        assert results[model].ending is (Ending.SKIPPED if done else Ending.CONFIRMED)
        receipt = latest(world, number, model)
        assert (receipt.state, receipt.outcome) == (State.CONFIRMED, Outcome.ON_TIME)
        assert receipt.submission_id == submission_of(world, number, model).submission_id


@pytest.mark.parametrize("point", ["after the registration", "after the accepted receipt"])
def test_killed_and_then_the_round_closed(world, point):
    """What arrived in time is found at Numerai, and not called missed."""
    number = open_round(world)
    kill(world, number, point)
    world.practice.advance("next-close")
    ends = settled(world, number)
    assert ends["second"].state is State.CONFIRMED
    assert ends["second"].outcome is Outcome.ON_TIME
    assert ends["second"].submission_id == submission_of(world, number).submission_id
    assert (ends["steady-1"].outcome, ends["steady-1"].state) == (Outcome.MISSED, State.PENDING)
    assert settled(world, number) == {}  # once


def test_two_runs_at_once_make_one_submission(world):
    number = open_round(world)
    plays = []

    def run():
        plays.append(played(world, number))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(sorted, map(endings, plays))) == [["confirmed"], ["skipped"]]
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


# --- uploads that fail on the way


@pytest.mark.parametrize(
    ("kind", "where", "values"),
    [
        ("expired-upload", "graphql:submissionUploadAuth", {}),
        ("status", "upload:*", {"status": 403}),
        ("lost-upload", "upload:*", {}),
        ("error", "graphql:createSubmission", {"message": "file not found"}),
    ],
)
def test_a_refused_upload_goes_to_a_new_address_within_the_run(world, kind, where, values):
    number = open_round(world)
    before = world.uploads()
    with fault(world, kind, where=where, times=1, values=values):
        results = played(world, number, "second")
    assert endings(results) == {Ending.CONFIRMED}
    assert world.submissions(number) == {"second": 1}
    assert world.uploads() - before == 2


def test_uploads_that_stay_refused_end_with_the_reason(world):
    number = open_round(world)
    before = world.uploads()
    with fault(world, "expired-upload"):
        results = played(world, number, "second")
    assert endings(results) == {Ending.FAILED}
    assert "403" in results["second"].text
    assert world.uploads() - before == uploading.UPLOADS
    assert endings(played(world, number, "second")) == {Ending.CONFIRMED}
    assert world.submissions(number) == {"second": 1}


# --- rounds that closed


def test_a_registration_that_outlives_its_run_is_not_repeated(world, monkeypatch):
    """Killed while Numerai still works on the registration: the next run sees nothing held."""
    number = open_round(world)
    create, on_its_way = NumeraiClient.create_submission, []

    def send_and_die(client, model_id, filename, **_):
        register = partial(create, client, model_id, filename)
        on_its_way.append(threading.Thread(target=register))
        on_its_way[0].start()
        time.sleep(0.3)  # it has left
        raise Killed

    slow = {"seconds": 2}
    with fault(world, "latency", where="graphql:createSubmission", times=1, values=slow):
        with monkeypatch.context() as patch:
            patch.setattr(NumeraiClient, "create_submission", send_and_die)
            with pytest.raises(Killed):
                played(world, number, "second")
        assert submission_of(world, number) is None
        [confirmed] = played(world, number, "second").values()
        assert confirmed.ending is Ending.CONFIRMED
        on_its_way[0].join()
    rechecked(world, number)
    assert endings(played(world, number, "second")) <= {Ending.SKIPPED, Ending.CONFIRMED}
    assert world.submissions(number) == {"second": 1}
    assert latest(world, number).submission_id == submission_of(world, number).submission_id


def test_a_round_that_nobody_played_is_missed_once_numerai_was_asked(world):
    number = world.open_round()
    details.fetch_details(world.platform, number)
    world.practice.advance("next-close")
    with fault(world, "error", where="graphql:account"), pytest.raises(NumeraiError):
        settled(world, number)
    assert receipts.latest(world.platform.lake, number) == {}
    ends = settled(world, number)
    assert {receipt.outcome for receipt in ends.values()} == {Outcome.MISSED}
    assert "no run played the round before it closed" in ends["second"].reason


def test_a_submission_of_another_folder_is_not_missed(world):
    number = open_round(world)
    assert endings(played(world, number, "second")) == {Ending.CONFIRMED}
    lake = world.platform.lake
    shutil.rmtree(lake.receipts_folder("second", number))  # as if made elsewhere,
    lake.installation_file.unlink()  # by another installation
    world.practice.advance("next-close")
    receipt = settled(world, number)["second"]
    assert (receipt.state, receipt.outcome) == (State.ACCEPTED, Outcome.ON_TIME)
    assert "uploaded by the installation" in receipt.reason
    assert receipt.submission_id == submission_of(world, number).submission_id


def test_late_submissions_only_when_asked_and_replaced_in_the_next_round(world):
    number = world.open_round()
    details.fetch_details(world.platform, number)
    world.practice.advance("next-close")
    platform = world.platform
    with pytest.raises(RoundNotOpen):
        live_data.fetch_live(platform, number, platform.registry.enabled)
    live_data.fetch_live(platform, number, platform.registry.enabled, late=True)
    assert endings(played(world, number)) == {Ending.SKIPPED}
    assert latest(world, number).outcome is Outcome.MISSED

    assert endings(played(world, number, late=True)) == {Ending.CONFIRMED}
    receipt = latest(world, number)
    assert (receipt.state, receipt.outcome) == (State.CONFIRMED, Outcome.LATE)
    uploads = world.uploads()
    assert endings(played(world, number, late=True)) == {Ending.SKIPPED}
    assert world.uploads() == uploads

    following = open_round(world)
    stale = submission_of(world, following)
    assert stale.filename == receipt.filename  # Numerai has made it this round's
    with pytest.raises(RoundNotOpen, match=f"round {number} accepts no more late submissions"):
        uploading.require_uploads(world.platform, world.platform.client.round(number), late=True)
    assert endings(played(world, following)) == {Ending.CONFIRMED}
    assert submission_of(world, following).filename.startswith(f"round-{following}-")
    assert latest(world, following).outcome is Outcome.ON_TIME


def test_a_carried_over_file_that_nobody_replaced_does_not_count_as_ours(world):
    number = world.open_round()
    world.practice.advance("next-close")
    platform = world.platform
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled, late=True)
    played(world, number, "second", late=True)
    following = world.open_round()
    details.fetch_details(world.platform, following)
    world.practice.advance("next-close")
    receipt = settled(world, following)["second"]
    assert receipt.outcome is Outcome.MISSED
    assert "carried over from before it opened, counts in its place" in receipt.reason


# --- what Numerai says later


def test_a_submission_that_turns_invalid_is_noticed_and_replaced(world):
    number = open_round(world)
    with fault(world, "invalid-later", where="submission:second", values={"seconds": 2}):
        assert endings(played(world, number)) == {Ending.CONFIRMED}
        first = latest(world, number)
        asked_until = time.monotonic() + 20
        while not (changed := rechecked(world, number)):
            assert time.monotonic() < asked_until
            time.sleep(0.2)
    assert [(receipt.model, receipt.state) for receipt in changed] == [("second", State.INVALID)]
    assert "found invalid" in changed[0].reason
    assert latest(world, number) == changed[0]
    assert rechecked(world, number) == []
    assert endings(played(world, number, "second")) == {Ending.CONFIRMED}
    again = latest(world, number)
    assert again.state is State.CONFIRMED
    assert again.submission_id == submission_of(world, number).submission_id != first.submission_id
    assert latest(world, number, "steady-1").state is State.CONFIRMED


def uploaded_by_hand(world, number):
    """Return the server's name of a file that replaces ours, as from the web page."""
    client = world.platform.client
    model = client.fleet().models["second"].id
    target = client.authorise_upload(model, "by-hand.csv")
    client.put_upload(target, client.download_submission(latest(world, number).submission_id))
    client.create_submission(model, target.filename)
    return target.filename


def test_a_run_that_is_replaced_by_hand_meanwhile_does_not_fight(world, hasty, monkeypatch):
    number = open_round(world)
    create = NumeraiClient.create_submission

    def create_and_replace(client, model_id, filename, **more):
        mine = create(client, model_id, filename, **more)
        target = client.authorise_upload(model_id, "by-hand.csv")
        client.put_upload(target, client.download_submission(mine))
        create(client, model_id, target.filename)
        return mine

    monkeypatch.setattr(NumeraiClient, "create_submission", create_and_replace)
    played(world, number, "second")
    assert world.submissions(number) == {"second": 2}
    assert submission_of(world, number).filename.startswith("by-hand-")


def test_another_file_in_the_place_of_ours_is_noticed(world):
    number = open_round(world)
    played(world, number, "second")
    filename = uploaded_by_hand(world, number)
    [changed] = rechecked(world, number)
    assert changed.is_foreign
    assert f"{filename} was uploaded by something other than Numebot in the place of round-" in (
        changed.reason
    )
    assert rechecked(world, number) == []
    assert endings(played(world, number, "second")) == {Ending.SKIPPED}


def test_what_a_run_records_meanwhile_is_not_overruled(world, monkeypatch):
    """The watchdog holds an answer that is older than the newest receipt."""
    number = open_round(world)
    played(world, number, "second")
    uploaded_by_hand(world, number)
    ask = follow_up.fleet_of

    def ask_while_a_run_goes_on(platform, round_):
        fleet = ask(platform, round_)
        receipts.append(platform.lake, replace(latest(world, number), reason="a run goes on"))
        return fleet

    monkeypatch.setattr(follow_up, "fleet_of", ask_while_a_run_goes_on)
    assert rechecked(world, number) == []
    assert latest(world, number).reason == "a run goes on"


def test_a_file_that_is_known_to_differ_is_never_called_accepted(world):
    """After the close it cannot be replaced; that Numerai holds it does not make it ours."""
    number = open_round(world)
    played(world, number, "second")
    differs = replace(latest(world, number), state=State.INVALID, reason="it differs")
    differs = receipts.append(world.platform.lake, differs)
    world.practice.advance("next-close")
    results = played(world, number, "second")
    assert endings(results) == {Ending.SKIPPED}
    assert RoundRecord(world.platform.lake, "second", number).history[-1] == differs


def test_answers_with_nothing_in_them_make_nothing_invalid(world):
    """A field that is null for a while is no proof."""
    number = open_round(world)
    played(world, number)
    for field in ("LatestSubmission.*", "V2Submission.*", "*.id"):
        with fault(world, "null", where="graphql:*", values={"field": field}):
            try:
                changed = rechecked(world, number)
            except NumeraiError:
                changed = []
            assert changed == [], field
    assert latest(world, number).state is State.CONFIRMED


def test_an_invalid_submission_is_replaced_within_the_run(world, monkeypatch):
    monkeypatch.setattr(acceptance, "SELECTION_PATIENCE", 0.3)
    number = open_round(world)
    with fault(world, "invalid-later", where="submission:second"):
        results = played(world, number, "second")
    assert endings(results) == {Ending.CONFIRMED}
    assert world.submissions(number) == {"second": 2}
    with fault(world, "truncated-upload", where="upload:*"):  # and once only
        results = played(world, number, "steady-1")
    assert endings(results) == {Ending.FAILED}
    assert "not as selected" in results["steady-1"].text
    assert latest(world, number, "steady-1").state is State.INVALID
    assert world.submissions(number) == {"second": 2, "steady-1": 2}


def test_a_submission_that_is_shown_late_is_not_sent_twice(world, hasty):
    number = open_round(world)
    with fault(world, "hidden-submission", values={"seconds": 600}):
        for _ in range(2):
            results = played(world, number, "second")
            assert endings(results) == {Ending.FAILED}
            assert "has not shown it as selected" in results["second"].text
    assert world.submissions(number) == {"second": 1}
    assert endings(played(world, number, "second")) == {Ending.CONFIRMED}
    assert world.submissions(number) == {"second": 1}


def test_a_list_that_lags_behind_costs_no_second_upload(world):
    """The list of what is held lacks it; asked for by its id, it is shown."""
    number = open_round(world)
    kill(world, number, "after the id's receipt")
    with fault(world, "null", where="graphql:account", values={"field": "LatestSubmission.id"}):
        assert endings(played(world, number, "second")) == {Ending.CONFIRMED}
    assert world.submissions(number) == {"second": 1}


# --- failures beside what stands


def test_a_forced_run_that_fails_hides_nothing(world):
    number = open_round(world)
    played(world, number, "second")
    confirmed = latest(world, number)
    lake = world.platform.lake
    attempt = Receipt(
        "second", number, filename="forced.csv", predictions_sha256="0" * 64, rows=confirmed.rows
    )
    receipts.append(lake, attempt)  # a forced run was killed in its upload
    assert latest(world, number) == confirmed
    receipt = uploading.record_failure(RoundRecord(lake, "second", number), "the storage is full")
    assert receipt.state is State.CONFIRMED
    assert receipt.submission_id == confirmed.submission_id
    assert receipt.reason == "it stands, but a later attempt failed: the storage is full"
    assert latest(world, number) == receipt
    shown = catalog.query(lake, f'SELECT state, reason FROM submissions WHERE "round" = {number}')
    assert shown.rows() == [("confirmed", receipt.reason)]
    uploading.record_failure(RoundRecord(lake, "second", number), "the storage is full")
    assert len(RoundRecord(lake, "second", number).history) == len(
        set(RoundRecord(lake, "second", number).history)
    )
    assert endings(played(world, number, "second")) == {Ending.SKIPPED}


def test_a_play_reads_each_receipt_once(world, monkeypatch):
    number = open_round(world)
    kill(world, number, "after the accepted receipt")
    read, paths = receipts._read, []

    def counted(path):
        paths.append(path)
        return read(path)

    monkeypatch.setattr(receipts, "_read", counted)
    for request in ({}, {}, {"force": True}):
        paths.clear()
        played(world, number, **request)
        assert paths
        assert len(paths) == len(set(paths))


# --- credentials


def test_without_a_valid_key_the_models_predict_and_a_corrected_key_submits(world, monkeypatch):
    number = open_round(world)
    good = world.environment["NUMERAI_SECRET_KEY"]
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "WRONG")
    results = played(world, number)
    assert endings(results) == {Ending.FAILED}
    [text] = {result.text for result in results.values()}
    assert "numebot doctor" in text
    assert world.submissions(number) == {}
    for name in BOTH:
        receipt = latest(world, number, name)
        assert (receipt.outcome, receipt.filename) == (Outcome.FAILED, None)
        assert world.platform.lake.predictions_file(
            name, number, receipt.vintage, receipt.predictions_sha256
        ).is_file()

    monkeypatch.setenv("NUMERAI_SECRET_KEY", good)
    monkeypatch.setattr(Worker, "predict", die)  # nothing is predicted again
    assert endings(played(world, number)) == {Ending.CONFIRMED}
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


# --- litter


def test_what_killed_runs_left_is_swept_when_a_vintage_is_pinned(fresh_world):
    world = fresh_world
    number = open_round(world)
    lake = world.platform.lake
    played(world, number, "second")
    left = []
    for folder in (
        lake.receipts_folder("second", number),
        lake.predictions_folder("second", number),
        lake.training_objects,
    ):
        # No process has a number above Linux's largest.
        name = files._temporary_name(folder / "x.parquet").name.replace(
            f".{os.getpid()}.", ".4194305."
        )
        (folder / name).write_bytes(b"half")
        left.append(folder / name)
    part = lake.training_objects / ".train.parquet.0123456789ab.part"
    part.write_bytes(b"half")
    vintages.fetch_training(Platform(load_settings(world.folder)), number)
    assert [path for path in (*left, part) if path.exists()] == []
