"""Compare the submissions that Numerai holds with what was sent, by their content or names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.lake import rollups
from numebot_dagster.numerai.errors import SubmissionRejected
from numebot_dagster.numerai.records import HeldSubmission
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases
from numebot_dagster.operations.rounds.predicting import Prediction
from numebot_dagster.submissions.file_names import name_for
from numebot_dagster.submissions.receipts import Receipt, RoundRecord, Rung, State
from numebot_dagster.submissions.reconciliation import (
    Holding,
    Situation,
    better_known,
    doubtful_ids,
)
from numebot_dagster.submissions.submission_file import matches


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
    command = command_lines.run(receipt.round_number, [receipt.model])
    raise SubmissionRejected(
        f"what Numerai holds is not what was sent: {mismatch}. Run `{command}` again."
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


def what_is_held(platform: Platform, record: RoundRecord, situation: Situation) -> Situation:
    """Return the situation with what Numerai says of our submissions that it does not list as held.

    Nothing is asked when it lists one of ours, or when we have registered none.
    One of ours whose receipts are lost gets a new one.
    """
    situation = _recognised(platform, record, situation)
    ids = doubtful_ids(situation)
    if not ids:
        return situation
    return better_known(situation, platform.client.submission_states(ids))


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
    for path in rollups.predictions_files(platform.lake, submission.model, number):
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
