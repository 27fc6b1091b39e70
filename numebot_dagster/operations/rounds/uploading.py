"""Upload predictions and register them as a submission.

Every step leaves a receipt before the next one begins, so that a run killed anywhere is taken up
by the next: the intent (with Numerai's name for the file) before the upload, the id after the
registration; then see `acceptance` and `confirmation`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numebot_dagster.numerai.errors import RoundNotOpen, SubmissionRejected
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates, phases
from numebot_dagster.operations.rounds.acceptance import accept
from numebot_dagster.operations.rounds.predicting import Prediction
from numebot_dagster.submissions.file_names import name_for
from numebot_dagster.submissions.receipts import Outcome, Receipt, RoundRecord

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
    return record.append(replace(receipt, **_made_by(prediction)))


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
        predictions_sha256=prediction.submission.sha256,
        rows=prediction.submission.rows,
        **_made_by(prediction),
    )


def _made_by(prediction: Prediction) -> dict[str, Any]:
    """Return what a receipt says of how predictions were made."""
    return {
        "rung": prediction.rung,
        "rung_reason": prediction.rung_reason,
        "vintage": prediction.vintage,
        "predict_seconds": prediction.seconds,
        "predicted_at": prediction.made_at,
        "peak_memory_mb": prediction.peak_memory_mb,
        "gates": gates.as_text(prediction.gates),
    }


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


def record_failure(
    record: RoundRecord, reason: str, prediction: Prediction | None = None
) -> Receipt:
    """Record a failed attempt beside what Numerai was seen to hold; return what stands now.

    Args:
        record: of the model and round that the attempt was for.
        reason: what it failed with.
        prediction: what is ready, though nothing could be sent; the next run sends it.
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
