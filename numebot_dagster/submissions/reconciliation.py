"""Decide what to do about one model in one round, from what Numerai holds and what we recorded.

Every run, wherever the last one was killed, starts here. The rules: what Numerai holds counts as
this round's only if it was uploaded after the round opened and belongs to a receipt of ours; a
carried-over file is replaced without asking; a file that we did not make only by force; a higher
rung replaces a lower one while the window is open; after the close nothing is uploaded unless
late submission was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from numebot_dagster.numerai.records import HeldSubmission, Round, SubmissionState
from numebot_dagster.submissions.file_names import uploader
from numebot_dagster.submissions.receipts import Receipt, Rung

# A submission that Numerai has registered may be shown only minutes later; uploading it anew before
# would make two of one.
REGISTRATION_PATIENCE = timedelta(minutes=5)
REGISTERED = "registered"  # the status, in our words, of what Numerai does not show yet


class Action(StrEnum):
    """The next step for one model."""

    SUBMIT = "submit"  # authorise, record the intent, upload, register
    ACCEPT = "accept"  # Numerai holds our file: record that, then confirm it
    CONFIRM = "confirm"  # download what Numerai holds and compare it id by id
    SKIP = "skip"  # nothing is left to do
    LEAVE = "leave"  # Numerai holds a file that is not ours, which counts: that is recorded
    REFUSE = "refuse"  # nothing may be done; the reason says what would allow it


class Holding(StrEnum):
    """What Numerai holds of a model for a round."""

    NOTHING = "nothing"
    CARRIED_OVER = "carried over"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Intention:
    """The predictions that are ready to be submitted."""

    sha256: str
    rung: Rung = Rung.LIVE


@dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    Attributes:
        now: Numerai's time, aware UTC.
        submission: what Numerai holds of the model for this round.
        receipts: our receipts of this model and round, oldest first.
        intention: the predictions that are ready, if any are.
        force: replace a file that we did not make, or our own by other predictions.
        late: upload after the close, knowing that it also fills the next round.
    """

    round: Round
    now: datetime
    submission: HeldSubmission | None = None
    receipts: Sequence[Receipt] = ()
    intention: Intention | None = None
    force: bool = False
    late: bool = False

    @property
    def own_receipt(self) -> Receipt | None:
        """Our newest receipt of the file that Numerai holds: same server's name, or same id."""
        submission = self.submission
        if submission is None or submission.submission_id is None:
            return None
        matching = (
            receipt
            for receipt in reversed(self.receipts)
            if not receipt.is_foreign
            and (
                receipt.submission_id == submission.submission_id
                or (receipt.filename is not None and receipt.filename == submission.filename)
            )
        )
        return next(matching, None)

    @property
    def holding(self) -> Holding:
        """What Numerai holds of the model for this round."""
        if self.submission is None or self.submission.submission_id is None:
            return Holding.NOTHING
        if is_carried_over(self.submission, self.round):
            return Holding.CARRIED_OVER
        # Without a timestamp our receipt is the proof: intents are written only after the opening.
        return Holding.FOREIGN if self.own_receipt is None else Holding.OURS


@dataclass(frozen=True)
class Decision:
    """The next step and why.

    `receipt` is ours of the file that Numerai holds, with Numerai's id of it, if it is ours.
    """

    action: Action
    reason: str
    receipt: Receipt | None = None


def decide(situation: Situation) -> Decision:
    """Return the next step for one model in one round."""
    if situation.now < situation.round.open_time:
        return Decision(
            Action.REFUSE,
            f"round {situation.round.number} opens at {_clock(situation.round.open_time)}",
        )
    receipt, submission = situation.own_receipt, situation.submission
    if situation.holding is Holding.OURS and receipt is not None and submission is not None:
        return _about_our_file(situation, replace(receipt, submission_id=submission.submission_id))
    return _about_no_file_of_ours(situation)


def doubtful_ids(situation: Situation) -> list[str]:
    """Return the ids of ours to ask Numerai about, because it does not show them as held.

    The list of what is held may lag behind, or lack a field; a submission that is asked for by its
    id may be shown all the same.
    """
    if situation.holding is Holding.OURS:
        return []
    return list(_newest_by_id(situation))


def better_known(situation: Situation, states: Mapping[str, SubmissionState]) -> Situation:
    """Return the situation with what Numerai said of the `doubtful_ids`, by their ids.

    What it shows as selected is held. What it does not know yet, although it registered it within
    `REGISTRATION_PATIENCE`, is held with status `REGISTERED`.
    """
    for submission_id, receipt in reversed(_newest_by_id(situation).items()):
        submission = _shown(situation, receipt, states.get(submission_id))
        if submission is not None:
            return replace(situation, submission=submission)
    return situation


def _newest_by_id(situation: Situation) -> dict[str, Receipt]:
    """Return our newest receipt of each submission that we have registered."""
    return {
        receipt.submission_id: receipt
        for receipt in situation.receipts
        if receipt.submission_id and not receipt.is_foreign
    }


def _shown(
    situation: Situation, receipt: Receipt, state: SubmissionState | None
) -> HeldSubmission | None:
    number = situation.round.number
    if state is None:
        sent = receipt.submitted_at
        is_young = sent is not None and situation.now - sent < REGISTRATION_PATIENCE
        if not receipt.is_pending or not is_young:
            return None
        status, at = REGISTERED, sent
    elif state.selected and number <= (state.round_number or number):
        status, at = "selected", state.inserted_at or receipt.submitted_at
        number = state.round_number or number  # what came too late may count for the next one
    else:
        return None
    return HeldSubmission(
        receipt.model, "", number, receipt.submission_id, receipt.filename, status, at
    )


def is_carried_over(submission: HeldSubmission, round_: Round) -> bool:
    """Return whether a file was uploaded before the round opened, and so is stale."""
    return submission.timestamp is not None and submission.timestamp < round_.open_time


def _about_our_file(situation: Situation, receipt: Receipt) -> Decision:
    better = _why_replace(situation, receipt)
    if better is not None and _closed(situation) is None:
        return Decision(Action.SUBMIT, better, receipt)
    if receipt.was_not_selected:
        return Decision(Action.ACCEPT, "Numerai counts the file after all", receipt)
    if receipt.is_invalid:
        return Decision(
            Action.REFUSE, f"what Numerai holds is not what we sent: {receipt.reason}", receipt
        )
    if receipt.is_confirmed:
        return Decision(Action.SKIP, "already confirmed", receipt)
    if receipt.is_held:
        return Decision(Action.CONFIRM, "accepted, not yet compared with what was sent", receipt)
    return Decision(Action.ACCEPT, "Numerai holds the file of an earlier attempt", receipt)


def _why_replace(situation: Situation, receipt: Receipt) -> str | None:
    """Return why the predictions at hand should replace our own file, or None."""
    intention = situation.intention
    if intention is None:
        return None
    if receipt.differs:
        return f"replaces our invalid file: {receipt.reason}"
    is_other = intention.sha256 != receipt.predictions_sha256
    if intention.rung.is_above(receipt.rung) and is_other:
        return f"{intention.rung} predictions replace {receipt.rung} ones"
    if situation.force and is_other:
        return "forced: other predictions replace those that were sent"
    return None


def _about_no_file_of_ours(situation: Situation) -> Decision:
    submission, holding = situation.submission, situation.holding
    obstacle = _closed(situation)
    if obstacle is not None:
        return Decision(Action.REFUSE, obstacle)
    if holding is Holding.FOREIGN and submission is not None and not situation.force:
        who = uploader(submission.filename)
        return Decision(
            Action.LEAVE,
            f"Numerai holds {submission.filename}, uploaded by {who}; --force replaces it",
        )
    if situation.intention is None:
        return Decision(Action.REFUSE, "there are no predictions to submit")
    reasons = {
        Holding.NOTHING: "Numerai holds nothing for this round",
        Holding.CARRIED_OVER: "replaces a file carried over from before the round opened",
        Holding.FOREIGN: "forced: replaces a file that this project did not upload",
    }
    return Decision(Action.SUBMIT, reasons[holding])


def _closed(situation: Situation) -> str | None:
    """Return why nothing of ours may be uploaded for the round now, or None when it may."""
    this, now = situation.round, situation.now
    if this.is_open(now):
        return None
    if this.close_time is not None and now >= this.close_time:
        return f"round {this.number} accepted its last late submission at {_clock(this.close_time)}"
    if situation.late:
        return None
    return (
        f"round {this.number} closed at {_clock(this.close_staking_time)}; "
        "nothing is uploaded after the close, because that would also fill the next round"
    )


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
