"""Wait until Numerai shows a submission as selected, and record how it counts."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

from numebot_dagster import command_lines
from numebot_dagster.numerai.errors import NumeraiError, SubmissionRejected
from numebot_dagster.numerai.records import Round, SubmissionState, SubmissionStatus
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord, State

# A registered submission is usually shown at once; minutes have been seen.
ACCEPTANCE_PATIENCE = 90.0  # seconds
# One that is shown, but not as selected, has been looked at: it is not going to count.
SELECTION_PATIENCE = 10.0  # seconds
# As what Numerai lists the submissions that count. What it lists otherwise is asked for by its id.
COUNTED = (SubmissionStatus.ON_TIME, SubmissionStatus.LATE, SubmissionStatus.QUEUED)
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds


def accept(platform: Platform, round_: Round, record: RoundRecord, receipt: Receipt) -> Receipt:
    """Wait until Numerai shows a registered submission as selected, and record it.

    One that arrived after the close may count for the next round instead: then its outcome is
    `queued`.

    Raises:
        SubmissionRejected: when it is not shown as selected in time, or shown as not selected; the
            receipt is then `invalid`.
    """
    if receipt.submission_id is None:
        raise ValueError(f"{receipt.model}: a receipt without a submission id cannot be accepted")
    bounded = phases.within(platform, phases.ACCEPTANCE, round_)
    state = _wait_until_selected(bounded, round_, record, receipt)
    received_at = state.inserted_at or receipt.submitted_at
    accepted = replace(
        receipt,
        submission_id=state.submission_id,
        state=State.ACCEPTED,
        outcome=outcome_of(round_, received_at, state.round_number),
        submitted_at=received_at,
        accepted_at=platform.client.now(),
        reason=None,
    )
    if accepted.outcome is Outcome.QUEUED:
        text = f"it arrived after the close; Numerai counts it for round {state.round_number}"
        platform.log.warning("Round %d, %s: %s", round_.number, receipt.model, text)
        accepted = replace(accepted, reason=text)
    return record.append(accepted)


def _wait_until_selected(
    platform: Platform, round_: Round, record: RoundRecord, receipt: Receipt
) -> SubmissionState:
    """Ask until the submission is selected, or until it is clear that it will not be."""
    submission_id = str(receipt.submission_id)
    started, wait = time.monotonic(), FIRST_WAIT
    shown_since: float | None = None
    while True:
        state = _state_of(platform, round_, receipt)
        if state is not None and state.selected:
            if state.round_number is not None and state.round_number < round_.number:
                raise SubmissionRejected(
                    f"Numerai counts submission {submission_id} for round {state.round_number}, "
                    f"not {round_.number}"
                )
            return state
        now = time.monotonic()
        if state is not None and state.selected is False:
            shown_since = shown_since or now
            if now - shown_since >= SELECTION_PATIENCE:
                twin = _twin(platform, round_, receipt)
                if twin is None:
                    raise _not_selected(platform, record, receipt)
                return twin
        if now + wait - started > ACCEPTANCE_PATIENCE:
            raise SubmissionRejected(
                f"Numerai registered submission {submission_id} but has not shown it as selected "
                f"within {ACCEPTANCE_PATIENCE:.0f} s; `numebot run` asks again"
            )
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


def _state_of(platform: Platform, round_: Round, receipt: Receipt) -> SubmissionState | None:
    """Return what Numerai says of a submission.

    The list of what counts is asked first: it is one call for the whole account, of which Numerai
    allows many, while submissions asked for by their ids count one by one. What is not listed is
    asked for by its id, since it may have been found invalid.
    """
    submission_id = str(receipt.submission_id)
    rows = platform.client.fleet().submissions
    same = [row for row in rows if row.submission_id == submission_id and row.status in COUNTED]
    # A late one may be listed for its own round and for the next.
    listed = min(same, key=lambda row: abs(row.round_number - round_.number), default=None)
    if listed is None:
        return platform.client.submission_states([submission_id]).get(submission_id)
    return SubmissionState(
        submission_id, listed.filename, True, listed.round_number, listed.timestamp
    )


def _twin(platform: Platform, round_: Round, receipt: Receipt) -> SubmissionState | None:
    """Return the submission that counts, if it is the same file, registered once more."""
    submission = platform.client.fleet().submission_of(receipt.model, round_.number)
    if submission is None or submission.filename != receipt.filename:
        return None
    submission_id = str(submission.submission_id)
    state = platform.client.submission_states([submission_id]).get(submission_id)
    return state if state is not None and state.selected else None


def _not_selected(platform: Platform, record: RoundRecord, receipt: Receipt) -> SubmissionRejected:
    """Record that Numerai looked at a submission and does not count it."""
    reason = (
        f"Numerai shows submission {receipt.submission_id}, but not as selected: it was found "
        f"invalid, or another one was uploaded after it{own_words(platform, receipt)}"
    )
    record.append(invalidated(receipt, reason))
    command = command_lines.run(receipt.round_number, [receipt.model])
    return SubmissionRejected(f"{reason}. Run `{command}` again.")


def own_words(platform: Platform, receipt: Receipt) -> str:
    """Return Numerai's own words about a submission that it does not count, to end a sentence."""
    try:
        words = platform.client.enrichment.refusal(str(receipt.submission_id))
    except NumeraiError as error:
        platform.log.info("%s: Numerai was not asked for its reason: %s", receipt.model, error)
        return ""
    return f". Numerai answered: {words}" if words else ""


def outcome_of(
    round_: Round, received_at: datetime | None, counted_for: int | None = None
) -> Outcome:
    """Return how a submission ended that Numerai received at a time (aware UTC; None: in time)."""
    if counted_for is not None and counted_for > round_.number:
        return Outcome.QUEUED
    late = received_at is not None and received_at >= round_.close_staking_time
    return Outcome.LATE if late else Outcome.ON_TIME


def invalidated(receipt: Receipt, reason: str) -> Receipt:
    """Return the receipt of a submission that Numerai does not, or no longer, count."""
    return replace(
        receipt,
        state=State.INVALID,
        outcome=Outcome.FAILED,
        accepted_at=None,
        confirmed_at=None,
        reason=reason,
    )
