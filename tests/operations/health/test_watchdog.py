"""The watchdog says what a round calls for, once, whatever it meets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from numebot_dagster.lake import catalog, files
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.health import watchdog
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import details
from numebot_dagster.settings import Settings
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, State

MISSED = Receipt("a", 1312, outcome=Outcome.MISSED, reason="nobody played")
FAILED = Receipt("a", 1312, outcome=Outcome.FAILED, reason="it raised")
ACCEPTED = Receipt(
    "a", 1312, state=State.ACCEPTED, outcome=Outcome.ON_TIME, predictions_sha256="0" * 64
)


def said(world):
    rows = catalog.query(world.platform.lake, "from alerts order by raised_at").to_dicts()
    return [(row["kind"], row["subject"]) for row in rows if row["kind"] != "disk-nearly-full"]


@pytest.fixture
def seen(fresh_world, receiver, monkeypatch):
    """Return a world with an open round that is known, and alerts that go to the receiver."""
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
    number = fresh_world.open_round()
    details.fetch_details(fresh_world.platform, number)
    return fresh_world, number


def test_the_watchdog_follows_a_round_that_nobody_plays(seen, receiver):
    world, number = seen
    assert watchdog.look(world.platform).raised == ()
    close = world.platform.client.round(number).close_staking_time
    for minutes in (31, 30, 20, 14, 4, 3):
        world.practice.advance((close - timedelta(minutes=minutes)).isoformat())
        watchdog.look(world.platform)
    round_ = f"round-{number}"
    near = [("deadline-near", f"{round_}/{minutes}-minutes") for minutes in (30, 15, 5)]
    assert said(world) == near
    world.practice.advance((close + timedelta(minutes=6)).isoformat())
    look = watchdog.look(world.platform)
    assert (look.rounds, look.problem) == ((number,), "")
    missed = [("round-missed", f"{round_}/steady-1,second")]
    assert said(world) == near + missed
    assert watchdog.look(world.platform).raised == ()
    assert len(receiver.titles) == 4


def test_a_round_that_closes_early_is_missed_when_it_is_closed(seen):
    world, number = seen  # whose stored times say otherwise
    opened = world.platform.client.round(number).open_time
    world.practice.add_fault("deadline-moved", values={"minutes": -30})
    world.practice.advance((opened + timedelta(minutes=37)).isoformat())
    watchdog.look(world.platform)
    assert said(world) == [("round-missed", f"round-{number}/steady-1,second")]


def test_one_more_model_that_missed_is_one_more_message(seen):
    world, number = seen
    lake, round_ = world.platform.lake, f"round-{number}"
    receipts.append(lake, replace(MISSED, model="second", round_number=number))
    world.practice.advance("next-close")
    watchdog.look(world.platform)
    assert said(world) == [("round-missed", f"{round_}/second")]
    receipts.append(lake, replace(MISSED, model="steady-1", round_number=number))
    watchdog.look(world.platform)
    both = [("round-missed", f"{round_}/second"), ("round-missed", f"{round_}/steady-1")]
    assert said(world) == both
    watchdog.look(world.platform)
    assert said(world) == both


def test_a_file_that_cannot_be_read_stops_no_look(seen, caplog):
    """What Numerai holds and the other receipts still tell how the round stands."""
    world, number = seen
    damaged = world.platform.lake.receipts_folder("second", number) / f"{1:020d}.parquet"
    files.replace_bytes(damaged, b"no Parquet")
    look = watchdog.look(world.platform)
    assert (look.rounds, look.problem) == ((number,), "")
    assert f"{damaged} cannot be read and was set aside" in caplog.text
    damaged.with_name(f"{damaged.name}.damaged").unlink()
    files.replace_bytes(world.platform.lake.round_details(number), b"no Parquet")
    look = watchdog.look(world.platform)  # Numerai knows its times
    assert (look.rounds, look.problem) == ((number,), "")


def test_what_a_killed_run_did_not_say_is_said_by_the_next_look(seen, receiver):
    """Alerts are a function of what is recorded."""
    world, number = seen
    lake = world.platform.lake
    receipts.append(lake, replace(FAILED, model="second", round_number=number))
    assert said(world) == []
    look = watchdog.look(world.platform)
    assert [alert.title for alert in look.raised] == [f"second failed in round {number}"]
    assert receiver.titles == [f"second failed in round {number}"]


def test_rounds_of_the_last_days_are_looked_at_as_well(seen):
    world, first = seen
    receipts.append(world.platform.lake, replace(MISSED, model="second", round_number=first))
    world.open_round()
    world.open_round()  # two days later
    watchdog.look(world.platform)
    assert said(world) == [("round-missed", f"round-{first}/second")]


def test_a_round_that_is_not_played_is_not_watched(seen, monkeypatch):
    world, _ = seen  # of a weekday
    monkeypatch.setenv("NUMEBOT_ROUNDS", "weekend")
    assert watchdog.look(world.platform).rounds == ()


def test_credentials_that_are_refused_are_told_once(seen, monkeypatch):
    world, number = seen
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "WRONG")
    accepted = replace(ACCEPTED, model="second", round_number=number, submission_id="some-id")
    receipts.append(world.platform.lake, accepted)
    looks = [watchdog.look(world.platform) for _ in range(2)]
    assert [alert.kind for alert in looks[0].raised] == [Kind.CREDENTIALS_REFUSED]
    assert looks[1].raised == ()
    assert all(f"round {number} was not checked" in seen.problem for seen in looks)


def test_a_full_disk_does_not_silence_the_watchdog(seen, monkeypatch):
    """What Numerai no longer holds cannot be recorded then; all the more is to be said."""
    world, _ = seen
    monkeypatch.setattr(watchdog, "LEAST_FREE_DISK", 10**15)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(watchdog.follow_up, "recheck", full)
    look = watchdog.look(world.platform)
    assert [alert.kind for alert in look.raised] == [Kind.DISK_NEARLY_FULL]
    assert "was not checked: No space left on device" in look.problem


def test_without_numerai_the_stored_times_are_used(tmp_path: Path):
    """The close comes nearer whether Numerai answers or not."""
    registry = tmp_path / "models.csv"
    (tmp_path / "some.py").write_text("class Some: ...\n")
    registry.write_text("numerai_name,model_code\na,some\n")
    platform = Platform(
        Settings(
            _env_file=None,
            numerai_data_folder=tmp_path / "data",
            model_configs_path=registry,
            numebot_retry_deadline=0.2,
            numebot_connect_timeout=0.1,
        )
    )
    now = datetime.now(UTC)
    round_ = Round(1405, now - timedelta(minutes=50), now + timedelta(minutes=10))
    details.store_details(platform, round_)
    platform.client.transport.endpoint = "http://127.0.0.1:9"
    look = watchdog.look(platform)
    assert [alert.subject for alert in look.raised] == ["round-1405/15-minutes"]
    assert "Numerai did not answer, so the stored times are used" in look.problem


def test_a_disk_that_is_nearly_full_is_told_once_a_day(seen, monkeypatch):
    world, _ = seen
    monkeypatch.setattr(watchdog, "LEAST_FREE_DISK", 10**15)
    raised = [watchdog.look(world.platform).raised for _ in range(2)]
    assert [[alert.kind for alert in alerts] for alerts in raised] == [[Kind.DISK_NEARLY_FULL], []]
    assert str(world.folder / "data") in raised[0][0].text
