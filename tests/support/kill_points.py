"""Name the points at which the tests kill a run or a roll-up, and what holds a run there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

import pytest


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


class Killed(BaseException):
    """What ends a process here that is killed elsewhere: nothing of ours catches it."""


# Every way in which a file or a folder is changed below the lake.
_CHANGES = (
    (Path, "replace"),
    (Path, "rename"),
    (Path, "unlink"),
    (Path, "rmdir"),
    (Path, "write_bytes"),
    (os, "link"),
    (os, "fsync"),
)


@contextmanager
def killed_before_change(number: int) -> Iterator[None]:
    """Let a block change files so often, and no more: as of a process that was killed then.

    What it still does on its way out, such as removing a temporary, does not happen either. A block
    that comes to its end before is left alone.
    """
    left = number

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*arguments: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return change(*arguments, **more)

        return changed

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _CHANGES:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        with suppress(Killed):
            yield
