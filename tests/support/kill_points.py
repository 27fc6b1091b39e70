"""Name the points at which the tests kill a run, and the faults that hold a run there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class KillPoint(StrEnum):
    """A point in the life of a run, in the order in which a run comes by."""

    ROUND_READ = "before the round is read"
    LIVE_DATA = "while live data come"
    TRAINING_DATA = "while training data come"
    FLEET_READ = "before the fleet is read"
    AUTHORISATION = "before the upload is authorised"
    INTENT = "before the intent is recorded"
    UPLOAD = "before the bytes are sent"
    REGISTRATION = "before the registration"
    REGISTRATION_RECORDED = "before the registration is recorded"
    ACCEPTANCE_RECORDED = "before the acceptance is recorded"
    CONFIRMATION = "before the confirmation"
    DOWNLOAD = "while the submission comes back"
    CONFIRMATION_RECORDED = "before the confirmation is recorded"


# The faults of the practice tournament that hold a run at a point; it can be killed in the last.
# A `latency` waits before the tournament does its work, a `drip` after it.
HOLDS: Mapping[KillPoint, tuple[tuple[str, str], ...]] = {
    KillPoint.ROUND_READ: (("latency", "graphql:rounds"),),
    KillPoint.LIVE_DATA: (("drip", "download:*live*"),),
    KillPoint.FLEET_READ: (("latency", "graphql:account"),),
    KillPoint.AUTHORISATION: (("latency", "graphql:submissionUploadAuth"),),
    KillPoint.INTENT: (("drip", "graphql:submissionUploadAuth"),),
    KillPoint.UPLOAD: (("latency", "upload:*"),),
    KillPoint.REGISTRATION: (("latency", "graphql:createSubmission"),),
    KillPoint.REGISTRATION_RECORDED: (("drip", "graphql:createSubmission"),),
    # The account is asked for at the beginning too: which answer is meant, the first hold tells.
    KillPoint.ACCEPTANCE_RECORDED: (
        ("drip", "graphql:createSubmission"),
        ("drip", "graphql:account"),
    ),
    KillPoint.CONFIRMATION: (("latency", "graphql:submissionDownloadAuth"),),
    KillPoint.DOWNLOAD: (("drip", "submission:*"),),
}
