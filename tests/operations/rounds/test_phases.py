"""The phases of a round against servers that drip, cut and wait: each ends by its own deadline."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.rounds import (
    acceptance,
    confirmation,
    details,
    follow_up,
    live_data,
    phases,
)
from numebot_dagster.operations.rounds.outcomes import Ending, Play
from numebot_dagster.operations.rounds.playing import play
from numebot_dagster.submissions.receipts import RoundRecord

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PHASE = phases.Phase("the phase", share=1 / 6, least=30.0, most=300.0)


@pytest.mark.parametrize(
    ("seconds_left", "seconds"),
    [(3600, 300), (1200, 200), (60, 30), (10, 30), (0, 300), (-60, 300), (None, 300)],
)
def test_a_phase_gets_its_share_of_what_is_left(seconds_left, seconds):
    platform = SimpleNamespace(client=SimpleNamespace(now=lambda: NOON))
    round_ = None
    if seconds_left is not None:
        round_ = Round(1, NOON - timedelta(hours=1), NOON + timedelta(seconds=seconds_left))
    assert phases.deadline(platform, PHASE, round_).seconds == seconds


def test_what_a_round_can_do_without_gets_the_least():
    whole_hour = [
        min(3600 * phase.share, phase.most)
        for phase in (phases.EXAMPLE, phases.COMPANIONS, phases.LIVE_DATA)
    ]
    assert whole_hour == [30.0, 300.0, 1800.0]


@pytest.fixture
def short(monkeypatch):
    """End every phase but the fetching of live data after a second."""
    for name, phase in vars(phases).items():
        if isinstance(phase, phases.Phase) and phase is not phases.LIVE_DATA:
            monkeypatch.setattr(phases, name, replace(phase, least=0.5, most=1.0))
    example = replace(live_data.COMPANIONS[live_data.LIVE_EXAMPLE], least=0.5, most=1.0)
    monkeypatch.setitem(live_data.COMPANIONS, live_data.LIVE_EXAMPLE, example)


@contextmanager
def fault(world, kind, where, **values):
    world.practice.add_fault(kind, where=where, values=values)
    try:
        yield
    finally:
        world.practice.remove_faults()


def fetch(world, number):
    platform = world.platform
    return live_data.fetch_live(platform, number, platform.registry.enabled)


def test_no_file_of_a_round_holds_it_up(world, short, monkeypatch, caplog):
    number = world.open_round()
    folder = world.platform.lake.live_folder(number, "v5.3")
    for kind, values in (("drip", {"seconds": 5}), ("cut", {"bytes": 10})):
        started = time.monotonic()
        with (
            monkeypatch.context() as patch,
            fault(world, kind, "download:*live.parquet", **values),
        ):
            patch.setattr(phases, "LIVE_DATA", replace(phases.LIVE_DATA, least=0.5, most=1.0))
            with pytest.raises(NumeraiError, match=r"the live data may take 1 s"):
                fetch(world, number)
        assert time.monotonic() - started < 30  # of a hundred, or without an end
        assert not folder.exists()
    started = time.monotonic()
    with fault(world, "drip", "download:*live_example_preds*", seconds=5):
        [stored] = fetch(world, number)
    assert time.monotonic() - started < 30
    assert [path.name for path in sorted(stored.folder.iterdir())] == [
        "features.json", "live.parquet", "live_benchmark_models.parquet",
    ]  # fmt: skip
    texts = [record.getMessage() for record in caplog.records]
    [warning] = [text for text in texts if f"Round {number} goes on without" in text]
    assert "live_example_preds.parquet" in warning
    assert "the example predictions may take 1 s" in warning


@contextmanager
def hanging(world, kind, where):
    """Hang for twenty seconds: whatever waits for this is cut long before."""
    started = time.monotonic()
    with fault(world, kind, where, seconds=20):
        yield
    assert time.monotonic() - started < 18


def test_no_question_of_a_round_holds_it_up(world, short):
    number = world.open_round()
    platform = world.platform
    first = platform.registry.enabled[:1]
    round_ = platform.client.round(number)
    world.practice.add_fault("latency", where="graphql:rounds", times=1, values={"seconds": 20})
    assert details.fetch_details(platform, number).score_configs == ()  # the wide question was cut
    world.practice.remove_faults()
    fetch(world, number)
    with (
        hanging(world, "latency", "graphql:account"),
        pytest.raises(NumeraiError, match="what Numerai holds may take 1 s"),
    ):
        follow_up.fleet_of(platform, round_)
    with fault(world, "latency", "upload:*", seconds=20):
        [cut] = play(platform, Play(number, first))
    assert "the upload may take 1 s" in cut.text
    [played] = play(platform, Play(number, first))
    assert played.ending is Ending.CONFIRMED
    record = RoundRecord(platform.lake, first[0].name, number)
    with (
        hanging(world, "latency", "graphql:account"),
        pytest.raises(NumeraiError, match="the wait until the submission counts may take 1 s"),
    ):
        acceptance.accept(platform, round_, record, played.receipt)
    with (
        hanging(world, "drip", "submission:*"),
        pytest.raises(NumeraiError, match="the download of the submission may take 1 s"),
    ):
        confirmation.confirm(platform, record, played.receipt, played.prediction)
