"""Summarise recent rounds by model, weights, days without a leaderboard and unsent alerts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from numebot_dagster import command_lines
from numebot_dagster.lake import parquet
from numebot_dagster.lake.days import stored_days
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Raised
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training.library_changes import changed_libraries
from numebot_dagster.submissions.receipts import (
    NOBODY_PLAYED,
    Outcome,
    Receipt,
    RoundRecord,
    Rung,
    State,
)


class Standing(StrEnum):
    """How one model stands in one round, in one word."""

    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    ELSEWHERE = "elsewhere"  # Numerai has a file on time that was not uploaded from here
    LATE = "late"
    QUEUED = "queued"
    SENDING = "sending"  # begun; the next run continues it
    WAITING = "waiting"  # the round is open, and nothing was tried yet
    FAILED = "failed"
    INVALID = "invalid"
    MISSED = "missed"
    UNREADABLE = "unreadable"
    UNPLAYED = "unplayed"  # closed without a receipt


@dataclass(frozen=True)
class Window:
    """The times between which a round accepts on-time submissions, if known (aware UTC)."""

    number: int
    open_time: datetime | None = None
    close_staking_time: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Return whether on-time submissions are accepted at `now` (aware UTC)."""
        if self.open_time is None or self.close_staking_time is None:
            return False
        return self.open_time <= now < self.close_staking_time


@dataclass(frozen=True)
class RoundModel:
    """One model in one round, with the receipt of its state and the reason for it."""

    round_number: int
    model: str
    standing: Standing
    receipt: Receipt | None
    reason: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether the round closed without a run and without a submission."""
        if self.standing is Standing.MISSED:
            return self.reason == NOBODY_PLAYED
        return self.standing is Standing.UNPLAYED


@dataclass(frozen=True)
class RecentRounds:
    """Rounds, the newest first, and every submitting model in each of them."""

    windows: Sequence[Window]
    cells: Sequence[RoundModel]
    unseen: frozenset[int] = frozenset()


@dataclass(frozen=True)
class WeightsStatus:
    """The weights that a model would predict with, and their problem if they have one.

    Attributes:
        retrain_weeks: the age at which its policy asks for new ones; None where age does not.
    """

    model: str
    vintage: int | None
    trained_at: datetime | None
    problem: str
    retrain_weeks: float | None = None


@dataclass(frozen=True)
class Moment:
    """The time, and the round that is open.

    Attributes:
        now: aware UTC, by Numerai's clock if it answers, otherwise by this machine's.
        open_round: the round that accepts submissions, if Numerai answered and there is one.
        problem: why Numerai did not answer; empty when it did.
    """

    now: datetime
    open_round: Window | None = None
    problem: str = ""


def moment(platform: Platform) -> Moment:
    """Ask Numerai for the time and the open round."""
    try:
        round_ = platform.round_to_play()
    except NumeraiError as error:
        return Moment(platform.client.now(), problem=str(error))
    now = platform.client.now()
    if round_ is None:
        return Moment(now)
    return Moment(now, Window(round_.number, round_.open_time, round_.close_staking_time))


def recent_rounds(
    platform: Platform,
    at: Moment,
    more: Iterable[int],
    rounds: int,
    tried: Callable[[Iterable[int]], set[int]],
) -> RecentRounds:
    """Return the newest rounds in which something happened, and the unseen ones between them.

    Args:
        platform: whose lake is read.
        at: its open round is one of them, stored or not.
        more: numbers of further rounds, as those whose every run failed before anything was stored.
        rounds: how many, without those that no run looked at while they were open.
        tried: returns which of some rounds had a run before they closed.
    """
    numbers = {*platform.lake.stored_rounds(), *more}
    if at.open_round is not None:
        numbers.add(at.open_round.number)
    cells: dict[Window, list[RoundModel]] = {}
    blank: set[int] = set()
    for number in sorted(numbers, reverse=True):
        if len(cells) - len(blank) == rounds:
            break
        window = _window(platform, at, number)
        cells[window] = standings(platform, [window], at.now)
        if cells[window] and all(cell.is_blank for cell in cells[window]):
            blank.add(number)
    unseen = blank - tried(blank)
    windows = _with_seen(list(cells), unseen, rounds)
    shown = [cell for window in windows for cell in cells[window]]
    return RecentRounds(windows, shown, frozenset(unseen))


def _with_seen(windows: Sequence[Window], unseen: Collection[int], rounds: int) -> list[Window]:
    """Return the first windows, up to a number of seen ones."""
    seen = 0
    for index, window in enumerate(windows):
        seen += window.number not in unseen
        if seen == rounds:
            return list(windows[: index + 1])
    return list(windows)


def _window(platform: Platform, at: Moment, number: int) -> Window:
    if at.open_round is not None and at.open_round.number == number:
        return at.open_round
    path = platform.lake.round_details(number)
    if not path.is_file():
        return Window(number)
    try:
        row = parquet.read(path, ["open_time", "close_staking_time"]).row(0)
    except parquet.DamagedFile:
        return Window(number)  # `numebot run` stores it again
    return Window(number, *row)


def standings(platform: Platform, windows: Sequence[Window], now: datetime) -> list[RoundModel]:
    """Return every submitting model in each of these rounds, in the registry's order."""
    models = platform.registry.submitting
    return [_standing(platform, window, model, now) for window in windows for model in models]


def _standing(
    platform: Platform, window: Window, model: RegisteredModel, now: datetime
) -> RoundModel:
    number, name = window.number, model.name
    record = RoundRecord(platform.lake, name, number)
    receipt, damaged = record.standing, record.damaged
    if receipt is None and damaged:
        run = command_lines.run(number, [name])
        text = f"{damaged[-1]} cannot be read; to read the state from Numerai, type: {run}"
        return RoundModel(number, name, Standing.UNREADABLE, None, text)
    if receipt is None:
        nothing = Standing.WAITING if window.is_open(now) else Standing.UNPLAYED
        return RoundModel(number, name, nothing, None)
    return RoundModel(number, name, standing_of(receipt), receipt, _reason(receipt))


def standing_of(receipt: Receipt) -> Standing:
    """Return the standing that a receipt amounts to."""
    if receipt.is_invalid:
        return Standing.INVALID
    by_outcome = {
        Outcome.FAILED: Standing.FAILED,
        Outcome.MISSED: Standing.MISSED,
        Outcome.LATE: Standing.LATE,
        Outcome.QUEUED: Standing.QUEUED,
    }
    if receipt.outcome in by_outcome:
        return by_outcome[receipt.outcome]
    if receipt.is_foreign:
        return Standing.ELSEWHERE
    by_state = {State.CONFIRMED: Standing.CONFIRMED, State.ACCEPTED: Standing.ACCEPTED}
    return by_state.get(receipt.state, Standing.SENDING)


def _reason(receipt: Receipt) -> str:
    parts = [receipt.reason or ""]
    if receipt.rung is not Rung.LIVE:
        reason = receipt.rung_reason or "no reason was recorded"
        parts.append(f"{receipt.rung} predictions were used: {reason}")
    return "; ".join(part for part in parts if part)


def weights_status(platform: Platform) -> list[WeightsStatus]:
    """Return the weights of every enabled model, with what is wrong with them."""
    return [_weights_of(platform, model) for model in platform.registry.enabled]


def _weights_of(platform: Platform, model: RegisteredModel) -> WeightsStatus:
    try:
        chosen = weight_store.choose(platform.lake, model.name, code_hash(model), model.vintage)
    except (weight_store.NoWeights, SourceNotFound) as error:
        return WeightsStatus(model.name, None, None, str(error))
    version = platform.settings.numebot_data_version or chosen.manifest.data_version
    train = command_lines.train(model.name)
    changed = changed_libraries(chosen.manifest)
    if chosen.code_hash != code_hash(model):
        problem = f"the code has changed since: {train}"
    elif weight_store.is_due(chosen.manifest, datetime.now(UTC), version):
        problem = f"due for retraining: {train}"
    elif changed:
        problem = f"trained with {', '.join(changed)}: {train} if its canary fails"
    else:
        problem = ""
    manifest = chosen.manifest
    return WeightsStatus(
        model.name, chosen.vintage, manifest.trained_at, problem, manifest.retrain_weeks
    )


def unsent_alerts(platform: Platform) -> list[Raised]:
    """Return the alerts of the last days that some channel does not have yet, newest first."""
    waiting = [raised for _, raised in outbox.recent(platform) if raised.is_waiting]
    return sorted(waiting, key=lambda raised: raised.raised_at, reverse=True)


def days_without_leaderboard(platform: Platform, now: datetime) -> list[date]:
    """Return the past days without a leaderboard since the first stored one.

    Numerai publishes only today's, so they stay empty.
    """
    stored = set(stored_days(platform.lake, "leaderboard"))
    if not stored:
        return []
    first = min(stored)
    passed = (first + timedelta(days=offset) for offset in range((now.date() - first).days))
    return [day for day in passed if day not in stored]
