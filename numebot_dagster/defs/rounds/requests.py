"""Request one run of a round at a time, until nothing is left to do.

Whether something is left is read from the receipts and not from Dagster's runs: a run that failed
or was killed before it played has settled nothing, and one that succeeded may have had to play a
lower rung.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import dagster as dg

from numebot_dagster.defs.partitions import ROUND_TAG
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.records import Round
from numebot_dagster.numerai.rounds import rounds_of_interest
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import follow_up
from numebot_dagster.operations.rounds.pauses import LAST_MINUTES, seconds_before_next_run
from numebot_dagster.submissions.receipts import Receipt, RoundRecord

ATTEMPT_TAG = "numebot/attempt"
AFTER_CLOSE_TAG = "numebot/after_close"

SECONDS_BETWEEN_LOOKS = 60.0

# How often a round that has closed is tried before its end stays unknown.
ATTEMPTS_AFTER_CLOSE = 5


def request_for(
    instance: dg.DagsterInstance, platform: Platform, round_: Round
) -> dg.RunRequest | str:
    """Return the next run of a round, or why there is none to request now.

    Before the close it plays. After it, it records how the round ended for each model.
    """
    runs = runs_of(instance, round_.number)
    if any(not run.dagster_run.is_finished for run in runs):
        return f"Round {round_.number} has a run already."
    if is_settled(instance, platform, round_) and not _lost_of_late(platform, round_):
        return f"Round {round_.number} has nothing left to do."
    if runs and (left := _pause_left(runs, platform, round_)) > 0:
        return f"Round {round_.number} is tried again in {left:.0f} s."
    return _request(round_, _attempt(runs), after_close=not round_.is_open(platform.client.now()))


def is_settled(instance: dg.DagsterInstance, platform: Platform, round_: Round) -> bool:
    """Return whether a round has nothing left to do.

    An open one: every submitting model is confirmed with its own predictions, or somebody else has
    submitted for it. A closed one: it is known how it ended for each of them, or could not be found
    out. A receipt that cannot be read settles nothing, and keeps no other round waiting.
    """
    records = _records(platform, round_)
    standing = [record.standing or Receipt(record.model_name, round_.number) for record in records]
    finished = [
        run.dagster_run for run in runs_of(instance, round_.number) if run.dagster_run.is_finished
    ]
    if round_.is_open(platform.client.now()):
        if not records:  # predictions only, which leave no receipt
            return any(run.is_success for run in finished)
        return all(receipt.is_settled for receipt in standing)
    since = [run for run in finished if AFTER_CLOSE_TAG in run.tags]
    return (
        all(
            receipt.is_end_known or not platform.lake.takes_part(receipt.model, round_.number)
            for receipt in standing
        )
        or any(run.is_success for run in since)
        or len(since) >= ATTEMPTS_AFTER_CLOSE
    )


def round_with_work_left(instance: dg.DagsterInstance, platform: Platform) -> Round | None:
    """Return an open round that is not settled: its hour belongs to the submissions."""
    open_rounds = platform.client.open_rounds()  # first: its answer also tells Numerai's time
    now = platform.client.now()
    ours = rounds_of_interest(open_rounds, platform.settings.numebot_rounds)
    unsettled = (
        round_
        for round_ in ours
        if round_.is_open(now) and not is_settled(instance, platform, round_)
    )
    return next(unsettled, None)


def skip_for_a_round(instance: dg.DagsterInstance, platform: Platform) -> dg.SkipReason | None:
    """Return why other work has to wait: an open round has work left. None if there is none."""
    round_ = round_with_work_left(instance, platform)
    if round_ is None:
        return None
    return dg.SkipReason(f"Round {round_.number} is open and has work left, which comes first.")


def while_no_round_waits(instance: dg.DagsterInstance, platform: Platform) -> Callable[[], bool]:
    """Return a question for long work to ask: whether no open round has work left.

    Numerai is asked at most once in `SECONDS_BETWEEN_LOOKS`; meanwhile its last answer holds, and
    where it gave none the work may not go on.
    """
    looked_at, may = -math.inf, False

    def may_go_on() -> bool:
        nonlocal looked_at, may
        if time.monotonic() - looked_at >= SECONDS_BETWEEN_LOOKS:
            looked_at, may = time.monotonic(), False
            may = round_with_work_left(instance, platform) is None
        return may

    return may_go_on


def _records(platform: Platform, round_: Round) -> list[RoundRecord]:
    """Return what is recorded of each submitting model in a round."""
    return [
        RoundRecord(platform.lake, model.name, round_.number)
        for model in platform.registry.submitting
    ]


def _request(round_: Round, attempt: int, *, after_close: bool) -> dg.RunRequest:
    """Dagster drops a request whose key it has seen, so each attempt has its own."""
    key = str(round_.number)
    tags = {ROUND_TAG: key}
    run_key = f"round-{key}"
    if attempt > 1:
        tags[ATTEMPT_TAG] = str(attempt)
        run_key += f"-attempt-{attempt}"
    if after_close:
        # Behind everything else that waits: an open round comes first.
        tags |= {AFTER_CLOSE_TAG: "true", "dagster/priority": "-10"}
    return dg.RunRequest(run_key=run_key, partition_key=key, tags=tags)


def runs_of(instance: dg.DagsterInstance, round_number: int) -> Sequence[dg.RunRecord]:
    """Return the runs that sensor and schedule requested, and Dagster's own retries of them."""
    return instance.get_run_records(dg.RunsFilter(tags={ROUND_TAG: str(round_number)}))


def _attempt(runs: Sequence[dg.RunRecord]) -> int:
    made = [int(run.dagster_run.tags.get(ATTEMPT_TAG, 1)) for run in runs]
    return max(made, default=0) + 1


def _pause_left(runs: Sequence[dg.RunRecord], platform: Platform, round_: Round) -> float:
    """Return the seconds until the next attempt, by the clock of this machine as runs are."""
    ended = max(run.end_time or run.update_timestamp.timestamp() for run in runs)
    now = platform.client.now()
    if round_.is_open(now):
        pause = seconds_before_next_run(
            _attempt(runs) - 1,
            (round_.close_staking_time - now).total_seconds(),
            invalidations=_invalidations(platform, round_),
        )
    else:  # how often it was tried before the close says nothing of the attempts after it
        tried = sum(AFTER_CLOSE_TAG in run.dagster_run.tags for run in runs)
        pause = seconds_before_next_run(tried, None)
    return ended + pause - time.time()


def _lost_of_late(platform: Platform, round_: Round) -> bool:
    """Return whether Numerai no longer counts a submission, asked in the last minutes only.

    Before them the watchdog asks, and a tick more does no harm.
    """
    left = (round_.close_staking_time - platform.client.now()).total_seconds()
    if not 0 < left <= 60 * LAST_MINUTES:
        return False
    try:
        return bool(follow_up.recheck(platform, round_, platform.registry.submitting))
    except NumeraiError as error:
        platform.log.warning("Round %d was not checked: %s", round_.number, error)
        return False


def _invalidations(platform: Platform, round_: Round) -> int:
    """Return how often the unluckiest model without a valid submission now has lost one."""
    counts = [0]
    for record in _records(platform, round_):
        standing = record.standing
        if standing is not None and standing.is_invalid:
            lost = {receipt.submission_id for receipt in record.history if receipt.is_invalid}
            counts.append(len(lost))
    return max(counts)
