"""Submit predictions, and prove with Numerai's own answers that they arrived.

Every step leaves a receipt before the next one begins, so that a run killed anywhere is taken up
by the next: the intent (with Numerai's name for the file) before the upload, the id after the
registration, `accepted` when Numerai shows it as selected, `confirmed` when its download matches.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.numerai.errors import NumeraiError, RoundNotOpen, SubmissionRejected
from numebot_dagster.numerai.records import (
    HeldSubmission,
    Round,
    SubmissionState,
    SubmissionStatus,
)
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases
from numebot_dagster.operations.rounds.predicting import Prediction
from numebot_dagster.submissions.file_names import name_for
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord, Rung, State
from numebot_dagster.submissions.reconciliation import (
    Holding,
    Situation,
    better_known,
    doubtful_ids,
)
from numebot_dagster.submissions.submission_file import matches

# A registered submission is usually shown at once; minutes have been seen.
ACCEPTANCE_PATIENCE = 90.0  # seconds
# One that is shown, but not as selected, has been looked at: it is not going to count.
SELECTION_PATIENCE = 10.0  # seconds
# As what Numerai lists the submissions that count. What it lists otherwise is asked for by its id.
COUNTED = (SubmissionStatus.ON_TIME, SubmissionStatus.LATE, SubmissionStatus.QUEUED)
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds
# The first address may have expired and the second be unlucky; what is refused again stays refused.
UPLOADS = 3


def submit(
    platform: Platform,
    round_: Round,
    record: RoundRecord,
    model_id: str,
    prediction: Prediction,
    *,
    late: bool = False,
) -> Receipt:
    """Upload and register predictions, and wait until Numerai shows them as selected.

    Args:
        platform: whose account submits.
        round_: the round.
        record: what is recorded of the model in the round.
        model_id: Numerai's id of the model.
        prediction: what is sent.
        late: send after the close too; Numerai then also makes it the next round's submission.

    Raises:
        RoundNotOpen: when the window closed meanwhile; nothing is sent then.
        SubmissionRejected: when the upload is refused or never shown as selected.
        NumeraiError: when Numerai cannot be reached.
    """
    require_uploads(platform, round_, late=late)
    registered = _register_earlier(platform, round_, record, model_id, prediction, late=late)
    uploads = 1
    while registered is None:
        try:
            registered = _upload(platform, round_, record, model_id, prediction, late=late)
        except SubmissionRejected as refusal:
            if uploads == UPLOADS:
                raise
            uploads += 1
            platform.log.warning("%s: uploaded again, because %s", prediction.model, refusal)
    return accept(platform, round_, record, registered)


def promote(record: RoundRecord, receipt: Receipt, prediction: Prediction) -> Receipt:
    """Record that the file of a receipt is also what a higher rung predicts."""
    return record.append(
        replace(
            receipt,
            rung=prediction.rung,
            rung_reason=prediction.rung_reason,
            vintage=prediction.vintage,
            predict_seconds=prediction.seconds,
        ),
    )


def _upload(
    platform: Platform,
    round_: Round,
    record: RoundRecord,
    model_id: str,
    prediction: Prediction,
    *,
    late: bool,
) -> Receipt:
    """Upload predictions to a new address and register them.

    Raises:
        SubmissionRejected: the address is refused, as when it has expired, or the file is not there
            at its registration; another address may do.
    """
    client = phases.within(platform, phases.UPLOAD, round_).client
    require_uploads(platform, round_, late=late)
    name = name_for(round_.number, prediction.submission.sha256, platform.installation)
    target = client.authorise_upload(model_id, name)
    intent = record.append(
        replace(_intent(prediction), filename=target.filename, submitted_at=client.now())
    )
    client.put_upload(target, prediction.submission.csv)
    # The upload may have taken minutes, and what is registered after the close fills another round.
    require_uploads(platform, round_, late=late)
    submission_id = platform.client.create_submission(
        model_id, target.filename, seconds=_seconds_left(platform, round_, late=late)
    )
    return record.append(replace(intent, submission_id=submission_id))


def _seconds_left(platform: Platform, round_: Round, *, late: bool) -> float | None:
    """Return the seconds in which a registration still counts as meant; None when late is fine."""
    return None if late else (round_.close_staking_time - platform.client.now()).total_seconds()


def _register_earlier(
    platform: Platform,
    round_: Round,
    record: RoundRecord,
    model_id: str,
    prediction: Prediction,
    *,
    late: bool,
) -> Receipt | None:
    """Register the file that a killed attempt may have uploaded already, if it is not by now.

    Returns:
        The receipt with the submission's id; nothing when there is no such attempt, or when its
        file never arrived.
    """
    newest = record.newest
    if (
        newest is None
        or newest.filename is None
        or newest.submission_id is not None
        or not newest.is_pending
        or newest.predictions_sha256 != prediction.submission.sha256
    ):
        return None
    try:
        registered = platform.client.create_submission(
            model_id,
            newest.filename,
            seconds=_seconds_left(platform, round_, late=late),
            perhaps_registered=True,
        )
    except SubmissionRejected as refusal:
        platform.log.info("%s: uploaded anew, because %s", prediction.model, refusal)
        return None
    return record.append(replace(newest, submission_id=registered, outcome=None, reason=None))


def _intent(prediction: Prediction) -> Receipt:
    return Receipt(
        model=prediction.model,
        round_number=prediction.round_number,
        rung=prediction.rung,
        rung_reason=prediction.rung_reason,
        vintage=prediction.vintage,
        predictions_sha256=prediction.submission.sha256,
        rows=prediction.submission.rows,
        predict_seconds=prediction.seconds,
    )


def require_uploads(platform: Platform, round_: Round, *, late: bool = False) -> None:
    """Make sure that what is uploaded now is for this round.

    Raises:
        RoundNotOpen: when it would not be, or would be late without having been asked for.
    """
    now = platform.client.now()
    if round_.is_open(now):
        return
    if not late or now < round_.open_time:
        raise RoundNotOpen(
            f"round {round_.number} accepts on-time submissions from "
            f"{round_.open_time:%a %H:%M} to {round_.close_staking_time:%a %d %b %H:%M} UTC; "
            f"it is {now:%a %d %b %H:%M} UTC"
        )
    newer = platform.round_to_play()
    ended = round_.close_time is not None and now >= round_.close_time
    if ended or (newer is not None and newer.number > round_.number):
        what = f"; round {newer.number} is open" if newer else ""
        raise RoundNotOpen(f"round {round_.number} accepts no more late submissions{what}")


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


def confirm(
    platform: Platform, record: RoundRecord, receipt: Receipt, prediction: Prediction | None
) -> Receipt:
    """Download what Numerai holds and compare it with what was sent, id by id.

    Where the predictions are no longer stored, the file's hash in the receipt stands for them.

    Raises:
        SubmissionRejected: when it differs; the receipt is then `invalid`.
    """
    if receipt.submission_id is None:
        raise ValueError(f"{receipt.model}: a receipt without a submission id cannot be confirmed")
    client = phases.within(platform, phases.CONFIRMATION).client
    content = client.download_submission(receipt.submission_id)
    mismatch = None
    if prediction is None:
        _require_same_file(content, receipt)
    else:
        mismatch = matches(content, prediction.ids, prediction.values)
    if mismatch is None:
        now = platform.client.now()
        return record.append(replace(receipt, state=State.CONFIRMED, confirmed_at=now))
    record.append(replace(receipt, state=State.INVALID, reason=str(mismatch)))
    raise SubmissionRejected(
        f"what Numerai holds is not what was sent: {mismatch}. Run `{_run(receipt)}` again."
    )


def _require_same_file(content: bytes, receipt: Receipt) -> None:
    """Compare a file with the hash of what was sent.

    Raises:
        FileNotFoundError: they differ, which may be a matter of its form alone.
    """
    if hashlib.sha256(content).hexdigest() != receipt.predictions_sha256:
        raise FileNotFoundError(
            "the predictions that were submitted are no longer stored, so that Numerai's copy "
            "cannot be compared with them; `numebot run --force` predicts and submits again"
        )


def _recognised(platform: Platform, record: RoundRecord, situation: Situation) -> Situation:
    """Return the situation with the receipt, made anew, of a file of ours whose receipts are lost.

    The file is ours when its name, in which we write round, content and this data folder's id, is
    that of predictions that are stored here.
    """
    submission, number = situation.submission, situation.round.number
    if (
        submission is None
        or submission.filename is None
        or situation.holding is not Holding.FOREIGN
    ):
        return situation
    for path in platform.lake.predictions_files(submission.model, number):
        sha256 = path.parent.name.removeprefix("sha256=")
        name = name_for(number, sha256, platform.installation)
        if submission.filename.startswith(Path(name).stem):
            receipt = record.append(_receipt_of_file(path, submission, number))
            platform.log.warning(
                "%s: Numerai holds %s, whose receipts are lost; its name shows that it is ours",
                submission.model,
                submission.filename,
            )
            return replace(situation, receipts=[*situation.receipts, receipt])
    return situation


def _receipt_of_file(path: Path, submission: HeldSubmission, number: int) -> Receipt:
    vintage = path.parent.parent.name.removeprefix("vintage=")
    return Receipt(
        model=submission.model,
        round_number=number,
        filename=submission.filename,
        vintage=int(vintage) if vintage.isdigit() else None,
        rung=Rung.LIVE if vintage.isdigit() else Rung.FALLBACK,
        predictions_sha256=path.parent.name.removeprefix("sha256="),
        submitted_at=submission.timestamp,
    )


def what_is_held(platform: Platform, record: RoundRecord, situation: Situation) -> Situation:
    """Return the situation with what Numerai says of our submissions that it does not list as held.

    Nothing is asked when it lists one of ours, or when we have registered none.
    One of ours whose receipts are lost gets a new one.

    Raises:
        NumeraiError: when Numerai cannot be asked.
    """
    situation = _recognised(platform, record, situation)
    ids = doubtful_ids(situation)
    if not ids:
        return situation
    return better_known(situation, platform.client.submission_states(ids))


def outcome_of(
    round_: Round, received_at: datetime | None, counted_for: int | None = None
) -> Outcome:
    """Return how a submission ended that Numerai received at a time (aware UTC; None: in time).

    Args:
        round_: the round that it was meant for.
        received_at: when Numerai received it.
        counted_for: the round that Numerai counts it for, if it says so.
    """
    if counted_for is not None and counted_for > round_.number:
        return Outcome.QUEUED
    late = received_at is not None and received_at >= round_.close_staking_time
    return Outcome.LATE if late else Outcome.ON_TIME


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
    return SubmissionRejected(f"{reason}. Run `{_run(receipt)}` again.")


def _run(receipt: Receipt) -> str:
    return command_lines.run(receipt.round_number, [receipt.model])


def own_words(platform: Platform, receipt: Receipt) -> str:
    """Return Numerai's own words about a submission that it does not count, to end a sentence."""
    try:
        words = platform.client.enrichment.refusal(str(receipt.submission_id))
    except NumeraiError as error:
        platform.log.info("%s: Numerai was not asked for its reason: %s", receipt.model, error)
        return ""
    return f". Numerai answered: {words}" if words else ""


def record_failure(
    record: RoundRecord, reason: str, prediction: Prediction | None = None
) -> Receipt:
    """Record an attempt that failed beside, never over, what Numerai was seen to hold.

    Args:
        record: of the model and round that the attempt was for.
        reason: what it failed with.
        prediction: what is ready, though nothing could be sent; the next run sends it.

    Returns:
        The receipt that is standing now.
    """
    standing, newest = record.standing, record.newest
    if standing is None or standing.is_pending:
        base = standing or Receipt(record.model_name, record.round_number)
        if prediction and base.predictions_sha256 != prediction.submission.sha256:
            base = _intent(prediction)  # otherwise the name of what may be uploaded is kept
        failed = replace(base, outcome=Outcome.FAILED, reason=reason)
    elif standing.is_invalid:
        failed = standing  # it says already what is wrong
    else:
        failed = replace(standing, reason=f"it stands, but a later attempt failed: {reason}")
    is_news = newest is None or replace(failed, recorded_at=newest.recorded_at) != newest
    return record.append(failed) if is_news else failed


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
