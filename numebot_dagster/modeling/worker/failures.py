"""Define how a model can fail, each with a text that names the model and what to do."""

from __future__ import annotations

from numebot_dagster.modeling.worker.messages import Failure

_DOING = {"canary": "repeat its canary rows"}  # where the name of a phase is no verb


class ModelError(Exception):
    """The base of every failure of one model; other models are not concerned.

    Attributes:
        model: the Numerai name.
        log_tail: the end of what the model printed.
    """

    def __init__(self, model_name: str, text: str, log_tail: str = "") -> None:
        super().__init__(f"{model_name} {text}")
        self.model = model_name
        self.log_tail = log_tail


class ModelFailed(ModelError):
    """The model's code raised, or gave something that is not what the contract asks for.

    Attributes:
        phase: what it was doing: import, read, train, save, load, canary, predict.
        traceback: lines of the model's code that led there.
        phases: seconds of the phases that ended before.
    """

    def __init__(self, model_name: str, failure: Failure, log_tail: str = "") -> None:
        where = f"\n{failure.traceback}" if failure.traceback else ""
        reason = f"{failure.kind}: {failure.message}"
        doing = _DOING.get(failure.phase, failure.phase)
        super().__init__(model_name, f"failed to {doing}: {reason}{where}", log_tail)
        self.phase = failure.phase
        self.kind = failure.kind
        self.reason = failure.message
        self.traceback = failure.traceback
        self.phases = failure.phases

    @property
    def place(self) -> str:
        """The innermost line that belongs to no library, `file:line in function: code`."""
        lines = self.traceback.splitlines()
        own = [line for line in lines if "site-packages" not in line] or lines
        return own[-1] if own else ""


class ModelTimedOut(ModelError):
    """The model took longer than its time budget and was stopped."""


class ModelOutOfMemory(ModelError):
    """The model used more than its memory budget and was stopped."""


class ModelCrashed(ModelError):
    """The worker process ended without an answer: it exited, or the system killed it."""
