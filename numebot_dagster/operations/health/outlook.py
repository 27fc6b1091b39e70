"""What is coming and what was rehearsed: the next openings, and what the last pre-flight found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from numebot_dagster.lake import json_records
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.health.findings import Finding, Verdict
from numebot_dagster.operations.health.preflight import (
    ROUNDS_FOR_AN_ESTIMATE,
    Preflight,
    next_opening,
)
from numebot_dagster.operations.platform import Platform

OPENINGS_TOLD = 3
ROUNDS_FOR_A_WEEK = 5


def outlook(platform: Platform) -> Iterator[Finding]:
    """Tells when the next rounds are expected, and what the last pre-flight found."""
    try:
        opened = [one.open_time for one in platform.client.rounds(limit=ROUNDS_FOR_AN_ESTIMATE)]
    except NumeraiError:
        pass  # the finding of the endpoint says it
    else:
        yield expected_openings(opened, platform.client.now())
    yield _last_preflight(platform)


def expected_openings(opened: list[datetime], now: datetime) -> Finding:
    """When the next rounds are expected, and how much the rounds that are known say of it."""
    expected: list[datetime] = []
    while len(expected) < OPENINGS_TOLD:
        following = next_opening(opened, expected[-1] if expected else now)
        if following is None:
            return Finding("openings", Verdict.WARNING, "no round has opened yet", "wait for one")
        expected.append(following)
    moments = ", ".join(f"{one:%a %d %b %H:%M}" for one in expected)
    basis = f"the last {len(opened)} rounds" if len(opened) > 1 else "the only round so far"
    text = f"the next are expected on {moments} UTC, by {basis}"
    if len(opened) < ROUNDS_FOR_A_WEEK:
        text += ", which is too few to know the days"
    return Finding("openings", Verdict.OK, text)


def _last_preflight(platform: Platform) -> Finding:
    last = json_records.read_or_set_aside(platform.lake.preflight_file, Preflight)
    if last is None:
        text = "none yet: `numebot up` makes one two hours before a round is expected"
        return Finding("pre-flight", Verdict.OK, text)
    failed = [finding for finding in last.findings if finding.verdict is Verdict.FAILURE]
    text = f"the last was on {last.examined_at:%a %d %b %H:%M} UTC"
    if failed:
        named = "; ".join(f"{finding.name}: {finding.text}" for finding in failed)
        remedy = "what is still wrong stands in this list"
        return Finding("pre-flight", Verdict.WARNING, f"{text} and found {named}", remedy)
    return Finding("pre-flight", Verdict.OK, f"{text}; nothing failed")
