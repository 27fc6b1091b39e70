"""The pre-flight: when the next round is expected, and that what would fail is told before it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.lake import catalog
from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.health import preflight
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.rounds import details, live_data


def moment(text):
    return datetime.fromisoformat(f"{text}+00:00")


# Two weeks of openings; the second Wednesday was late, the first Saturday early.
OPENINGS = [
    *(moment(f"2026-06-{day}") for day in ("02T12:05", "03T12:00", "04T12:00", "05T12:00")),
    *(moment(f"2026-06-{day}") for day in ("06T11:30", "09T12:00", "10T13:40", "11T12:00")),
    *(moment(f"2026-06-{day}") for day in ("12T12:00", "13T12:00")),
]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-13T12:00", "2026-06-16T12:00"),  # Saturday, Tuesday
        ("2026-06-16T11:59", "2026-06-16T12:00"),
        ("2026-06-16T12:00", "2026-06-17T12:00"),  # whether or not it has opened
        ("2026-06-17T11:00", "2026-06-17T12:00"),  # the earliest Wednesday, not the late one
        ("2026-06-19T12:30", "2026-06-20T11:30"),  # the early Saturday
    ],
)
def test_the_next_opening_is_that_of_its_weekday(now, expected):
    assert preflight.next_opening(OPENINGS, moment(now)) == moment(expected)


def test_a_weekday_forgets_its_old_hour():
    """Four openings of a weekday decide, so that a new hour is learned within a month."""
    tuesdays = [moment("2026-06-02T08:00") + timedelta(weeks=week) for week in range(2)]
    tuesdays += [moment("2026-06-16T14:00") + timedelta(weeks=week) for week in range(4)]
    assert preflight.next_opening(tuesdays, tuesdays[-1]).hour == 14


def test_nothing_is_expected_of_a_tournament_without_rounds():
    assert preflight.next_opening([], moment("2026-06-02T12:00")) is None


MINUTES = st.integers(0, 10**6)


@given(openings=st.lists(MINUTES, min_size=1), now=MINUTES)
def test_the_next_opening_is_ahead_within_a_week_on_a_known_weekday(openings, now):
    start = moment("2026-01-01T00:00")
    opened = [start + timedelta(minutes=minutes) for minutes in openings]
    here = start + timedelta(minutes=now)
    opening = preflight.next_opening(opened, here)
    assert timedelta(0) < opening - here <= timedelta(days=7)
    assert any(
        (time.weekday(), time.time()) == (opening.weekday(), opening.time()) for time in opened
    )


OPENING = moment("2026-06-16T12:00")
DISK = Finding(Check.DISK, Verdict.FAILURE, "1 GB free", "free some")
KEY = Finding(Check.CREDENTIALS, Verdict.FAILURE, "refused", "make a key")
STAKE = Finding(Check.CREDENTIALS, Verdict.WARNING, "scopes stake", "make one without")
WEIGHTS = Finding(Check.WEIGHTS, Verdict.FAILURE, "a has none", "numebot train")
CLOCK = Finding(Check.CLOCK, Verdict.WARNING, "+40 s", "set it")
FINE = Finding(Check.REGISTRY, Verdict.OK, "all well")


@pytest.mark.parametrize(
    ("findings", "kinds"),
    [
        ([FINE, CLOCK], []),
        ([DISK, FINE], [Kind.DISK_NEARLY_FULL]),
        ([KEY], [Kind.CREDENTIALS_REFUSED]),
        ([STAKE], [Kind.KEY_MAY_MOVE_STAKE]),
        ([WEIGHTS, WEIGHTS, DISK], [Kind.DISK_NEARLY_FULL, Kind.PREFLIGHT_FAILED]),
    ],
)
def test_findings_that_call_for_an_alert(findings, kinds):
    assert [alert.kind for alert in preflight.alerts_of(findings, OPENING)] == kinds


def test_the_alert_names_what_would_fail_and_what_to_do():
    [alert] = preflight.alerts_of([WEIGHTS, CLOCK], OPENING)
    assert alert.title == "The round expected on Tue 16 Jun at 12:00 UTC would fail"
    assert alert.text == "- weights: a has none. To do: numebot train"
    [other] = preflight.alerts_of([WEIGHTS], OPENING + timedelta(days=1))
    assert alert.subject != other.subject


def test_the_last_round_is_rehearsed_under_budgets_and_what_fails_is_told(fresh_world):
    world = fresh_world
    number = world.open_round()
    names = ("steady-1", "raising", "forgetful")
    world.register(*names, "untrained")
    world.train(*names[1:])
    platform = world.platform
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled[:1])
    uploads = world.uploads()
    findings = preflight.examine(platform, OPENING)
    rehearsed = {
        finding.text.split(":")[0]: finding for finding in findings if finding.name == "rehearsal"
    }
    assert {name: finding.verdict for name, finding in rehearsed.items()} == {
        "steady-1": Verdict.OK,
        "raising": Verdict.FAILURE,
        "forgetful": Verdict.FAILURE,
    }
    assert "the stars ☾ are not right" in rehearsed["raising"].text
    assert "canary_predicts_as_trained" in rehearsed["forgetful"].text
    [alert] = catalog.query(platform.lake, "from alerts where kind = 'preflight-failed'").to_dicts()
    for name in (*names[1:], "untrained"):
        assert name in alert["text"]
    assert "numebot train --models raising" in alert["text"]
    # The stakes of the day are known, and nothing was predicted for good or sent.
    assert platform.lake.stored_days("leaderboard") == [platform.client.now().date()]
    assert platform.lake.predictions_files("steady-1", number) == []
    assert world.uploads() == uploads
    assert platform.lake.preflight_file.is_file()


def test_a_withdrawn_scope_is_told_as_a_matter_of_the_key(fresh_world):
    world = fresh_world
    world.open_round()
    world.practice.add_fault("scope-withdrawn", values={"scope": "upload_submission"})
    preflight.examine(world.platform, OPENING)
    [alert] = catalog.query(
        world.platform.lake, "from alerts where kind like '%key%' or kind like 'cred%'"
    ).to_dicts()
    assert alert["kind"] == "credentials-refused"
    assert "upload_submission" in alert["text"]
