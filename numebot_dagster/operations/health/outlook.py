"""Report when the next rounds are expected, and the result of the last pre-flight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from numebot_dagster.lake import json_records
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.health.preflight import (
    ROUNDS_FOR_AN_ESTIMATE,
    Preflight,
    next_opening,
)
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import counted

OPENINGS_SHOWN = 3
ROUNDS_FOR_A_WEEK = 5


def outlook(platform: Platform) -> Iterator[Finding]:
    """Yield when the next rounds are expected, and the result of the last pre-flight."""
    try:
        rounds = platform.client.rounds(limit=ROUNDS_FOR_AN_ESTIMATE)
    except NumeraiError:
        pass  # the finding of the endpoint reports it
    else:
        opened = [round_.open_time for round_ in rounds]
        yield expected_openings(opened, platform.client.now())
    yield _last_preflight(platform)


def following_opening(platform: Platform, now: datetime) -> datetime | None:
    """Return when the next round is expected; None when Numerai does not answer, or cannot tell.

    It asks Numerai, because a young data folder has too few rounds to know the days of a week.
    """
    try:
        rounds = platform.client.rounds(limit=ROUNDS_FOR_AN_ESTIMATE)
    except NumeraiError as error:
        platform.log.warning("The next round's opening is not known: %s", error)
        return None
    if len(rounds) < ROUNDS_FOR_A_WEEK:
        return None
    return next_opening([round_.open_time for round_ in rounds], now)


def expected_openings(opened: list[datetime], now: datetime) -> Finding:
    """Return when the next rounds are expected, judged by when the last ones opened."""
    expected: list[datetime] = []
    while len(expected) < OPENINGS_SHOWN:
        following = next_opening(opened, expected[-1] if expected else now)
        if following is None:
            return Finding(
                Check.OPENINGS, Verdict.WARNING, "no round has opened yet", "wait for one"
            )
        expected.append(following)
    if len(opened) < ROUNDS_FOR_A_WEEK:
        text = (
            f"only {counted(len(opened), 'round')} opened so far, at {opened[-1]:%H:%M} UTC: too "
            "few to know the days of the next ones"
        )
        return Finding(Check.OPENINGS, Verdict.OK, text)
    moments = ", ".join(f"{opening:%a %d %b %H:%M}" for opening in expected)
    basis = f"the last {len(opened)} rounds"
    text = f"the next rounds are expected on {moments} UTC, judged by {basis}"
    return Finding(Check.OPENINGS, Verdict.OK, text)


def _last_preflight(platform: Platform) -> Finding:
    last = json_records.read_or_set_aside(platform.lake.preflight_file, Preflight)
    if last is None:
        text = "none yet; `numebot up` runs one two hours before a round is expected"
        return Finding(Check.PREFLIGHT, Verdict.OK, text)
    failed = [finding for finding in last.findings if finding.verdict is Verdict.FAILURE]
    text = f"the last one ran on {last.examined_at:%a %d %b %H:%M} UTC"
    if failed:
        failures = "; ".join(f"{finding.name}: {finding.text}" for finding in failed)
        remedy = "see the other lines of this list for what is still wrong"
        return Finding(Check.PREFLIGHT, Verdict.WARNING, f"{text} and found {failures}", remedy)
    return Finding(Check.PREFLIGHT, Verdict.OK, f"{text}; all checks passed")
