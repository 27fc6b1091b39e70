"""Give every phase of a round a share of the time that is left, so that none uses up the hour."""

from __future__ import annotations

from dataclasses import dataclass

from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.platform import Platform


@dataclass(frozen=True)
class Phase:
    """A part of a round that waits for Numerai.

    Attributes:
        name: as errors name it.
        share: of the time until the round closes that the phase may take.
        least: seconds that it gets even shortly before the close.
        most: seconds that it gets when the close is far away, or has passed.
    """

    name: str
    share: float
    least: float
    most: float


# A weekday round is open for an hour: a share of 1/120 is 30 seconds at its beginning. What a round
# can be played without gets the least.
DETAILS = Phase("the round's score configurations", 1 / 120, 5.0, 30.0)
FLEET = Phase("the question what Numerai holds", 1 / 30, 20.0, 120.0)
LIVE_DATA = Phase("the live data", 1 / 2, 60.0, 1800.0)
COMPANIONS = Phase("the file", 1 / 12, 20.0, 300.0)
EXAMPLE = Phase("the example predictions", 1 / 120, 3.0, 30.0)
FORMER_DATA = Phase("the look-up of the previous round's live data", 1 / 360, 3.0, 10.0)
UPLOAD = Phase("the upload", 1 / 6, 30.0, 300.0)
ACCEPTANCE = Phase("the wait until the submission counts", 1 / 6, 30.0, 120.0)
CONFIRMATION = Phase("the download of the submission", 1 / 6, 60.0, 300.0)


# Outside the hour, and nothing depends on it.
NAMES = Phase("the names of the account's models", 0.0, 10.0, 10.0)


def deadline(platform: Platform, phase: Phase, round_: Round | None = None) -> Deadline:
    """Return the deadline of a phase that begins now."""
    left = 0.0
    if round_ is not None:
        left = (round_.close_staking_time - platform.client.now()).total_seconds()
    seconds = phase.most if left <= 0 else max(min(left * phase.share, phase.most), phase.least)
    return Deadline.after(seconds, phase.name)


def within(platform: Platform, phase: Phase, round_: Round | None = None) -> Platform:
    """Return the platform for a phase that begins now: its calls end at the phase's deadline."""
    return platform.within(deadline(platform, phase, round_))
