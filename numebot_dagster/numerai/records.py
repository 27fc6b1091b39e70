"""Hold Numerai's answers as typed records.

Only what the submission hour needs is required; everything else may be absent. `extra` keeps
fields that Numerai added since this was written, so that none is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

ROUNDS_LOOKED_BACK = 100
"""For how many rounds back Numerai is asked what it holds."""


class SubmissionStatus(StrEnum):
    """The statuses of `latestSubmissions` seen so far; any other is kept as plain text."""

    ON_TIME = "on-time"
    LATE = "late"
    QUEUED = "queued"
    NONE = "none"


@dataclass(frozen=True)
class ScoreConfig:
    """One score of a round and how it is paid: the rules that the round itself carries."""

    name: str
    display_name: str | None = None
    version: str | None = None
    total_score_days: int | None = None
    returns_lag_days: int | None = None
    data_delay_days: int | None = None
    is_payout: bool = False
    default_multiplier: float | None = None
    min_multiplier: float | None = None
    max_multiplier: float | None = None
    clip_threshold: float | None = None
    payout_factor: float | None = None
    scoring_start: datetime | None = None
    scoring_end: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """One tournament round; all times are aware UTC.

    `close_staking_time` is the deadline of on-time submissions, `close_time` that of late ones.
    """

    number: int
    open_time: datetime
    close_staking_time: datetime
    close_time: datetime | None = None
    score_time: datetime | None = None
    resolve_time: datetime | None = None
    resolved: bool | None = None
    target: str | None = None
    payout_factor: Decimal | None = None
    stake_threshold: float | None = None
    score_configs: tuple[ScoreConfig, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def is_open(self, now: datetime) -> bool:
        """Return whether Numerai accepts on-time submissions at `now` (aware UTC)."""
        return self.open_time <= now < self.close_staking_time


@dataclass(frozen=True)
class Model:
    """A model slot of the account."""

    name: str
    id: str
    tournament: int | None = None


@dataclass(frozen=True)
class HeldSubmission:
    """What Numerai holds of one model for one round (a row of `latestSubmissions`)."""

    model: str
    model_id: str
    round_number: int
    submission_id: str | None
    filename: str | None
    status: str
    timestamp: datetime | None


@dataclass(frozen=True)
class Fleet:
    """All Classic models of the account by name, with what Numerai holds of them."""

    models: Mapping[str, Model]
    submissions: tuple[HeldSubmission, ...] = ()

    def submission_of(self, model_name: str, round_number: int) -> HeldSubmission | None:
        """Return what Numerai holds of a model for a round: the newest, if there are several."""
        submissions = [
            submission
            for submission in self.submissions
            if (submission.model, submission.round_number) == (model_name, round_number)
            and submission.submission_id is not None
        ]
        oldest = datetime.min.replace(tzinfo=UTC)
        return max(submissions, key=lambda each: each.timestamp or oldest, default=None)


@dataclass(frozen=True)
class SubmissionState:
    """One submission, asked for by its id."""

    submission_id: str
    filename: str | None
    selected: bool | None
    round_number: int | None
    inserted_at: datetime | None = None


@dataclass(frozen=True)
class UploadTarget:
    """Where Numerai wants a file: its own name for it and the URL of the PUT."""

    filename: str
    url: str = field(repr=False)  # signed: who has it may write


@dataclass(frozen=True)
class RemoteFile:
    """A file of the tournament's storage, as its headers describe it; `size` is in bytes."""

    name: str
    size: int | None
    etag: str | None
    last_modified: datetime | None

    @property
    def strong_etag(self) -> str | None:
        """The entity tag when it proves the bytes equal (RFC 9110 section 8.8.1), or None."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag

    @property
    def stamp(self) -> str:
        """Twelve hex digits that change when the object does."""
        version = self.etag or self.last_modified
        return hashlib.sha256(f"{self.name} {version} {self.size}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class DownloadedFile:
    """A verified file on this machine; `size` is in bytes."""

    path: Path
    size: int
    sha256: str
    remote: RemoteFile


@dataclass(frozen=True)
class Score:
    """One metric of one submission on one scoring day; `value` may be null before it is known."""

    model: str
    round_number: int
    metric: str
    version: str | None
    day: int | None
    date: date | None
    value: float | None
    percentile: float | None
    resolved: bool
    submission_id: str | None = None


@dataclass(frozen=True)
class LeaderboardEntry:
    """One model of the public leaderboard; `reputations` maps Numerai's names to values."""

    model: str
    rank: int | None
    nmr_staked: Decimal | None
    reputations: Mapping[str, float | None] = field(default_factory=dict)
    returns: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Payout:
    """NMR earned (positive) or burned (negative) by one model in one round."""

    model: str
    round_number: int
    payout_nmr: Decimal
    settled: bool
    resolve_date: date | None = None


@dataclass(frozen=True)
class PaidScore:
    """A score that a round pays for, at its newest day.

    Attributes:
        payout_nmr: its part of the payout, pending until the round has resolved.
    """

    metric: str
    version: str | None = None
    multiplier: float | None = None
    day: int | None = None
    value: float | None = None
    payout_nmr: Decimal | None = None


@dataclass(frozen=True)
class Position:
    """What a model has at risk in one round, and what the round pays for it.

    Attributes:
        at_risk: NMR; zero before the close, and of a submission that was not in time.
        scores: those that are paid, each with its multiplier.
    """

    model: str
    round_number: int
    at_risk: Decimal | None = None
    payout_factor: Decimal | None = None
    resolve_date: date | None = None
    resolved: bool = False
    scores: tuple[PaidScore, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What one position of atomic staking may claim beside its stake, or has burned, in NMR."""

    model: str
    round_number: int
    payout_nmr: Decimal
    burn_nmr: Decimal


@dataclass(frozen=True)
class Identity:
    """Whose a key is: Numerai's id of the account, and its public name."""

    id: str
    username: str


@dataclass(frozen=True)
class Account:
    """The account behind the credentials, with the scopes of the token in use."""

    username: str
    models: tuple[Model, ...]
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
