"""Record what became of submissions: which turned invalid, and how closed rounds ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.records import (
    ROUNDS_LOOKED_BACK,
    Fleet,
    HeldSubmission,
    Round,
    SubmissionState,
    SubmissionStatus,
)
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases
from numebot_dagster.operations.rounds.acceptance import invalidated, outcome_of, own_words
from numebot_dagster.operations.rounds.confirmation import confirm, what_is_held
from numebot_dagster.operations.rounds.predicting import stored_prediction
from numebot_dagster.submissions.file_names import uploader
from numebot_dagster.submissions.receipts import (
    NOBODY_PLAYED,
    Outcome,
    Receipt,
    RoundRecord,
    State,
    standing_of,
)
from numebot_dagster.submissions.reconciliation import REGISTERED, Holding, Situation

ROUNDS_ASKED = 3


def fleet_of(platform: Platform, round_: Round) -> Fleet:
    """Ask what Numerai holds of every model; for an old round it has to look back further."""
    is_open = round_.is_open(platform.client.now())
    bounded = phases.within(platform, phases.FLEET, round_)
    return bounded.client.fleet(ROUNDS_ASKED if is_open else ROUNDS_LOOKED_BACK)


def recheck(platform: Platform, round_: Round, models: Sequence[RegisteredModel]) -> list[Receipt]:
    """Ask Numerai whether it still counts what was accepted or confirmed; return new receipts.

    A submission that turned invalid, or in whose place another one counts, becomes `invalid`, with
    the reason, so that the next run replaces it while the window is open. One of ours that Numerai
    counts although that was not known becomes `accepted`.
    """
    records = [RoundRecord(platform.lake, model.name, round_.number) for model in models]
    histories = [record.history for record in records]
    fleet = fleet_of(platform, round_)
    changed = []
    for record, history in zip(records, histories, strict=True):
        new = _changed(platform, round_, fleet, history)
        # A run that has recorded something meanwhile knows more than this answer of Numerai's.
        if new and record.history == history:
            platform.log.warning("Round %d, %s: %s", round_.number, record.model_name, new.reason)
            changed.append(record.append(new))
    return changed


def _changed(
    platform: Platform, round_: Round, fleet: Fleet, history: Sequence[Receipt]
) -> Receipt | None:
    """Return the receipt to add to a model's history if what Numerai holds has changed."""
    standing = standing_of(reversed(history))
    if standing is None:
        return None
    submission = fleet.submission_of(standing.model, round_.number)
    situation = Situation(round_, platform.client.now(), submission, history)
    own = situation.own_receipt
    if submission is not None and own is not None and situation.holding is Holding.OURS:
        # One file that was registered twice is held under the id of the later registration.
        same = submission.submission_id == standing.submission_id
        if own.differs or (own.is_held and standing.is_held and same):
            return None
        return _accepted(platform, round_, submission, own, "Numerai counts this submission")
    if not standing.is_held or standing.submission_id is None:
        return None
    state = platform.client.submission_states([standing.submission_id]).get(standing.submission_id)
    if state is not None and state.selected is not False:
        return None
    if submission is not None and situation.holding is Holding.FOREIGN:
        is_news = submission.submission_id != standing.submission_id
        return _foreign(platform, round_, submission, standing) if is_news else None
    reason = _why_not_held(platform, fleet, standing, state)
    return None if reason is None else invalidated(standing, reason)


def record_foreign(
    platform: Platform, round_: Round, record: RoundRecord, submission: HeldSubmission
) -> Receipt:
    """Record that Numerai holds a file for the round that this data folder did not make."""
    standing = record.standing
    is_known = standing is not None and standing.is_foreign
    if standing is not None and is_known and standing.submission_id == submission.submission_id:
        return standing
    return record.append(_foreign(platform, round_, submission, standing))


def _foreign(
    platform: Platform, round_: Round, submission: HeldSubmission, standing: Receipt | None
) -> Receipt:
    """Return the receipt of a file that this data folder did not make, naming its uploader."""
    note = f"{submission.filename} was uploaded by {uploader(submission.filename)}"
    if standing is not None and standing.submission_id and not standing.is_foreign:
        note += f" in the place of {standing.filename or 'ours'}"
    note += f"; this is the installation {platform.installation}, and --force replaces it"
    theirs = Receipt(submission.model, round_.number, filename=submission.filename)
    return _accepted(platform, round_, submission, theirs, note)


def _why_not_held(
    platform: Platform, fleet: Fleet, standing: Receipt, state: SubmissionState | None
) -> str | None:
    """Return why Numerai no longer counts a submission; None unless it is sure that it does not."""
    submission_id = standing.submission_id
    submission = fleet.submission_of(standing.model, standing.round_number)
    if submission is not None:
        return f"Numerai now counts {submission.filename} in its place"
    if state is not None:
        words = own_words(platform, standing)
        return f"Numerai no longer counts submission {submission_id}: it was found invalid{words}"
    says_none = any(
        (row.model, row.round_number, row.status)
        == (standing.model, standing.round_number, SubmissionStatus.NONE)
        for row in fleet.submissions
    )
    return f"Numerai no longer knows submission {submission_id}" if says_none else None


def settle(
    platform: Platform,
    round_: Round,
    models: Sequence[RegisteredModel],
    fleet: Fleet | None = None,
) -> dict[str, Receipt]:
    """Record how a closed round ended for each submitting model, as Numerai says.

    A model that the account lacks has missed nothing.

    Args:
        platform: where it is recorded.
        round_: the round.
        models: those that do not submit are left out.
        fleet: what Numerai holds, if it was asked already.

    Returns:
        The receipts that stand now of those whose end was not known, by their names.

    Raises:
        NumeraiError: when Numerai cannot be asked; nothing is recorded then.
    """
    records = [
        RoundRecord(platform.lake, model.name, round_.number) for model in models if model.submit
    ]
    open_ends = [record for record in records if _is_end_open(platform.lake, record)]
    if not open_ends:
        return {}
    fleet = fleet or fleet_of(platform, round_)
    return {
        record.model_name: record_end(platform, round_, record, fleet, NOBODY_PLAYED)
        for record in open_ends
        if record.model_name in fleet.models
    }


def _is_end_open(lake: Lake, record: RoundRecord) -> bool:
    """Return whether Numerai must still say how a round ended for a model."""
    standing = record.standing
    if standing is None:
        return lake.takes_part(record.model_name, record.round_number)
    return not standing.is_end_known


def record_end(
    platform: Platform, round_: Round, record: RoundRecord, fleet: Fleet, reason: str
) -> Receipt:
    """Record how a closed round ended for a model, from what Numerai was just seen to hold.

    What a killed run had sent is `accepted`, and `confirmed` if its predictions are stored; what
    somebody else uploaded inside the window is `accepted` with that reason; otherwise the round
    is `missed`.
    """
    standing = record.standing
    if standing is None or not standing.is_held:
        situation = Situation(
            round=round_,
            now=platform.client.now(),
            submission=fleet.submission_of(record.model_name, round_.number),
            receipts=record.history,
        )
        situation = what_is_held(platform, record, situation)
        submission, own = situation.submission, situation.own_receipt
        if submission is None or situation.holding in (Holding.NOTHING, Holding.CARRIED_OVER):
            return _missed(record, submission, reason)
        if submission.status == REGISTERED and standing is not None:
            return standing  # Numerai will say in a few minutes
        if own is None:
            return record_foreign(platform, round_, record, submission)
        if own.differs:
            return own  # it was compared already, and is not what was sent
        standing = record.append(_accepted(platform, round_, submission, own, "Numerai holds it"))
    return _confirmed_if_stored(platform, record, standing)


def _missed(record: RoundRecord, submission: HeldSubmission | None, reason: str) -> Receipt:
    standing = record.standing
    if standing is not None and standing.outcome is not None:
        return standing
    if submission is not None:
        reason += (
            f"; {submission.filename}, carried over from before it opened, counts in its place"
        )
    return record.append(
        Receipt(record.model_name, record.round_number, outcome=Outcome.MISSED, reason=reason)
    )


def _accepted(
    platform: Platform, round_: Round, submission: HeldSubmission, own: Receipt, reason: str
) -> Receipt:
    received_at = submission.timestamp or own.submitted_at
    return replace(
        own,
        submission_id=submission.submission_id,
        state=own.state if own.is_held else State.ACCEPTED,
        outcome=outcome_of(round_, received_at, submission.round_number),
        submitted_at=received_at,
        accepted_at=own.accepted_at or platform.client.now(),
        reason=reason,
    )


def _confirmed_if_stored(platform: Platform, record: RoundRecord, receipt: Receipt) -> Receipt:
    stored = stored_prediction(platform, receipt) if receipt.state is State.ACCEPTED else None
    return receipt if stored is None else confirm(platform, record, receipt, stored)
