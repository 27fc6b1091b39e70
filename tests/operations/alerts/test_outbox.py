"""Alerts: said once, never lost, never with a secret; sent over real HTTP to a receiver here."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.lake import catalog
from numebot_dagster.operations.alerts import channels, outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import Settings

FAILED = Alert(Kind.MODEL_FAILED, "round-1312/steady-1", "steady-1 failed", "no memory. Type: x")
OTHER = Alert(Kind.MODEL_FAILED, "round-1312/second", "second failed", "no time")


@pytest.fixture
def platform_of(tmp_path):
    def make(*urls, **settings):
        return Platform(
            Settings(
                _env_file=None,
                numerai_data_folder=tmp_path / "data",
                numebot_notify_urls=", ".join(urls) or None,
                **settings,
            )
        )

    return make


def stored(platform):
    return catalog.query(platform.lake, "from alerts order by subject").to_dicts()


def test_an_alert_is_stored_and_sent_once(platform_of, receiver):
    platform = platform_of(receiver.url)
    before = datetime.now(UTC)
    assert outbox.send(platform, FAILED, OTHER) == [FAILED, OTHER]
    assert outbox.send(platform, FAILED) == []
    assert outbox.send(platform_of(receiver.url), FAILED) == []
    assert receiver.titles == [FAILED.title, OTHER.title]
    assert receiver.messages[0]["message"] == FAILED.text
    second, first = stored(platform)
    assert {first["sent"], second["sent"]} == {True}
    assert (first["kind"], first["subject"]) == ("model-failed", FAILED.subject)
    assert (first["title"], first["text"]) == (FAILED.title, FAILED.text)
    assert before - timedelta(seconds=1) < first["raised_at"] <= datetime.now(UTC)


def test_many_that_raise_the_same_at_once_send_it_once(platform_of, receiver):
    start = threading.Barrier(8)

    def send_again(_):
        platform = platform_of(receiver.url)
        start.wait()
        return outbox.send(platform, FAILED)

    with ThreadPoolExecutor(8) as pool:
        new = [alert for alerts in pool.map(send_again, range(8)) for alert in alerts]
    assert new == [FAILED]
    assert receiver.titles == [FAILED.title]


def test_without_channels_it_is_stored_and_logged(platform_of, caplog):
    caplog.set_level(logging.INFO)
    platform = platform_of()
    near = Alert(Kind.DEADLINE_NEAR, "round-1312/5-minutes", "Round 1312 closes", "Type: x")
    assert outbox.send(platform, near) == [near]
    assert [alert["sent"] for alert in stored(platform)] == [False]
    assert f"{near.title}: {near.text}" in caplog.text
    outbox.send(platform, Alert(Kind.SCORES_PUBLISHED, "day", "Scores", "- a: 1\n- b: 2"))
    assert "Scores:\n- a: 1\n- b: 2" in caplog.text
    assert outbox.send(platform, FAILED) == [FAILED]
    assert FAILED.title not in caplog.text  # its run has named the model and its reason


def test_the_first_channel_does_not_begin_with_old_news(platform_of, receiver):
    outbox.send(platform_of(), FAILED)
    platform = platform_of(receiver.url)
    outbox.deliver(platform)
    assert outbox.send(platform, FAILED, OTHER) == [OTHER]
    assert receiver.titles == [OTHER.title]
    assert [raised.is_waiting for _, raised in outbox.recent(platform)] == [False, False]


def test_a_failed_sending_is_noted_and_tried_again(platform_of, receiver):
    platform = platform_of(receiver.url)
    receiver.status = 500
    assert outbox.send(platform, FAILED) == [FAILED]
    [noted] = stored(platform)
    assert (noted["sent"], noted["problem"].partition(": ")[2]) == (False, "rejected the message")
    tried = len(receiver.messages)
    receiver.status = 200
    outbox.deliver(platform)
    assert len(receiver.messages) == tried + 1
    [noted] = stored(platform)
    assert (noted["sent"], noted["problem"]) == (True, None)
    outbox.deliver(platform)
    assert len(receiver.messages) == tried + 1


def test_a_channel_that_fails_for_long_is_tried_less_and_less(platform_of, receiver, monkeypatch):
    """What answers too late has perhaps taken the message, and must not get it at every look."""
    platform = platform_of(receiver.url)
    receiver.status = 500
    outbox.send(platform, FAILED)
    outbox.deliver(platform)
    tried = len(receiver.messages)
    for _ in range(3):
        outbox.deliver(platform)
    assert len(receiver.messages) == tried
    assert [raised.is_waiting for _, raised in outbox.recent(platform)] == [True]
    monkeypatch.setattr(outbox, "SHORTEST_PAUSE", timedelta())
    receiver.status = 200
    outbox.deliver(platform)
    assert len(receiver.messages) == tried + 1


def test_only_the_channel_that_failed_is_tried_again(platform_of, receiver):
    platform = platform_of(receiver.url, "json://127.0.0.1:9/")
    outbox.send(platform, FAILED)
    outbox.deliver(platform)
    assert receiver.titles == [FAILED.title]
    [noted] = stored(platform)
    assert not noted["sent"]


def test_one_that_could_not_be_sent_for_days_is_no_news(platform_of, receiver, monkeypatch):
    platform = platform_of(receiver.url)
    monkeypatch.setattr(outbox, "STALE_AFTER", timedelta(0))
    outbox.send(platform, FAILED)
    assert receiver.titles == []


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_can_be_silenced(platform_of, receiver, kind):
    quiet = platform_of(receiver.url, numebot_silence=f"{kind}")
    alert = Alert(kind, "subject", "silent title", "text")
    other = Alert(next(kind_ for kind_ in Kind if kind_ != kind), "subject", "heard title", "text")
    outbox.send(quiet, alert, other)
    outbox.send(platform_of(receiver.url), alert)  # no longer silenced, but long past
    assert receiver.titles == ["heard title"]
    assert {row["title"]: row["silenced"] for row in stored(quiet)} == {
        "silent title": True,
        "heard title": False,
    }


def test_a_channel_that_hangs_costs_its_time_and_no_other_channel(
    platform_of, receiver, monkeypatch
):
    monkeypatch.setattr(channels, "LONGEST_SENDING", 0.6)
    platform = platform_of(receiver.hanging_url, receiver.url)
    started = time.monotonic()
    outbox.send(platform, FAILED)
    assert time.monotonic() - started < 1.5
    assert receiver.titles == [FAILED.title]
    [noted] = stored(platform)
    assert "did not answer within" in noted["problem"]


def test_what_cannot_be_stored_is_sent_all_the_same_and_once(platform_of, receiver, caplog):
    """A disk that takes no file is when it matters most."""
    platform = platform_of(receiver.url)
    platform.lake.root.mkdir()
    (platform.lake.root / "alerts").write_text("in the way")
    full = Alert(Kind.DISK_NEARLY_FULL, f"{time.time()}", "no space", "free some")
    assert outbox.send(platform, full) == [full]
    assert outbox.send(platform, full) == []
    assert receiver.titles == ["no space"]
    assert "could not be stored" in caplog.text


def test_a_damaged_file_silences_no_other_alert(platform_of, receiver, caplog):
    platform = platform_of(receiver.url)
    path = platform.lake.alert_file("model-failed", "older")
    path.parent.mkdir(parents=True)
    path.write_text('{"kind": ')
    assert outbox.send(platform, FAILED) == [FAILED]
    assert receiver.titles == [FAILED.title]
    assert f"{path} cannot be read and was set aside" in caplog.text


SECRETS = {
    "numerai_public_id": "PUBLICIDOFSOMEBODY",
    "numerai_secret_key": "SECRETKEYOFSOMEBODY",
    "numebot_heartbeat_url": "https://hc-ping.com/0a1b2c3d-heartbeat",
}
URL_SECRETS = ("passwordInUrl", "pathTokenInUrl", "queryTokenInUrl")
ALL_SECRETS = (*list(SECRETS.values())[:2], "0a1b2c3d-heartbeat", *URL_SECRETS)


@pytest.mark.parametrize("status", [200, 500])
def test_no_secret_is_ever_shown(platform_of, receiver, caplog, status):
    """Neither those of the settings nor parts of addresses: in text, log, file, or on the way."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    receiver.status = status
    host = receiver.url.partition("://")[2].rstrip("/")
    url = f"json://someone:passwordInUrl@{host}/pathTokenInUrl/?token=queryTokenInUrl"
    bad = "tgram://pathTokenInUrl"
    platform = platform_of(url, bad, **SECRETS)
    # A text that quotes everything, as the traceback of a careless model might.
    text = " ".join([*SECRETS.values(), url, bad, *ALL_SECRETS])
    text += text.lower() + text.upper()  # as a library may write the parts of an address
    alert = Alert(Kind.MODEL_FAILED, "round-1/a", f"failed with {text}", text)
    assert outbox.send(platform, alert) == [alert]
    assert channels.ping(
        platform_of(**{**SECRETS, "numebot_heartbeat_url": f"http://{host}/x-{ALL_SECRETS[2]}"})
    ) is (status == 200)
    assert receiver.messages  # there is what to search
    files = [path.read_text() for path in platform.lake.root.rglob("*") if path.is_file()]
    shown = [caplog.text, *files, str(receiver.messages), repr(platform.settings)]
    shown += [repr(channels.open_channels(platform.settings))]
    for secret in ALL_SECRETS:
        assert [text for text in shown if secret.lower() in text.lower()] == [], secret


def test_an_address_that_apprise_does_not_know_is_named_by_its_scheme(platform_of):
    platform = platform_of("carrierpigeon://loft/token-of-the-pigeon")
    outbox.send(platform, FAILED)
    [noted] = stored(platform)
    assert noted["problem"].startswith("carrierpigeon ")
    assert "correct NUMEBOT_NOTIFY_URLS" in noted["problem"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("json://a.b/ json://c.d/", 2),
        ("json://a.b/,json://c.d/", 2),
        ("json://a.b/ , \n json://c.d/", 2),
        ("mailto://u:p@a.b?to=x@y.z,v@w.z", 1),
        (" ", 0),
    ],
)
def test_addresses_are_told_apart(platform_of, text, count):
    assert len(channels.open_channels(platform_of(text).settings)) == count


def test_the_heartbeat_is_a_get_and_its_failure_a_warning(platform_of, receiver, caplog):
    address = receiver.url.replace("json://", "http://") + "beat-uuid"
    platform = platform_of(numebot_heartbeat_url=address)
    assert channels.ping(platform)
    assert receiver.gets == ["/beat-uuid"]
    assert caplog.text == ""
    receiver.status = 503
    assert not channels.ping(platform)
    assert "The heartbeat at 127.0.0.1 failed: HTTP 503" in caplog.text
    assert not channels.ping(platform_of(numebot_heartbeat_url="http://127.0.0.1:9/beat-uuid"))
    assert "ConnectionError" in caplog.text
    assert "beat-uuid" not in caplog.text
    assert not channels.ping(platform_of())


LINES = "- a: no memory\n- b and c: no time\n- d: no power at all, anywhere\nType: numebot run"
SHORTER = (
    "- a: no memory\n\N{HORIZONTAL ELLIPSIS} and 2 more lines: numebot status\nType: numebot run"
)


@pytest.mark.parametrize(
    ("room", "text"),
    [
        (1000, LINES),
        (70, SHORTER),
        (40, "Type: numebot run"),
        (10, "Type: num\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_a_channel_gets_what_it_takes_and_always_what_to_type(room, text):
    assert channels.fitted(LINES, room) == text
    assert len(text) <= max(room, 1)


def test_a_service_without_titles_has_less_room_for_the_text(monkeypatch):
    """A text message takes 160 characters, of which apprise makes the title the first."""
    sent = {}
    monkeypatch.setattr(
        "apprise.Apprise.notify", lambda self, **message: sent.update(message) or True
    )
    sms = f"twilio://AC{'1' * 32}:{'2' * 32}@12345678900/12345678901"
    message = channels.Message("Round 1312 closes in 5 minutes", LINES * 5)
    assert channels.Channel("sms", sms).post(message) is None
    assert len(sent["title"]) + 2 + len(sent["body"]) <= 160
    assert sent["body"].endswith("Type: numebot run")
