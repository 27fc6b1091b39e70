"""Submitting predictions, and proving with Numerai's own answers that they arrived.

Every step leaves a receipt before the next one begins, so that a run killed anywhere is taken up
by the next: the intent (with Numerai's name for the file) before the upload, the id after the
registration, `accepted` when Numerai shows it as selected, `confirmed` when its download matches.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.errors import RoundNotOpen, SubmissionRejected
from numebot_dagster.numerai.receipts import Outcome, Receipt, State
from numebot_dagster.numerai.records import Round
from numebot_dagster.numerai.submission import matches
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.predicting import Prediction

# A registered submission is usually shown at once; minutes have been seen.
ACCEPTANCE_PATIENCE = 90.0  # seconds
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds


def submit(platform: Platform, found: Round, model_id: str, prediction: Prediction) -> Receipt:
    """Uploads and registers predictions, and waits until Numerai shows them as selected.

    Raises:
        RoundNotOpen: when the window closed meanwhile; nothing is sent then.
        SubmissionRejected: when the upload is refused or never shown as selected.
        NumeraiError: when Numerai cannot be reached.
    """
    client = platform.client
    _require_open(platform, found)
    digest = prediction.submission.sha256[:8]
    target = client.authorise_upload(model_id, f"round-{found.number}-{digest}.csv")
    intent = receipts.append(
        platform.lake,
        Receipt(
            model=prediction.model,
            round_number=found.number,
            filename=target.filename,
            rung=prediction.rung,
            vintage=prediction.vintage,
            predictions_sha256=prediction.submission.sha256,
            rows=prediction.submission.rows,
            submitted_at=client.now(),
        ),
    )
    client.put_upload(target, prediction.submission.csv)
    # The upload may have taken minutes, and what is registered after the close fills another round.
    _require_open(platform, found)
    submission_id = client.create_submission(model_id, target.filename)
    registered = receipts.append(platform.lake, replace(intent, submission_id=submission_id))
    return accept(platform, found, registered)


def _require_open(platform: Platform, found: Round) -> None:
    now = platform.client.now()
    if not found.is_open(now):
        raise RoundNotOpen(
            f"round {found.number} takes on-time submissions from {found.open_time:%a %H:%M} to "
            f"{found.close_staking_time:%a %d %b %H:%M} UTC; it is {now:%a %d %b %H:%M} UTC"
        )


def accept(platform: Platform, found: Round, receipt: Receipt) -> Receipt:
    """Waits until Numerai shows a registered submission as selected, and records it.

    Raises:
        SubmissionRejected: when it is not shown as selected in time, or for another round.
    """
    if receipt.submission_id is None:
        raise ValueError(f"{receipt.model}: a receipt without a submission id cannot be accepted")
    inserted_at = _wait_until_selected(platform, found, receipt.submission_id)
    accepted = replace(
        receipt,
        state=State.ACCEPTED,
        outcome=_outcome(found, inserted_at or receipt.submitted_at),
        submitted_at=inserted_at or receipt.submitted_at,
        accepted_at=platform.client.now(),
        reason=None,
    )
    return receipts.append(platform.lake, accepted)


def confirm(platform: Platform, receipt: Receipt, prediction: Prediction) -> Receipt:
    """Downloads what Numerai holds and compares it with what was sent, id by id.

    Raises:
        SubmissionRejected: when it differs; the receipt is then `invalid`.
    """
    if receipt.submission_id is None:
        raise ValueError(f"{receipt.model}: a receipt without a submission id cannot be confirmed")
    content = platform.client.download_submission(receipt.submission_id)
    mismatch = matches(content, prediction.ids, prediction.values)
    if mismatch is None:
        return receipts.append(
            platform.lake,
            replace(receipt, state=State.CONFIRMED, confirmed_at=platform.client.now()),
        )
    receipts.append(platform.lake, replace(receipt, state=State.INVALID, reason=str(mismatch)))
    raise SubmissionRejected(
        f"what Numerai holds is not what was sent: {mismatch}. "
        f"Run `numebot run --round {receipt.round_number} --models {receipt.model}` again."
    )


def record_missed(platform: Platform, round_number: int, model: str, reason: str) -> Receipt:
    """Notes that a round closed without a submission of ours, unless its end is known already.

    Returns:
        The newest receipt of the model and round.
    """
    known = receipts.latest(platform.lake, round_number).get(model)
    if known is not None and known.outcome is not None:
        return known
    missed = Receipt(model, round_number, outcome=Outcome.MISSED, reason=reason)
    return receipts.append(platform.lake, missed)


def _wait_until_selected(platform: Platform, found: Round, submission_id: str) -> datetime | None:
    """Asks until the submission is selected; returns when Numerai received it, if it says so."""
    deadline, wait = time.monotonic() + ACCEPTANCE_PATIENCE, FIRST_WAIT
    while True:
        state = platform.client.submission_states([submission_id]).get(submission_id)
        if state is not None and state.selected:
            if state.round_number not in (None, found.number):
                raise SubmissionRejected(
                    f"Numerai counts submission {submission_id} for round {state.round_number}, "
                    f"not {found.number}: it arrived after the close"
                )
            return state.inserted_at
        if time.monotonic() + wait > deadline:
            raise SubmissionRejected(
                f"Numerai registered submission {submission_id} but has not shown it as selected "
                f"within {ACCEPTANCE_PATIENCE:.0f} s; `numebot run` asks again"
            )
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


def _outcome(found: Round, received_at: datetime | None) -> Outcome:
    late = received_at is not None and received_at >= found.close_staking_time
    return Outcome.LATE if late else Outcome.ON_TIME
